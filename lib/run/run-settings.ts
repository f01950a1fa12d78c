/**
 * Every setting of a run, in one list: what it is for, what it may be, its default, and how the commands ask for it. Types, checks,
 * files, options with their help, and documentation follow from it.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import { defaultTemplateDate } from '../data/chat/chat-template.ts';
import { withoutValue } from '../data/conditions.ts';
import { listOf } from '../data/read-example-set.ts';
import { type Algorithm, checkAlgorithm } from '../unlearn/algorithm.ts';
import { curvatureSettings } from '../unlearn/curvature.ts';
import type { Method } from '../unlearn/method.ts';
import type { AlgorithmName, AlgorithmSettings } from '../unlearn/registry.ts';
import { choiceSetting, flagSetting, integerSetting, numberSetting } from '../unlearn/setting.ts';
import { adapterSettings } from './adapter-choice.ts';
import { setFigureNames, setFigures } from './evaluations/figures.ts';
import { type OptimizerName, optimizerNames, optimizerSettings } from './optimizer-choice.ts';
import {
  choicesSetting,
  conditionsSetting,
  dateSetting,
  namedPathsSetting,
  pathSetting,
  pathsSetting,
  patternSetting,
  type RunSchema,
  readTextSetting,
  seedSetting,
  settingGroup,
  templateSetting,
  textSetting,
  valueSetting,
} from './run-setting.ts';
import { untilConditions, untilExpected } from './until.ts';

/** The forms of a data file, in a line of help. */
export const dataLine =
  'as JSON lines, CSV or Parquet, with question and answer, prompt and completion, messages, or text (docs/data.md)';

/** The forms of a condition, likewise. */
export const conditionLine =
  'field=value, field!=value, field~regex or field!~regex, line=1-40 for lines; given several times, all must hold, of several = on one field one';

