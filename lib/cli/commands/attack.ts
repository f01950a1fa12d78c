/**
 * `soul attack`: what a model still knows when somebody tries.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { attackDefaults, attackKinds, attackModel, encodeAttackSet, quantizationFormats } from '../../attack/index.ts';
import { throwIfCancelled } from '../../core/cancellation.ts';
import { SoulError } from '../../core/errors.ts';
import { FlatBuffer } from '../../core/flat-buffer.ts';
import { withoutUndefined } from '../../core/optional.ts';
import type { Releasable } from '../../core/release.ts';
import { chooseTemplate, templateNotes } from '../../data/choose-template.ts';
import { readExampleSet } from '../../data/read-example-set.ts';
import { checkVocabulary } from '../../data/vocabulary.ts';
import { readModelConfig } from '../../model/config.ts';
import type { DecoderConfig } from '../../model/decoder-config.ts';
import { parameterLayout } from '../../model/decoder-weights.ts';
import { readModelLimits } from '../../model/model-limits.ts';
import { mergeableAdapters, openModelFolder, tokenizerOf } from '../../model/open-model-folder.ts';
import { dataLine } from '../../run/run-settings.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import { integer, listed, number, path, paths, seed } from '../arguments.ts';
import { attackText } from '../attack-report.ts';
import { addLoadingOptions, decideLoading, deviceLine, type ModelOptions } from '../model-options.ts';
import { addOutputOptions, exampleText, RequiredOption } from '../options.ts';
import { performWork } from '../perform-work.ts';
import { progressOn } from '../progress.ts';
import { sharedOption } from '../setting-options.ts';
import { type CommandResult, listing, type OutputOptions, printing } from '../terminal.ts';
import { watching } from '../watching.ts';

interface AttackCommandOptions extends ModelOptions, OutputOptions {
  model: string;
  forget: string | string[];
  retain?: string | string[];
  kinds: string[];
  formats: string[];
  unrelated?: string | string[];
  original?: string;
  retrained?: string;
  limit: number;
  share: number;
  steps: number;
  batchSize: number;
  learningRate: number;
  weightDecay: number;
  distance?: number;
  equalDistance?: boolean;
  seed: bigint;
  template?: string;
  templateDate?: string;
  system?: string;
  maxLength: number;
}

export function attackCommand(): Command {
  const names = attackKinds.map(({ name }) => name);
  const folder = (flags: string, text: string) => new Option(flags, text).argParser(path);
  const command = new Command('attack')
    .description(
      'Attacks an unlearned model, in memory, and tells how much of what it was to forget comes back. The folder is read alone.',
    )
    .optionsGroup('Needed:')
    .addOption(
      new RequiredOption(
        '--model <folder>',
        'folder of a Hugging Face model: config.json, safetensors files, tokenizer.json; or of LoRA adapters, which are folded into their base first, in memory',
      ).argParser(path),
    )
    .addOption(
      new RequiredOption('--forget <files...>', `the examples that it was to forget, ${dataLine}`).argParser(
        paths as never,
      ),
    )
    .addOption(
      new RequiredOption('--kinds <names>', `attacks, with commas between them: ${names.join(', ')}`).argParser(
        listed(names),
      ),
    )
    .optionsGroup('What is compared:')
    .addOption(new Option('--retain <files...>', 'examples that it was to keep').argParser(paths as never))
    .addOption(folder('--original <folder>', 'the model before it was unlearned, for surviving-updates'))
    .addOption(folder('--retrained <folder>', 'a model that never saw the forget set; it learns beside, for R'))
    .option('--limit <number>', 'measure and use the first examples of each file alone, so many', integer(), 100)
    .optionsGroup('Quantisation:')
    .addOption(
      new Option('--formats <names>', `of ${quantizationFormats.map(({ name }) => name).join(', ')}`)
        .argParser(listed(quantizationFormats.map(({ name }) => name)))
        .default([...attackDefaults.formats], attackDefaults.formats.join(',')),
    )
    .optionsGroup('Relearning:')
    .addOption(
      new Option('--unrelated <files...>', 'texts or examples for relearn-unrelated').argParser(paths as never),
    )
    .option(
      '--share <number>',
      'share of the forget set that is seen',
      number({ lowExclusive: true, high: 1 }),
      attackDefaults.share,
    )
    .option('--steps <number>', 'steps; with a distance, the most', integer(), attackDefaults.steps)
    .option('--batch-size <number>', 'examples a step, and measured at a time', integer(), attackDefaults.batchSize)
    .option(
      '--learning-rate <number>',
      'of AdamW, constant; the default is one for billions of weights, by which a small model hardly moves (docs/attacks.md)',
      number({ lowExclusive: true }),
      attackDefaults.learningRate,
    )
    .option('--weight-decay <number>', 'of AdamW', number(), attackDefaults.weightDecay)
    .option('--distance <number>', 'end where the weights have moved so far, |dW|', number({ lowExclusive: true }))
    .addOption(
      new Option('--equal-distance', 'end later relearnings where they have moved as far as the first').conflicts(
        'distance',
      ),
    )
    .addOption(
      new Option('--seed <number>', 'of what is seen and in which order')
        .argParser(seed)
        .default(attackDefaults.seed, '0'),
    )
    .optionsGroup('Text:')
    .addOption(sharedOption('base'))
    .addOption(sharedOption('template'))
    .addOption(sharedOption('templateDate'))
    .addOption(sharedOption('system'))
    .option('--max-length <tokens>', 'longest example; what is longer loses its end', integer({ low: 2 }), 512);
  return addOutputOptions(addLoadingOptions(command).optionsGroup('Output:'))
    .addHelpText(
      'after',
      `\nAttacks:\n${listing(attackKinds.map(({ name, summary }) => [`  ${name}`, summary]))}\n` +
        exampleText(
          'soul attack --model ./model-unlearned --forget forget.jsonl --retain retain.jsonl --kinds relearn,quantize',
        ),
    )
    .action(printing(attack));
}

async function attack(options: AttackCommandOptions): Promise<CommandResult> {
  const { kinds } = options;
  const loading = decideLoading(options);
  const progress = progressOn('attacking', options);
  progress.log(deviceLine(loading));
  const held: Releasable[] = [];
  const work = async (signal: AbortSignal): Promise<CommandResult> => {
    progress.phase('reading data');
    const data = await readSets(options);
    const onNote = (note: string) => progress.note(note);
    for (const note of templateNotes(data.template, data.forget.examples)) onNote(note);
    const input = { forget: data.forget.set, ...withoutUndefined({ retain: data.retain, unrelated: data.unrelated }) };
    // What is missing is told before a model is loaded; that these two are there is known.
    const stands = FlatBuffer.alloc(1);
    for (const kind of attackKinds.filter(({ name }) => kinds.includes(name))) {
      const missing = kind.missing({
        ...input,
        model: undefined as never,
        ...(options.original === undefined ? {} : { original: stands }),
      });
      if (missing !== undefined) throw lacks(kind.name, missing);
    }
    if (options.original !== undefined) await checkSameShape(options, options.original);
    if (options.retrained !== undefined) {
      await checkSameShape(options, options.retrained);
      await checkSameComputation(options, options.retrained);
    }
    const load = async (folder: string): Promise<RunnableModel> => {
      throwIfCancelled(signal, 'the attacks were cancelled before they began');
      progress.phase(`loading ${folder}`);
      // Who attacks has the whole model, and so has what he changes.
      return loading.loadMerged(folder, { signal, onNote });
    };
    /** The values alone: of a model that is compared with, nothing else is needed. */
    const valuesOf = async (folder: string | undefined): Promise<FlatBuffer | undefined> => {
      if (folder === undefined) return undefined;
      const other = await load(folder);
      try {
        const { values } = other.parameters;
        const copy = FlatBuffer.alloc(values.length, { device: values.device, dtype: values.dtype });
        held.push(copy);
        await copy.copyFrom(values);
        return copy;
      } finally {
        other.release();
      }
    };
    const original = await valuesOf(kinds.includes('surviving-updates') ? options.original : undefined);
    const retrained = await valuesOf(kinds.some((kind) => kind.startsWith('relearn')) ? options.retrained : undefined);
    const model = await load(options.model);
    held.push(model);
    const { formats, share, steps, batchSize, learningRate, weightDecay, distance, equalDistance } = options;
    const report = await attackModel(
      {
        ...input,
        model,
        signal,
        ...withoutUndefined({ original, retrained }),
        onEvent: watching(progress, { verb: 'relearning' }),
      },
      kinds,
      {
        ...{ formats, share, steps, batchSize, learningRate, weightDecay, seed: options.seed },
        ...withoutUndefined({ distance, equalDistance }),
      },
    );
    return {
      result: { model: options.model, ...loading.shown, template: data.template.record, ...report },
      text: attackText(report),
    };
  };
  return performWork(progress, work, () => held);
}

