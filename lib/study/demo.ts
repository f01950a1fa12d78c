/**
 * The demo: a small model learns invented authors, then forgets some of them in several ways.
 *
 * Beside the model that learned everything stands one that never saw the authors to be forgotten: the aim of unlearning is
 * to come close to it. Nothing is needed from outside.
 *
 * @module
 */

import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cancellable, checkSignal, throwIfCancelled } from '../core/cancellation.ts';
import { checkSeed } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { thenRelease } from '../core/release.ts';
import { elementCount } from '../core/shape.ts';
import { type EncodedExample, encodeExample, encodeExamples } from '../data/encode.ts';
import type { Example } from '../data/example.ts';
import { PromptTemplate } from '../data/prompt-template.ts';
import { readExamples } from '../data/read-examples.ts';
import { refusals } from '../data/refusals.ts';
import { type Evaluation, evaluate } from '../eval/evaluate.ts';
import { distanceToReference } from '../eval/probability.ts';
import { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import { completeOptimizerSettings, createOptimizer, type OptimizerName } from '../run/optimizer-choice.ts';
import { measurePeakMemory } from '../run/peak-memory.ts';
import { chooseAlgorithm, defaultLearningRate } from '../run/run-defaults.ts';
import type { ModelLoader, RunnableModel } from '../run/runnable-model.ts';
import { neededSets } from '../run/settings.ts';
import type { StepEvent } from '../unlearn/events.ts';
import { Lab } from '../unlearn/lab.ts';
import { type AlgorithmName, method } from '../unlearn/registry.ts';
import { train } from '../unlearn/train.ts';
import { writeAuthors } from './authors.ts';
import { writeWordTokenizer } from './word-tokenizer.ts';

export interface DemoOptions extends Cancellable {
  /** Folder for the data and the models; made if it is not there. */
  folder: string;
  seed?: bigint;
  loadModel: ModelLoader;
  /** Makes a model with random weights from the content of a config.json. */
  createModel: (config: object, seed: bigint, options?: Cancellable) => Promise<RunnableModel>;
  /** What the model forgets by; {@link demoMethodNames} by default, and nothing where the list is empty. */
  methods?: readonly AlgorithmName[];
  onEvent?: (event: DemoEvent) => void;
}

export type DemoEvent =
  | {
      kind: 'data';
      authors: number;
      forgetExamples: number;
      retainExamples: number;
      vocabulary: number;
    }
  /** Something begins that takes a while and has no steps. */
  | { kind: 'phase'; phase: string }
  | { kind: 'step'; run: string; step: StepEvent }
  | { kind: 'result'; row: DemoRow };

/** One model's figures. */
export interface DemoRow {
  /** `original`, `retrained` (never saw the forget set), or the unlearning run's optimizer and method. */
  name: string;
  optimizer?: OptimizerName;
  method?: AlgorithmName;
  /** Mean probability of the answers, length-normalised. */
  forgetProbability: number;
  retainProbability: number;
  forgetRouge: number;
  retainRouge: number;
  /** Mean distance of the forget answers' log-likelihood to the retrained model's, in nats a token. */
  distanceToRetrained: number;
  /** Optimizer steps; 0 of a method that takes none. */
  steps: number;
  /** Duration of the training or unlearning, without loading and evaluation. */
  seconds: number;
  /** Peak resident memory of the process during it, in bytes; the host's, where what lies on a GPU does not count. */
  peakMemory: number;
  /** Share of weights that Sophia clipped, mean over the steps. */
  clippedFraction?: number;
}

export interface DemoResult {
  seed: bigint;
  folder: string;
  seconds: number;
  rows: DemoRow[];
}

const authors = 30;
const forgetAuthors = 3;
const questionsPerAuthor = 10;
const retainEvaluated = 60;
const maxNewTokens = 48;

const architecture = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: 128,
  intermediate_size: 344,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  initializer_range: 0.02,
  dtype: 'float32',
};

const training = { epochs: 40, batchSize: 16, learningRate: 2e-3 };

const demoOptimizers = ['adamw', 'sophia'] as const;

type DemoOptimizer = (typeof demoOptimizers)[number];

/** How a method is run where not by the defaults of runs: a learning rate for each optimizer, set by hand so that every run forgets. */
interface DemoMethod {
  readonly name: AlgorithmName;
  readonly settings?: object;
  readonly learningRate?: Readonly<Record<DemoOptimizer, number>>;
  /** Optimizers that it is run with; both unless it takes no steps. */
  readonly optimizers?: readonly DemoOptimizer[];
}

const epochs = 12;

/** The rows of the demo, not a comparison of tuned optimizers. */
const demoMethods: readonly DemoMethod[] = [
  { name: 'graddiff', learningRate: { adamw: 4e-4, sophia: 1e-3 } },
  { name: 'po', settings: { retainCoefficient: 2 }, learningRate: { adamw: 1e-3, sophia: 2e-3 } },
  { name: 'npo', settings: { retainCoefficient: 8 }, learningRate: { adamw: 3e-4, sophia: 1e-3 } },
  { name: 'simnpo' },
  { name: 'mollm' },
  { name: 'wagle' },
  { name: 'spunge' },
  { name: 'ssd', optimizers: ['adamw'] },
];

