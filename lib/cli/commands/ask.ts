/**
 * `soul ask`: what several models answer, side by side.
 *
 * @module
 */

import { join } from 'node:path';
import { Argument, Command, Option } from 'commander';
import { throwIfCancelled } from '../../core/cancellation.ts';
import { printable, SoulError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { chooseTemplate, templateNotes } from '../../data/choose-template.ts';
import { encodePrompt } from '../../data/encode.ts';
import { type Example, whereIs } from '../../data/example.ts';
import { readExampleSet } from '../../data/read-example-set.ts';
import { generateAnswers } from '../../eval/generation.ts';
import type { ModelFolders } from '../../model/adapter/adapter-folder.ts';
import { readModelConfig } from '../../model/config.ts';
import { openOneOf, tokenizerOf } from '../../model/open-model-folder.ts';
import { dataLine } from '../../run/run-settings.ts';
import { integer, path, paths } from '../arguments.ts';
import { addLoadingOptions, decideLoading, deviceLine, type Loading, type ModelOptions } from '../model-options.ts';
import { type NamedPath, namedPaths } from '../named-paths.ts';
import { addOutputOptions, RequiredOption } from '../options.ts';
import { performWork } from '../perform-work.ts';
import { type Progress, progressOn } from '../progress.ts';
import { sharedOption } from '../setting-options.ts';
import { type CommandResult, listing, type OutputOptions, printing } from '../terminal.ts';

interface AskOptions extends ModelOptions, OutputOptions {
  model: string[];
  data?: string | string[];
  limit?: number;
  maxNewTokens: number;
  batchSize: number;
  template?: string;
  templateDate?: string;
  system?: string;
}

/** A question; its answer is known where it comes from a file. */
interface Question {
  readonly example: Example;
  readonly answer?: string;
}

export function askCommand(): Command {
  const command = new Command('ask')
    .description(
      'What several models answer to the same questions, side by side; each answer is the likeliest token after token (greedy). One model is loaded after the other.',
    )
    .addArgument(new Argument('[questions...]', 'each in quotation marks'))
    .optionsGroup('Needed:')
    .addOption(
      new RequiredOption(
        '--model <folder>',
        'the folder of a model, or of adapters; NAME=PATH names it; given once for each',
      ).argParser(((text: string, before: string[] = []) => [...before, path(text)]) as never),
    )
    .optionsGroup('Options:')
    .addOption(new Option('--data <files...>', `questions with their answers, ${dataLine}`).argParser(paths as never))
    .option('--limit <number>', 'only the first questions of the data, so many', integer())
    .option('--max-new-tokens <number>', 'longest answer, in tokens', integer({ high: 2 ** 31 - 1 }), 100)
    .option('--batch-size <number>', 'questions at a time: fewer need less memory', integer(), 16)
    .addOption(sharedOption('base'))
    .addOption(sharedOption('template'))
    .addOption(sharedOption('templateDate'))
    .addOption(sharedOption('system'));
  return addOutputOptions(addLoadingOptions(command).optionsGroup('Output:'))
    .addHelpText(
      'after',
      '\nExamples:\n  soul ask --model ./model --model npo=./runs/npo "Who wrote The Amber Bridge?"\n' +
        '  soul ask --model ./model --model ./runs/npo --data forget.jsonl --limit 5',
    )
    .action((questions: string[], options: AskOptions) =>
      printing((given: AskOptions) => ask(questions, given))(options),
    );
}

async function ask(texts: readonly string[], options: AskOptions): Promise<CommandResult> {
  const models = await namedPaths('--model', options.model);
  const empty = texts.findIndex((text) => text.trim() === '');
  if (empty >= 0 || (texts.length === 0 && options.data === undefined)) {
    const what = empty >= 0 ? `question ${empty + 1} is empty` : 'there is no question';
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${what}: ask one in quotation marks, or name a file with --data`, {
      argument: 'questions',
    });
  }
  for (const text of texts) {
    // As `soul compare` takes models.
    if (!(await exists(join(text, 'config.json')))) continue;
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${text} is a model's folder, not a question; write --model ${text}`, {
      argument: 'questions',
    });
  }
  if (options.limit !== undefined && options.data === undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', '--limit counts questions of a file; name it with --data', {
      argument: 'limit',
    });
  }
  const loading = decideLoading(options);
  const progress = progressOn('asking', options);
  progress.log(deviceLine(loading));
  return performWork(progress, async (signal) => {
    const questions = await readQuestions(texts, options);
    const opened = [];
    for (const { path: folder } of models) opened.push(await openOneOf(folder, options.base));
    const answers: string[][] = [];
    for (const [i, model] of models.entries())
      answers.push(await answersOf(model, opened[i]!, questions, options, { loading, signal, progress }));
    return resultOf(models, questions, answers, loading);
  });
}