/** In the order of help. */
export const runSettings = {
  model: {
    ...pathSetting(
      'folder of a Hugging Face model: config.json, safetensors files, tokenizer.json; or of adapters, as PEFT or an earlier run writes them, which then go on to train',
    ),
    option: '--model <folder>',
    heading: 'Needed',
  },
  target: {
    ...pathsSetting(
      'the examples that epochs run over, in one file or several: what to forget, or what `soul train` is to learn',
    ),
    option: {
      unlearn: { flags: '--forget <files...>', text: `examples to forget, ${dataLine}` },
      train: { flags: '--data <files...>', text: `examples to learn, ${dataLine}` },
    },
  },
  out: {
    ...pathSetting(
      'folder to be made, with the new model, its tokenizer, README.md (the model card), run.json (the record) and metrics.jsonl (a line a step)',
    ),
    option: '--out <folder>',
  },
  retain: {
    ...pathsSetting('examples to keep, in the same form; most methods need them, unless --retain-weight is 0'),
    option: { unlearn: '--retain <files...>' },
    heading: 'Options',
  },
  targetFilter: {
    ...conditionsSetting(`take those examples alone that match a condition: ${conditionLine}`),
    option: {
      unlearn: {
        flags: '--forget-filter <condition>',
        text: `forget those examples alone that match a condition: ${conditionLine}`,
      },
      train: '--filter <condition>',
    },
    withoutTexts: namedConditions,
  },
  retainRest: {
    ...flagSetting(
      'keep what the filter leaves of the files to forget, instead of the examples of a file of their own',
    ),
    option: { unlearn: '--retain-rest' },
    insteadOf: 'retain',
  },
  retainFilter: {
    ...conditionsSetting('keep those examples alone that match a condition, likewise'),
    option: { unlearn: '--retain-filter <condition>' },
    withoutTexts: namedConditions,
  },
  allowOverlap: {
    ...flagSetting('run although the file to keep holds examples of the file to forget'),
    option: { unlearn: '--allow-overlap' },
    neutral: true,
  },
  method: {
    ...valueSetting<AlgorithmName | Algorithm | Method>(
      'how it forgets: an algorithm by its name, or, to the library, one of your own',
      checkMethod,
    ),
    by: ['--method'],
  },
  algorithmFile: {
    ...pathSetting('the file of an algorithm of your own, whose SHA-256 the record has'),
    by: ['--algorithm'],
  },
  methodSettings: {
    ...valueSetting<AlgorithmSettings | Readonly<Record<string, unknown>>>(
      'settings of the method, by the names that `soul methods <name>` lists',
    ),
    by: ['--set'],
  },
  recipe: {
    ...textSetting(
      'the study that method, optimizer and learning rate come from, as `soul unlearn` writes it where these are left open; changes nothing',
    ),
    by: ['--method'],
    neutral: true,
  },
  pairing: {
    ...choiceSetting(
      'which example to keep stands beside one to forget: drawn afresh in each epoch, or the same in all',
      ['fresh', 'fixed'],
      'fresh',
    ),
    option: { unlearn: '--pairing <kind>' },
  },
  refusals: {
    ...pathSetting(
      'answers to teach instead, for methods that teach refusals, one a line: plain text, or JSON objects with "answer"',
    ),
    option: { unlearn: '--refusals <file>' },
    otherwise: 'a built-in list',
  },
  alternatives: {
    ...pathsSetting(
      'other answers to the questions to forget, in the form of the data files, for methods that teach those',
    ),
    option: { unlearn: '--alternatives <files...>' },
  },
  generateAlternatives: {
    ...integerSetting(
      'instead of a file: so many other answers to each question, sampled from the model before the first step; kept in the out folder (alternatives.jsonl) with --with-text alone, since their questions stand beside them',
      undefined,
      { high: 100 },
    ),
    option: { unlearn: '--generate-alternatives <number>' },
    insteadOf: 'alternatives',
  },
  overwrite: {
    ...flagSetting('replace the out folder if a run made it, and begin anew where one was cut off'),
    option: '--overwrite',
    neutral: true,
  },
  optimizer: {
    ...choiceSetting(
      Object.entries(optimizerNames)
        .map(([name, text]) => `${name} (${text})`)
        .join('; '),
      Object.keys(optimizerNames) as OptimizerName[],
      undefined,
    ),
    option: '--optimizer <name>',
    heading: 'Optimizer',
    otherwise: 'sophia to unlearn, adamw to train',
  },
  optimizerSettings: settingGroup('what belongs to the optimizer', optimizerSettings),
  curvature: settingGroup('how the optimizer sophia estimates the curvature', {
    every: { ...ofSophia(curvatureSettings.every), option: '--hessian-every <steps>' },
    chunks: { ...ofSophia(curvatureSettings.chunks), option: '--hessian-chunks <number>' },
    primingChunks: {
      ...ofSophia(curvatureSettings.primingChunks),
      option: '--hessian-priming-chunks <number>',
      otherwise: '4 times the chunks of the others',
    },
    chunkSize: { ...ofSophia(curvatureSettings.chunkSize), option: '--hessian-chunk-size <number>' },
    labels: { ...ofSophia(curvatureSettings.labels), option: '--hessian-labels <kind>' },
    source: { ...ofSophia(curvatureSettings.source), option: '--hessian-source <kind>' },
  }),
  hessianData: {
    ...choiceSetting('sophia: the examples whose curvature is estimated', ['retain', 'forget', 'both'], undefined),
    option: { unlearn: '--hessian-data <set>' },
    otherwise: 'retain if there is a retain file, else forget',
  },
  epochs: {
    ...numberSetting('passes over the data; may be a fraction', undefined, { lowExclusive: true, high: 2 ** 31 }),
    option: '--epochs <number>',
    heading: 'Length of the run',
    otherwise:
      '5 of train; 10 of unlearn, or as many as make 40 steps on what to forget; with adapters 30, or as many as make 120 (eul: 40)',
  },
  steps: {
    ...integerSetting('optimizer steps, instead of epochs', undefined),
    option: '--steps <number>',
    insteadOf: 'epochs',
  },
  batchSize: { ...integerSetting('examples in a step', 8), option: '--batch-size <number>' },
  microBatchSize: {
    ...integerSetting(
      'examples in memory at a time: fewer need less memory, the result is the same but for rounding',
      undefined,
    ),
    option: '--micro-batch-size <number>',
    otherwise: 'the batch size',
  },
  batchTokens: {
    ...integerSetting('tokens in memory at a time, likewise; an example that has more comes by itself', undefined),
    option: '--batch-tokens <number>',
    otherwise: 'no bound',
  },
  schedule: {
    ...choiceSetting('how the learning rate goes on after the warm-up', ['constant', 'linear', 'cosine'], 'linear'),
    option: '--schedule <shape>',
  },
  warmup: {
    ...numberSetting('share of the steps, from 0 to 1, over which the learning rate rises', 0.1, { high: 1 }),
    option: '--warmup <share>',
  },
  seed: {
    ...seedSetting('seed of every random draw; the same seed gives the same model', 0n),
    option: '--seed <integer>',
  },
  ...adapterSettings,
  base: {
    ...pathSetting('folder of the model that adapters given as --model belong to'),
    option: '--base <folder>',
    otherwise: 'what their own file names',
  },
  trainable: {
    ...patternSetting('change only tensors whose name matches, as mlp.down_proj or layers.[5-7]'),
    option: '--trainable <regex>',
    otherwise: 'all',
  },
  frozen: {
    ...patternSetting('leave tensors as they are whose name matches, as embed_tokens or norm; of --trainable too'),
    option: '--frozen <regex>',
    otherwise: 'none',
  },
  resume: {
    ...flagSetting(
      'go on with a run to the same out folder that was cut off, from its last checkpoint; without one it begins. With --out alone all settings are those of the checkpoint',
    ),
    option: '--resume',
    heading: 'Checkpoints and stopping',
    neutral: true,
  },
  checkpointMinutes: {
    ...numberSetting('keep a checkpoint when so many minutes have passed since the last; 0: never for that reason', 10),
    option: '--checkpoint-minutes <minutes>',
    neutral: true,
  },
  checkpointEvery: {
    ...integerSetting('keep one after so many steps, too, and where a stage of the method is done', undefined),
    option: '--checkpoint-every <steps>',
    otherwise: 'by time alone',
    neutral: true,
  },
  keep: {
    ...integerSetting('checkpoints that are kept: the last so many', 2),
    option: '--keep <number>',
    neutral: true,
  },
  keepCheckpoints: {
    ...flagSetting(
      'leave the checkpoints in the out folder when the run is done; they keep traces of what was deleted',
    ),
    option: '--keep-checkpoints',
    neutral: true,
  },
  keepOnStop: {
    ...flagSetting(
      'when told to stop (Ctrl-C, SIGTERM), measure and publish the model as it is after the step, not a checkpoint',
    ),
    option: '--keep-on-stop',
    neutral: true,
  },
  finish: {
    ...flagSetting(
      'with --resume: take no more steps, but measure and publish the model as the last checkpoint has it',
    ),
    option: '--finish',
    neutral: true,
  },
  until: {
    ...readTextSetting(
      "end as soon as figures meet conditions, as in 'forget.probability<0.2 and retain.probability>0.8' (of `soul train`: train.probability)",
      untilExpected,
      untilConditions,
    ),
    option: '--until <conditions>',
  },
  untilEvery: {
    ...integerSetting(
      'steps between two looks at those figures, which --evaluate examples of each set are measured for',
      undefined,
    ),
    option: '--until-every <steps>',
    otherwise: 'half an epoch, or more where looking would take long beside stepping',
  },
  best: {
    ...flagSetting('where --until is never met, publish the weights that came nearest to it, in place of the last'),
    option: '--best',
    neutral: true,
  },
  template: {
    ...templateSetting(
      "how questions and answers become text: chat (the model's chat template), plain (Question: ..., Answer: ...), or a text of your own with {question} and {answer}",
    ),
    option: '--template <text>',
    heading: 'Data and figures',
    otherwise: 'chat where the model has a chat template, else plain',
  },
  templateDate: {
    ...dateSetting(
      'the day that a chat template is told, which does not change with the day of the run',
      defaultTemplateDate,
    ),
    option: '--template-date <day>',
  },
  system: {
    ...textSetting('what the system says at the beginning, in a chat template'),
    option: '--system <text>',
    otherwise: "the template's own words, if any",
  },
  maximumLength: {
    ...integerSetting('longest example in tokens; what is longer would lose its end', 512, { low: 2 }),
    option: '--max-length <tokens>',
    otherwise: "512, or the model's limit if smaller",
  },
  allowTruncation: {
    ...flagSetting('run although examples are longer than that, and lose their end'),
    option: '--allow-truncation',
    neutral: true,
  },
  evaluate: {
    ...integerSetting('measure so many examples of each set before and after; 0 for none', 100, { low: 0 }),
    option: '--evaluate <number>',
  },
  evaluateEvery: {
    ...integerSetting(
      'measure figures of so many examples every so many steps, before the first and after the last, for evaluations.jsonl, the curves and run.json; it changes no weight',
      undefined,
    ),
    option: '--evaluate-every <steps>',
    otherwise: 'before and after alone, and the probability alone',
  },
  evaluateFigures: {
    ...choicesSetting(
      `which: ${Object.entries(setFigures)
        .map(([name, { text }]) => `${name} (${text})`)
        .join(', ')}, separated by commas; the probability is always among them`,
      setFigureNames,
    ),
    option: '--evaluate-figures <names>',
    otherwise: 'probability',
  },
  evaluateData: {
    ...namedPathsSetting(
      'measure the examples of these files, too, which are not trained on, under a name, as in holdout=holdout.jsonl; several files under one name are one set',
      ['forget', 'train', 'target', 'retain'],
    ),
    option: '--evaluate-data <name=file...>',
  },
  evaluateFilter: {
    ...conditionsSetting(
      'of those files measure those examples alone that match a condition, as --filter of `soul eval`',
    ),
    option: '--evaluate-filter <condition>',
    withoutTexts: namedConditions,
  },
  tensorboard: {
    ...pathSetting(
      'folder for TensorBoard: curves of losses, learning rate, gradient, speed and memory go to a folder in it with the name of the out folder',
    ),
    option: '--tensorboard <folder>',
    neutral: true,
  },
  withText: {
    ...flagSetting(
      'let texts of what is deleted stand in the out folder: in run.json, and alternatives.jsonl of --generate-alternatives; without it there are keyed hashes alone (docs/record.md)',
    ),
    option: { unlearn: '--with-text' },
    neutral: true,
    heading: 'Record',
  },
  itemKey: {
    ...pathSetting(
      'the secret key of an earlier run, under which the record names what is deleted; without it a new one is written beside the out folder, to <out>.key',
    ),
    option: { unlearn: '--item-key <file>' },
  },
  sign: {
    ...pathSetting(
      'sign run.json, and with it the hashes of all files, with this private key: Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` writes it; its passphrase is taken from SOUL_SIGN_PASSPHRASE',
    ),
    option: '--sign <file>',
  },
  load: {
    ...valueSetting<Record<string, unknown>>(
      'how the model is loaded, `device`, `dtype`, `threads`, `logitsMemory` and `checkpointActivations`, as the commands do it; to `runTraining` for the record alone',
    ),
    by: ['--device', '--dtype', '--threads', '--logits-memory', '--checkpoint-activations'],
  },
} as const satisfies RunSchema;

/** Says beside the others whose setting it is. */
function ofSophia<Entry extends { readonly text: string }>(entry: Entry): Entry {
  return { ...entry, text: `sophia: ${entry.text}` };
}

/** Conditions may name whom the forgotten examples are about. */
function namedConditions(value: unknown, nameOf: (text: string) => string): string[] {
  return listOf(value as string | readonly string[]).map((text) => withoutValue(text, nameOf));
}

function checkMethod(name: string, value: unknown): void {
  if (typeof value === 'string') return;
  const found = typeof value === 'object' && value !== null ? value : {};
  if ('run' in found) checkAlgorithm(name, found);
  else if (!('terms' in found))
    throw invalidArgument(name, "the name of a method, one as method('npo') makes it, or an algorithm", value);
}