/** Names of the methods that the demo runs unless told otherwise. */
export const demoMethodNames: readonly AlgorithmName[] = demoMethods.map(({ name }) => name);

const optionNames = [
  'folder',
  'seed',
  'loadModel',
  'createModel',
  'methods',
  'onEvent',
  'signal',
] as const satisfies readonly (keyof DemoOptions)[];

/** Refuses a mistake in the options before a folder is made. */
function checkOptions(options: DemoOptions): void {
  checkNames('options', options, optionNames);
  if (typeof options.folder !== 'string') throw invalidArgument('folder', 'the path of a folder', options.folder);
  checkSeed('seed', options.seed ?? 0n);
  checkSignal('signal', options.signal);
  for (const name of options.methods ?? []) {
    if (!neededSets(chooseAlgorithm(name)).includes('alternatives')) continue;
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the demo has no other answers to its questions, which ${name} needs; leave it out`,
      { argument: 'methods', found: name },
    );
  }
  for (const name of ['loadModel', 'createModel', 'onEvent'] as const) {
    const value: unknown = options[name];
    const isLeftOut = name === 'onEvent' && value === undefined;
    if (typeof value !== 'function' && !isLeftOut) throw invalidArgument(name, 'a function', value);
  }
}

/**
 * Runs the demo; takes minutes.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_EXISTS for a folder that is not empty, SOUL_CANCELLED
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  checkOptions(options);
  const { folder, seed = 0n, onEvent } = options;
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw new SoulError('SOUL_EXISTS', `the folder ${folder} is not empty; name another, or empty it`, { folder });
  }
  const begun = performance.now();
  const world = await prepare(options);
  const rows: DemoRow[] = [];
  const add = (row: DemoRow) => {
    rows.push(row);
    onEvent?.({ kind: 'result', row });
  };

  // The retrained model comes first, for all others are measured against it.

  const retrained = await trainFromScratch(options, world, 'retrained', world.retain);
  const reference = retrained.evaluation.forget.items;
  add(rowOf('retrained', retrained, reference));
  const original = await trainFromScratch(options, world, 'original', [...world.retain, ...world.forget]);
  add(rowOf('original', original, reference));
  rows.reverse();
  for (const name of options.methods ?? demoMethodNames) {
    const method = demoMethods.find((each) => each.name === name) ?? { name };
    for (const optimizer of method.optimizers ?? demoOptimizers) {
      const run = method.optimizers?.length === 1 ? name : `${optimizer} ${name}`;
      const outcome = await unlearn(options, world, optimizer, method, run);
      add({ ...rowOf(run, outcome, reference), optimizer, method: name });
    }
  }
  return { seed, folder, seconds: (performance.now() - begun) / 1000, rows };
}

interface World {
  tokenizer: HuggingFaceTokenizer;
  config: object;
  forgetExamples: readonly Example[];
  retainExamples: readonly Example[];
  forget: EncodedExample[];
  retain: EncodedExample[];
}

interface Outcome {
  evaluation: { forget: Evaluation; retain: Evaluation };
  steps: number;
  seconds: number;
  peakMemory: number;
  clippedFraction?: number;
}

/** Writes the data and the tokenizer, and reads them back as a user's would be. */
async function prepare({ folder, seed = 0n, onEvent }: DemoOptions): Promise<World> {
  const dataFolder = join(folder, 'data');
  await mkdir(dataFolder);
  const files = await writeAuthors(dataFolder, { seed, authors, questionsPerAuthor, forgetAuthors });
  const [forgetFile, retainFile] = [await readExamples(files.forget), await readExamples(files.retain)];

  const tokenizerFolder = join(folder, 'tokenizer');
  const template = PromptTemplate.plain.text;
  await writeWordTokenizer(tokenizerFolder, [template, ...files.texts, ...refusals]);
  const tokenizer = await HuggingFaceTokenizer.load(tokenizerFolder);
  const world = {
    tokenizer,
    config: {
      ...architecture,
      vocab_size: tokenizer.size,
      bos_token_id: tokenizer.beginOfText,
      eos_token_id: tokenizer.endOfText,
    },
    forgetExamples: forgetFile.items,
    retainExamples: retainFile.items,
    forget: encodeExamples(tokenizer, forgetFile.items).encoded,
    retain: encodeExamples(tokenizer, retainFile.items).encoded,
  };
  onEvent?.({
    kind: 'data',
    authors,
    forgetExamples: world.forget.length,
    retainExamples: world.retain.length,
    vocabulary: tokenizer.size,
  });
  return world;
}

async function trainFromScratch(
  options: DemoOptions,
  world: World,
  name: 'original' | 'retrained',
  target: EncodedExample[],
): Promise<Outcome> {
  const { seed = 0n } = options;
  const model = await options.createModel(world.config, seed, withoutUndefined({ signal: options.signal }));
  try {
    const outcome = await measured(options, world, model, name, async (onStep) => {
      const settings = completeOptimizerSettings('adamw', { learningRate: training.learningRate });
      const optimizer = createOptimizer('adamw', model.parameters, settings);
      const { epochs, batchSize } = training;
      const work = () =>
        train({
          model,
          optimizer,
          method: method('finetune'),
          target,
          epochs,
          batchSize,
          schedule: { shape: 'cosine', warmup: 0.05 },
          seed,
          onStep,
          ...withoutUndefined({ signal: options.signal }),
        });
      await thenRelease(work, () => [optimizer]);
    });
    const folder = join(options.folder, name);
    await model.save(folder, { tokenizer: world.tokenizer });
    return outcome;
  } finally {
    model.release();
  }
}

async function unlearn(
  options: DemoOptions,
  world: World,
  optimizer: DemoOptimizer,
  method: DemoMethod,
  run: string,
): Promise<Outcome> {
  const { seed = 0n, signal } = options;
  const load = () => options.loadModel(join(options.folder, 'original'), withoutUndefined({ signal }));
  const { algorithm: chosen, settings, learningRates } = chooseAlgorithm(method.name, method.settings);
  const model = await load();
  let reference: RunnableModel | undefined;
  try {
    return await measured(options, world, model, run, async (onStep) => {
      const weights = [...model.parameters.layout].reduce((sum, [, { shape }]) => sum + elementCount(shape), 0);
      const learningRate =
        method.learningRate?.[optimizer] ??
        (learningRates ? defaultLearningRate(optimizer, { learningRates }, weights) : undefined);
      const complete = completeOptimizerSettings(optimizer, withoutUndefined({ learningRate }));
      const lab = new Lab({
        model,
        sets: {
          target: world.forget,
          retain: world.retain,
          refusals: {
            count: refusals.length,
            of: (target, refusal) =>
              encodeExample(world.tokenizer, { ...world.forgetExamples[target]!, completion: refusals[refusal]! }),
          },
        },
        optimizer: (own) => createOptimizer(optimizer, model.parameters, complete, own),
        referenceModel: async () => {
          reference ??= await load();
          return reference;
        },
        descent: { epochs, batchSize: 8, schedule: { shape: 'linear', warmup: 0.1 } },
        seed,
        ...withoutUndefined({ signal }),
      });
      const work = async () => {
        for await (const event of chosen.run(lab, settings as never)) if (event.kind === 'step') onStep(event);
      };
      await thenRelease(work, () => [lab]);
    });
  } finally {
    model.release();
    reference?.release();
  }
}

/** Does the work, then evaluates the model it leaves. */
async function measured(
  options: DemoOptions,
  world: World,
  model: RunnableModel,
  name: string,
  work: (onStep: (event: StepEvent) => void) => Promise<void>,
): Promise<Outcome> {
  throwIfCancelled(options.signal, `the demo was cancelled before ${name}`);
  const meter = await measurePeakMemory();
  const begun = performance.now();
  const clipped: number[] = [];
  let steps = 0;
  await work((event) => {
    steps += 1;
    if (event.statistics.clippedFraction !== undefined) clipped.push(event.statistics.clippedFraction);
    options.onEvent?.({ kind: 'step', run: name, step: event });
  });
  const seconds = (performance.now() - begun) / 1000;
  const peakMemory = await meter.peak();
  options.onEvent?.({ kind: 'phase', phase: `measuring ${name}` });
  const evaluateOn = (examples: readonly Example[]) =>
    evaluate(model, world.tokenizer, examples, {
      maxNewTokens,
      batchSize: 32,
      ...withoutUndefined({ signal: options.signal }),
    });
  const evaluation = {
    forget: await evaluateOn(world.forgetExamples),
    retain: await evaluateOn(evenly(world.retainExamples, retainEvaluated)),
  };
  return {
    evaluation,
    steps,
    seconds,
    peakMemory,
    ...(clipped.length > 0 ? { clippedFraction: clipped.reduce((sum, share) => sum + share, 0) / clipped.length } : {}),
  };
}

function rowOf(name: string, outcome: Outcome, reference: Evaluation['items']): DemoRow {
  const { evaluation, ...figures } = outcome;
  return {
    name,
    forgetProbability: evaluation.forget.probability,
    retainProbability: evaluation.retain.probability,
    forgetRouge: evaluation.forget.rougeLRecall!,
    retainRouge: evaluation.retain.rougeLRecall!,
    distanceToRetrained: distanceToReference(evaluation.forget.items, reference),
    ...figures,
  };
}

/** `count` items spread evenly over the whole list. */
function evenly<T>(items: readonly T[], count: number): T[] {
  const taken = Math.min(count, items.length);
  return Array.from({ length: taken }, (_, i) => items[Math.floor((i * items.length) / taken)]!);
}
