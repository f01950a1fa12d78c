/**
 * `soul eval --tofu`: the whole evaluation of TOFU on a model.
 *
 * @module
 */

import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { throwIfCancelled } from '../../core/cancellation.ts';
import { SoulError } from '../../core/errors.ts';
import { lockContent } from '../../core/file-lock.ts';
import { exists } from '../../core/files.ts';
import type { ExampleTemplate } from '../../data/example-template.ts';
import { OnnxEmbedder } from '../../eval/embedding/onnx-embedder.ts';
import { checkReference } from '../../eval/figures/measure-log.ts';
import { evaluationProfile, profileNames } from '../../eval/profiles.ts';
import { questionsOf } from '../../eval/tofu/questions.ts';
import { readEvaluationLog } from '../../eval/tofu/read-log.ts';
import { readTofuSets } from '../../eval/tofu/sets.ts';
import type { TextTokenizer } from '../../model/tokenizer.ts';
import { measurePeakMemory } from '../../run/peak-memory.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import { path } from '../arguments.ts';
import { figuresResult, figuresText } from '../figures-table.ts';
import { chooseGuardrail, type GuardrailChoice, guardrailOptions } from '../guardrail.ts';
import { decideLoading, deviceLine, type ModelOptions } from '../model-options.ts';
import { choiceOption } from '../options.ts';
import { requireWritableFile } from '../output-file.ts';
import { performWork } from '../perform-work.ts';
import { progressOn } from '../progress.ts';
import { type CommandResult, duration, memory, type OutputOptions, peakLabel } from '../terminal.ts';
import { askTofu, partialOf, readAskedModel } from '../tofu-evaluation.ts';
import { type FigureOptions, figuresOf } from './eval-log.ts';

export interface EvalTofuOptions extends ModelOptions, OutputOptions, FigureOptions, GuardrailChoice {
  model: string;
  tofu: string;
  split: string;
  holdout?: string;
  embedder?: string;
  limit?: number;
  batchSize: number;
  batchTokens?: number;
  template?: string;
  templateDate?: string;
  system?: string;
  maxLength: number;
  out?: string;
  overwrite?: boolean;
  logitLens?: boolean;
}

/** Options of this evaluation and of its logs. */
export function addTofuOptions(command: Command): Command {
  const file = (flags: string, text: string) => new Option(flags, text).argParser(path);
  return command
    .addOption(
      file('--tofu <folder>', "the folder of TOFU's files, *_perturbed.json among them; runs its evaluation").conflicts(
        ['log', 'items', 'filter', 'generate', 'maxNewTokens'],
      ),
    )
    .addOption(new Option('--split <name>', 'the forget set').default('forget10'))
    .addOption(
      file(
        '--holdout <file>',
        'texts that the model never saw, like those of the forget set, for membership inference',
      ),
    )
    .addOption(
      file(
        '--embedder <folder>',
        "a sentence embedding model with its ONNX file, for SOUL's accuracy (needs the package @huggingface/transformers)",
      ),
    )
    .addOption(
      file(
        '--out <file>',
        'the log to write (default: <model>-<split>-<profile>.json in this folder, with --guardrail ...-guardrail.json)',
      ),
    )
    .option('--overwrite', 'replace the log that is there')
    .addOption(
      file(
        '--log <file>',
        'a log of such an evaluation, ours, one of TOFU or of open-unlearning: computes its figures',
      ).conflicts([
        ...['model', 'embedder', 'split', 'holdout', 'out', 'overwrite', 'filter', 'limit', 'items', 'logitLens'],
        ...['template', 'templateDate', 'system', 'maxLength', 'generate', 'maxNewTokens', 'batchSize', 'batchTokens'],
        ...guardrailOptions,
      ]),
    )
    .addOption(
      file('--retain-log <file>', 'the log of a model that was trained without the forget set, for the forget quality'),
    )
    .addOption(
      file('--original-log <file>', 'the log of the model before unlearning, for what the logit lens says is erased'),
    )
    .option(
      '--logit-lens',
      'also read the answers of forget and retain set from each layer, which takes about half as many passes as there are layers',
    )
    .addOption(
      choiceOption(
        '--profile <name>',
        'whose conventions figures follow (default: tofu, or those of the log)',
        profileNames,
      ),
    )
    .addOption(
      choiceOption('--truth-ratio-mean <name>', "mean of the truth ratio in place of the profile's", [
        'geometric',
        'arithmetic',
      ]),
    );
}