async function readQuestions(texts: readonly string[], { data, limit }: AskOptions): Promise<Question[]> {
  const asked = texts.map(
    (text, i): Question => ({
      // What would be learned is not known, and not asked for.
      example: { kind: 'question-answer', prompt: text, completion: '-', source: { file: 'question', line: i + 1 } },
    }),
  );
  if (data === undefined) return asked;
  const { items } = await readExampleSet(data);
  const unasked = items.find(({ kind }) => kind === 'text');
  if (unasked) {
    throw new SoulError('SOUL_BAD_DATA', `${whereIs(unasked)} is a text without a question`, { ...unasked.source });
  }
  return [...asked, ...items.slice(0, limit).map((example) => ({ example, answer: example.completion }))];
}

async function answersOf(
  { name, path: folder }: NamedPath,
  folders: ModelFolders,
  questions: readonly Question[],
  options: AskOptions,
  work: { readonly loading: Loading; readonly signal: AbortSignal; readonly progress: Progress },
): Promise<string[]> {
  const { loading, signal, progress } = work;
  const examples = questions.map(({ example }) => example);
  const tokenizer = await tokenizerOf(folders);
  const template = await chooseTemplate(folders.tokenizer, tokenizer, options);
  for (const note of templateNotes(template, examples)) progress.note(`${name}: ${note}`);
  const { maxPositions } = await readModelConfig(folders.model);
  for (const example of examples) {
    const { length } = encodePrompt(tokenizer, example, { template });
    if (length < maxPositions) continue;
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)} has ${length} tokens for ${name}, which takes ${maxPositions} with the answer`,
      { ...example.source },
    );
  }
  throwIfCancelled(signal, `the asking was cancelled before ${name}`);
  progress.phase(`${name}: loading the model`);
  const model = await loading.load(folder, { signal, onNote: (note) => progress.note(note) });
  try {
    progress.phase(`${name}: answering`);
    return await generateAnswers(model, tokenizer, examples, {
      batchSize: options.batchSize,
      maxNewTokens: options.maxNewTokens,
      maxTotalTokens: maxPositions,
      template,
      signal,
      onProgress: ({ done, total }) => progress.update(done, total),
    });
  } finally {
    model.release();
  }
}

function resultOf(
  models: readonly NamedPath[],
  questions: readonly Question[],
  answers: readonly string[][],
  loading: Loading,
): CommandResult {
  const answersTo = (question: number) =>
    models.map(({ name }, m) => ({ model: name, answer: answers[m]![question]! }));
  return {
    result: {
      models: models.map(({ name, path: folder }) => ({ name, path: folder })),
      ...loading.shown,
      questions: questions.map(({ example, answer }, q) => ({
        question: example.prompt,
        ...(answer === undefined ? {} : { expected: answer }),
        answers: answersTo(q),
      })),
    },
    text: questions
      .map(({ example, answer }, q) =>
        [
          printable(oneLine(example.prompt)),
          listing([
            ...(answer === undefined ? [] : [['  (expected)', printable(oneLine(answer))]]),
            ...answersTo(q).map(({ model, answer: own }) => [`  ${printable(model)}`, printable(oneLine(own))]),
          ]),
        ].join('\n'),
      )
      .join('\n\n'),
  };
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ');
}
