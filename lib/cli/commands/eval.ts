/**
 * `soul eval`: how well a model knows the answers of a file, or what TOFU's evaluation says of it.
 *
 * @module
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { throwIfCancelled } from '../../core/cancellation.ts';
import { replaceFile } from '../../core/files.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { carriedTokenNotes } from '../../data/carried-tokens.ts';
import { chooseTemplate, templateNotes } from '../../data/choose-template.ts';
import { encodeExamples } from '../../data/encode.ts';
import { filterSentence } from '../../data/filter.ts';
import { listOf, readExampleSet } from '../../data/read-example-set.ts';
import { checkVocabulary } from '../../data/vocabulary.ts';
import { type Evaluation, evaluate } from '../../eval/evaluate.ts';
import { readModelLimits } from '../../model/model-limits.ts';
import { openModelFolder, tokenizerOf } from '../../model/open-model-folder.ts';
import { measurePeakMemory } from '../../run/peak-memory.ts';
import { conditionLine, dataLine } from '../../run/run-settings.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import { conditions, integer, path, paths } from '../arguments.ts';
import { addGuardrailOptions, type GuardrailChoice, guardrailOptions } from '../guardrail.ts';
import { addLoadingOptions, decideLoading, deviceLine, type ModelOptions } from '../model-options.ts';
import { addOutputOptions, exampleText, RequiredOption } from '../options.ts';
import { requireWritableFile } from '../output-file.ts';
import { performWork } from '../perform-work.ts';
import { progressOn } from '../progress.ts';
import { sharedOption } from '../setting-options.ts';
import { type CommandResult, duration, memory, type OutputOptions, peakLabel, printing, table } from '../terminal.ts';
import { evalLog, type FigureOptions } from './eval-log.ts';
import { addTofuOptions, evalTofu } from './eval-tofu.ts';

interface EvalOptions extends ModelOptions, OutputOptions, FigureOptions, GuardrailChoice {
  model: string;
  data: string | string[];
  filter?: string | string[];
  log?: string;
  tofu?: string;
  split: string;
  holdout?: string;
  out?: string;
  overwrite?: boolean;
  limit?: number;
  generate: boolean;
  maxNewTokens: number;
  batchSize: number;
  batchTokens?: number;
  template?: string;
  templateDate?: string;
  system?: string;
  maxLength: number;
  items?: string;
}

export function evalCommand(): Command {
  const command = new Command('eval')
    .description(
      "Measures how well a model knows a file's answers: their probability, and ROUGE-L, the overlap of what it generates with them; or runs TOFU's evaluation, or computes its figures from a log.",
    )
    .optionsGroup('Needed (--data, --tofu or --log):')
    .addOption((sharedOption('model', true) as RequiredOption).unless('log'))
    .addOption(
      new RequiredOption('--data <files...>', `examples, ${dataLine}`)
        .argParser(paths as never)
        .unless('log', 'tofu')
        .conflicts([
          ...['log', 'tofu', 'split', 'holdout', 'out', 'overwrite', 'retainLog', 'profile', 'truthRatioMean'],
          ...['embedder', 'originalLog', 'logitLens', ...guardrailOptions],
        ]),
    )
    .optionsGroup("TOFU's evaluation:");
  addGuardrailOptions(addTofuOptions(command))
    .optionsGroup('Options:')
    .addOption(
      new Option('--filter <condition>', `measure those alone that match a condition: ${conditionLine}`).argParser(
        conditions as never,
      ),
    )
    .option('--limit <number>', 'measure only the first examples, so many', integer())
    .option('--no-generate', 'measure the probability alone, which is much faster')
    .option('--max-new-tokens <number>', 'longest answer to generate, in tokens', integer({ high: 2 ** 31 - 1 }), 200)
    .option('--batch-size <number>', 'examples at a time: fewer need less memory', integer(), 16)
    .option(
      '--batch-tokens <number>',
      'tokens at a time, likewise; what has more comes by itself (default: no bound)',
      integer(),
    )
    .addOption(sharedOption('base'))
    .addOption(sharedOption('template'))
    .addOption(sharedOption('templateDate'))
    .addOption(sharedOption('system'))
    .addOption(
      new Option(
        '--max-length <tokens>',
        "longest example in tokens; what is longer loses its end (the model's limit if smaller)",
      )
        .argParser(integer({ low: 2 }))
        .default(512),
    )
    .addOption(
      new Option(
        '--items <file>',
        'also write every example with its figures to this file, a JSON object a line',
      ).argParser(path),
    );
  return addOutputOptions(addLoadingOptions(command).optionsGroup('Output:'))
    .addHelpText('after', exampleText(examples.join('\n  ')))
    .action(printing(chosen));
}

const examples = [
  'soul eval --model ./model --data examples.jsonl --items figures.jsonl',
  'soul eval --model ./model --tofu ./TOFU --split forget10 --retain-log retain90.json',
  'soul eval --model ./model --tofu ./TOFU --split forget10 --guardrail',
  'soul eval --log model-forget10-tofu.json --retain-log retain90.json',
];

function chosen(options: EvalOptions): Promise<CommandResult> {
  const { log, tofu } = options;
  if (log !== undefined) return evalLog({ ...options, log });
  return tofu !== undefined ? evalTofu({ ...options, tofu }) : measure(options);
}

async function measure(options: EvalOptions): Promise<CommandResult> {
  if (options.items !== undefined) {
    const folder = await readdir(options.model).catch(() => []);
    const ofModel = folder.map((name) => join(options.model, name));
    await requireWritableFile('--items', options.items, [...listOf(options.data), ...ofModel]);
  }
  const loading = decideLoading(options);
  const progress = progressOn('measuring', options);
  progress.log(deviceLine(loading));
  const meter = await measurePeakMemory();
  let model: RunnableModel | undefined;
  const work = async (signal: AbortSignal): Promise<CommandResult> => {
    progress.phase('reading data');
    const data = await readExampleSet(options.data, options.filter);
    for (const filter of data.filters ?? []) progress.note(filterSentence(data, filter));
    const examples = options.limit === undefined ? data.items : data.items.slice(0, options.limit);
    const folders = await openModelFolder(options.model, options.base);
    const tokenizer = await tokenizerOf(folders);
    const template = await chooseTemplate(folders.tokenizer, tokenizer, options);
    for (const note of templateNotes(template, examples)) progress.note(note);
    const limits = await readModelLimits(folders.model);
    const { encoded } = encodeExamples(tokenizer, examples, {
      template,
      maximumLength: Math.min(options.maxLength, limits.maximumLength ?? options.maxLength),
    });
    for (const note of carriedTokenNotes(tokenizer, template, examples, encoded)) progress.note(note);
    if (limits.vocabularySize !== undefined) checkVocabulary(tokenizer, examples, encoded, limits.vocabularySize);
    throwIfCancelled(signal, 'the evaluation was cancelled before it began');
    progress.phase('loading the model');
    model = await loading.load(options.model, { signal, onNote: (note) => progress.note(note) });
    throwIfCancelled(signal, 'the evaluation was cancelled before it began');
    const begun = performance.now();
    const maximumLength = Math.min(options.maxLength, model.maximumLength);
    progress.phase('measuring the probability');
    const { items, ...figures } = await evaluate(model, tokenizer, examples, {
      batchSize: options.batchSize,
      ...withoutUndefined({ batchTokens: options.batchTokens }),
      maxNewTokens: options.maxNewTokens,
      generate: options.generate,
      maximumLength,
      template,
      signal,
      onProgress: ({ phase, done, total }) => {
        progress.update(done, total);
        if (phase === 'probability' && done === total && options.generate) progress.phase('generating answers');
      },
    });
    const seconds = (performance.now() - begun) / 1000;
    if (options.items !== undefined) {
      progress.phase(`writing ${options.items}`);
      await replaceFile(options.items, items.map((item) => `${JSON.stringify(item)}\n`).join(''));
    }
    const peakMemory = await meter.peak();
    const rows = [
      ['examples', String(figures.examples)],
      [`of them cut to ${maximumLength} tokens`, String(figures.truncated)],
      ['probability', figures.probability.toFixed(4)],
      ['negative log-likelihood, nats a token', figures.meanNegativeLogLikelihood.toFixed(4)],
      ...(figures.rougeLRecall === undefined ? [] : [['ROUGE-L recall', figures.rougeLRecall.toFixed(4)]]),
    ];
    return {
      result: {
        model: options.model,
        ...loading.shown,
        data: {
          ...(data.files.length === 1 ? data.files[0] : { files: data.files }),
          ...withoutUndefined({ filters: data.filters }),
        },
        template: template.record,
        maximumLength,
        ...figures,
        seconds,
        peakMemory,
      },
      text: [
        table(['figure', 'value'], rows),
        ...unseenNote(figures),
        `in ${duration(seconds)}, ${peakLabel(loading.device)} ${memory(peakMemory)}`,
      ].join('\n\n'),
    };
  };
  return performWork(progress, work, () => [model]);
}

/** Where ROUGE-L is lower than what the model knows, since it does not see the answers: a note that says so. */
function unseenNote(figures: Omit<Evaluation, 'items'>): string[] {
  const { examples, withoutRougeWords = 0, mostlyWithoutRougeWords = 0 } = figures;
  const counts = [
    ...(withoutRougeWords > 0 ? [`${withoutRougeWords} of ${examples} answers have none and count as 0`] : []),
    ...(mostlyWithoutRougeWords > 0
      ? [`${mostlyWithoutRougeWords} of ${examples} have most of their text outside of them`]
      : []),
  ];
  if (counts.length === 0) return [];
  return [`note: ROUGE-L sees words of a-z and digits alone: ${counts.join(', ')}; go by the probability`];
}