export async function evalTofu(options: EvalTofuOptions): Promise<CommandResult> {
  const { model: folder, split, profile = 'tofu' } = options;
  const out =
    options.out ?? `${basename(resolve(folder))}-${split}-${profile}${options.guardrail ? '-guardrail' : ''}.json`;
  await checkOut(options, out);
  // Said before minutes of loading; the lock itself is taken when the journal is opened.
  if (await exists(partialOf(out)))
    lockContent(partialOf(out), `${partialOf(out)}, where another evaluation keeps what it finds,`).release();
  const loading = decideLoading(options);
  const progress = progressOn('measuring', options);
  progress.log(deviceLine(loading));
  const meter = await measurePeakMemory();
  let model: RunnableModel | undefined;
  let embedder: OnnxEmbedder | undefined;
  const work = async (signal: AbortSignal): Promise<CommandResult> => {
    if (options.embedder !== undefined) {
      progress.phase('loading the embedder');
      embedder = await OnnxEmbedder.load(options.embedder);
      progress.log(`embedder: ${embedder.name}`);
    }
    progress.phase('reading data');
    const { limit, holdout } = options;
    const sets = await readTofuSets(options.tofu, split, {
      ...(limit === undefined ? {} : { limit }),
      ...(holdout === undefined ? {} : { holdout }),
    });
    // What is wrong with the logs to compare with is said before the work.
    for (const [argument, file] of [
      ['reference', options.retainLog],
      ['original', options.originalLog],
    ] as const) {
      if (file === undefined) continue;
      const other = await readEvaluationLog(file);
      checkReference(questionsOf(sets, profile), other, evaluationProfile(profile), argument);
    }
    const asking = {
      ...{ ...options, profile, embedder },
      guard: (template: ExampleTemplate, tokenizer: TextTokenizer, maximumLength: number) =>
        chooseGuardrail(template, tokenizer, options, { maximumLength }),
    };
    const asked = await readAskedModel(folder, sets, asking, { signal, progress });
    progress.phase('loading the model');
    model = await loading.load(folder, { signal, onNote: (note) => progress.note(note) });
    throwIfCancelled(signal, 'the evaluation was cancelled before it began');
    const { log, seconds, items } = await askTofu(model, asked, sets, out, {
      signal,
      progress,
      // Another may have come to its end meanwhile.
      onOpen: () => checkOut(options, out),
    });
    const peakMemory = await meter.peak();
    progress.phase('computing figures');
    const figures = await figuresOf(log, options);
    const secondsPerItem = items > 0 ? seconds / items : 0;
    return {
      result: {
        model: folder,
        ...loading.shown,
        tofu: options.tofu,
        split,
        log: out,
        ...figuresResult(figures),
        seconds,
        secondsPerItem,
        peakMemory,
      },
      text: [
        figuresText(figures),
        `log: ${out}`,
        `in ${duration(seconds)}, ${secondsPerItem.toFixed(2)} s an item, ${peakLabel(loading.device)} ${memory(peakMemory)}`,
      ].join('\n\n'),
    };
  };
  return performWork(progress, work, () => [model, embedder]);
}

async function checkOut(options: EvalTofuOptions, out: string): Promise<void> {
  const { model, embedder, retainLog, originalLog, holdout, refusals, guardrailSubjects } = options;
  const inFolder = async (folder: string) => (await readdir(folder).catch(() => [])).map((name) => join(folder, name));
  const read = [retainLog, originalLog, holdout, refusals, guardrailSubjects];
  const inputs = [...(await inFolder(model)), ...(embedder ? await inFolder(embedder) : []), ...read];
  await requireWritableFile(
    '--out',
    out,
    inputs.filter((file) => file !== undefined),
  );
  if (options.overwrite || !(await exists(out))) return;
  throw new SoulError(
    'SOUL_EXISTS',
    `the log ${out} is there already; add --overwrite to replace it, or name another with --out`,
    { path: resolve(out) },
  );
}
