/**
 * Every setting of a run, in one list: what it is for, what it may be, its default, and how the commands ask for it. Types, checks,
 * files, options with their help, and documentation follow from it.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import { PromptTemplate } from '../data/prompt-template.ts';
import { type Algorithm, checkAlgorithm } from '../unlearn/algorithm.ts';
import { curvatureSettings } from '../unlearn/curvature.ts';
import type { Method } from '../unlearn/method.ts';
import type { AlgorithmName, AlgorithmSettings } from '../unlearn/registry.ts';
import { choiceSetting, flagSetting, integerSetting, numberSetting } from '../unlearn/setting.ts';
import { optimizerNames, optimizerSettings } from './optimizer-choice.ts';
import {
  pathSetting,
  patternSetting,
  type RunSchema,
  seedSetting,
  settingGroup,
  templateSetting,
  valueSetting,
} from './run-setting.ts';

const dataLine = 'a JSON object a line: question and answer, or prompt and completion';

/** In the order of help. */
export const runSettings = {
  model: {
    ...pathSetting('folder of a Hugging Face model: config.json, safetensors files, tokenizer.json'),
    option: '--model <folder>',
    heading: 'Needed',
  },
  target: {
    ...pathSetting('the examples that epochs run over: what to forget, or what `soul train` is to learn'),
    option: {
      unlearn: { flags: '--forget <file>', text: `examples to forget, ${dataLine}` },
      train: { flags: '--data <file>', text: `examples to learn, ${dataLine}` },
    },
  },
  out: {
    ...pathSetting(
      'folder to be made, with the new model, its tokenizer, run.json (the record) and metrics.jsonl (a line a step)',
    ),
    option: '--out <folder>',
  },
  retain: {
    ...pathSetting('examples to keep, in the same form; most methods need them, unless --retain-weight is 0'),
    option: { unlearn: '--retain <file>' },
    heading: 'Options',
  },
  allowOverlap: {
    ...flagSetting('run although the file to keep holds examples of the file to forget'),
    option: { unlearn: '--allow-overlap' },
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
    ...pathSetting(
      'other answers to the questions to forget, in the form of the data files, for methods that teach those',
    ),
    option: { unlearn: '--alternatives <file>' },
  },
  overwrite: { ...flagSetting('replace the out folder if a run made it'), option: '--overwrite' },
  optimizer: {
    ...choiceSetting(
      Object.entries(optimizerNames)
        .map(([name, text]) => `${name} (${text})`)
        .join('; '),
      Object.keys(optimizerNames) as (keyof typeof optimizerNames)[],
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
    otherwise: '5 of train; 10 of unlearn, or as many as make 40 steps',
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
  trainable: {
    ...patternSetting('change only tensors whose name matches, as mlp.down_proj or layers.[5-7]'),
    option: '--trainable <regex>',
    otherwise: 'all',
  },
  template: {
    ...templateSetting('how a question and its answer become text', PromptTemplate.plain.text),
    option: '--template <text>',
    heading: 'Data and figures',
  },
  maximumLength: {
    ...integerSetting('longest example in tokens; what is longer would lose its end', 512, { low: 2 }),
    option: '--max-length <tokens>',
    otherwise: "512, or the model's limit if smaller",
  },
  allowTruncation: {
    ...flagSetting('run although examples are longer than that, and lose their end'),
    option: '--allow-truncation',
  },
  evaluate: {
    ...integerSetting('measure so many examples of each set before and after; 0 for none', 100, { low: 0 }),
    option: '--evaluate <number>',
  },
  load: {
    ...valueSetting<Record<string, unknown>>(
      'how the model is loaded, `device`, `dtype`, `threads` and `checkpointActivations`, as the commands do it; to `runTraining` for the record alone',
    ),
    by: ['--device', '--dtype', '--threads', '--checkpoint-activations'],
  },
} as const satisfies RunSchema;

/** Says beside the others whose setting it is. */
function ofSophia<Entry extends { readonly text: string }>(entry: Entry): Entry {
  return { ...entry, text: `sophia: ${entry.text}` };
}

function checkMethod(name: string, value: unknown): void {
  if (typeof value === 'string') return;
  const found = typeof value === 'object' && value !== null ? value : {};
  if ('run' in found) checkAlgorithm(name, found);
  else if (!('terms' in found))
    throw invalidArgument(name, "the name of a method, one as method('npo') makes it, or an algorithm", value);
}