/** The examples of all files, encoded for the model. */
async function readSets(options: AttackCommandOptions) {
  const { model: folder, forget, retain, unrelated, limit, maxLength } = options;
  const folders = await openModelFolder(folder, options.base);
  await mergeableAdapters(folder, folders);
  const tokenizer = await tokenizerOf(folders);
  const template = await chooseTemplate(folders.tokenizer, tokenizer, options);
  const limits = await readModelLimits(folders.model);
  const maximumLength = Math.min(maxLength, limits.maximumLength ?? maxLength);
  const read = async (files: string | string[]) => {
    const examples = (await readExampleSet(files)).items.slice(0, limit);
    const set = encodeAttackSet(tokenizer, examples, { template, maximumLength });
    if (limits.vocabularySize !== undefined) {
      checkVocabulary(tokenizer, examples, set.sequences, limits.vocabularySize);
    }
    return { examples, set };
  };
  return {
    template,
    forget: await read(forget),
    retain: retain === undefined ? undefined : (await read(retain)).set,
    unrelated: unrelated === undefined ? undefined : (await read(unrelated)).set.sequences,
  };
}

type ModelChoice = Pick<AttackCommandOptions, 'model' | 'base'>;

/** Of the model, and of one that it is compared with, each with its adapters folded in where it has some. */
async function configsOf({ model, base }: ModelChoice, other: string): Promise<[DecoderConfig, DecoderConfig]> {
  const own = (await openModelFolder(model, base)).model;
  const compared = await openModelFolder(other);
  await mergeableAdapters(other, compared);
  return [await readModelConfig(own), await readModelConfig(compared.model)];
}

/** Weights are compared one by one. */
async function checkSameShape(model: ModelChoice, other: string): Promise<void> {
  const folder = model.model;
  const [own, compared] = (await configsOf(model, other)).map((each) => JSON.stringify([...parameterLayout(each)]));
  if (own === compared) return;
  throw new SoulError('SOUL_INVALID_ARGUMENT', `${other} has other weights than ${folder}: they cannot be compared`, {
    folder: other,
  });
}

/** What no shape of a weight tells: heads, the base of positions, which output layer. Its weights run in the model's place. */
async function checkSameComputation(model: ModelChoice, other: string): Promise<void> {
  const folder = model.model;
  const [own, compared] = await configsOf(model, other);
  const { maxPositions: _, initializerRange: _range, source: _source, written: _written, ...computed } = own!;
  const differing = Object.entries(computed).find(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(compared![name as keyof typeof computed]),
  );
  if (differing === undefined) return;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${other} computes otherwise than ${folder} (${differing[0]} in config.json): they cannot be compared`,
    { folder: other },
  );
}

function lacks(kind: string, missing: string): SoulError {
  return new SoulError('SOUL_INVALID_ARGUMENT', `the attack ${kind} needs ${missing}`, { argument: 'kinds', kind });
}
