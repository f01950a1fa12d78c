/**
 * `soul eval`: how well a model knows the answers of a file.
 *
 * @module
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { throwIfCancelled } from '../../core/cancellation.ts';
import { replaceFile } from '../../core/files.ts';
import { thenRelease } from '../../core/release.ts';
import { carriedTokenNotes } from '../../data/carried-tokens.ts';
import { encodeExamples } from '../../data/encode.ts';
import { PromptTemplate } from '../../data/prompt-template.ts';
import { readExamples } from '../../data/read-examples.ts';
import { checkVocabulary } from '../../data/vocabulary.ts';
import { type Evaluation, evaluate } from '../../eval/evaluate.ts';
import { checkModelFolder } from '../../model/folder-kind.ts';
import { readModelLimits } from '../../model/model-limits.ts';
import { HuggingFaceTokenizer } from '../../model/tokenizer.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import { integer, path } from '../arguments.ts';
import { cancelOnSignals } from '../interrupt.ts';
import { addLoadingOptions, decideLoading, deviceLine, type ModelOptions } from '../model-options.ts';
import { addOutputOptions, exampleText, RequiredOption } from '../options.ts';
import { requireWritableFile } from '../output-file.ts';
import { progressOn } from '../progress.ts';
import { sharedOption } from '../setting-options.ts';
import { type CommandResult, duration, type OutputOptions, printing, table } from '../terminal.ts';

interface EvalOptions extends ModelOptions, OutputOptions {
  model: string;
  data: string;
  limit?: number;
  generate: boolean;
  maxNewTokens: number;
  batchSize: number;
  template?: string;
  maxLength: number;
  items?: string;
}

export function evalCommand(): Command {
  const command = new Command('eval')
    .description(
      "Measures how well a model knows a file's answers: their probability, and ROUGE-L, the overlap of what it generates with them.",
    )
    .optionsGroup('Needed:')
    .addOption(sharedOption('model', true))
    .addOption(
      new RequiredOption(
        '--data <file>',
        'examples, a JSON object a line: question and answer, or prompt and completion',
      ).argParser(path),
    )
    .optionsGroup('Options:')
    .option('--limit <number>', 'measure only the first examples, so many', integer())
    .option('--no-generate', 'measure the probability alone, which is much faster')
    .option('--max-new-tokens <number>', 'longest answer to generate, in tokens', integer({ high: 2 ** 31 - 1 }), 200)
    .option('--batch-size <number>', 'examples at a time: fewer need less memory', integer(), 16)
    .addOption(sharedOption('template'))
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
    .addHelpText('after', exampleText('soul eval --model ./model --data examples.jsonl --items figures.jsonl'))
    .action(printing(measure));
}

async function measure(options: EvalOptions): Promise<CommandResult> {
  if (options.items !== undefined) {
    const folder = await readdir(options.model).catch(() => []);
    const ofModel = folder.map((name) => join(options.model, name));
    await requireWritableFile('--items', options.items, [options.data, ...ofModel]);
  }
  const loading = decideLoading(options);
  const progress = progressOn('measuring', { quiet: options.quiet ?? false });
  progress.log(deviceLine(loading));
  let model: RunnableModel | undefined;
  const work = async (signal: AbortSignal): Promise<CommandResult> => {
    progress.phase('reading data');
    const data = await readExamples(options.data);
    const examples = options.limit === undefined ? data.items : data.items.slice(0, options.limit);
    await checkModelFolder(options.model);
    const tokenizer = await HuggingFaceTokenizer.load(options.model);
    const template = options.template === undefined ? PromptTemplate.plain : PromptTemplate.parse(options.template);
    const limits = await readModelLimits(options.model);
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
        data: { file: options.data, sha256: data.sha256 },
        maximumLength,
        ...figures,
        seconds,
      },
      text: [table(['figure', 'value'], rows), ...unseenNote(figures), `in ${duration(seconds)}`].join('\n\n'),
    };
  };
  try {
    return await thenRelease(
      () => cancelOnSignals(work),
      () => [model],
    );
  } finally {
    progress.end();
  }
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
