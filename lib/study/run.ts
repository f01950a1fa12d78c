/**
 * A whole run: a model folder and data files in, a model folder with its record out.
 *
 * @module
 */

import { cpus } from 'node:os';
import { basename } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import { packageVersion } from '../core/package.ts';
import { type EncodedExample, encodeExample, encodeExamples } from '../data/encode.ts';
import type { Example } from '../data/example.ts';
import { PromptTemplate } from '../data/prompt-template.ts';
import { readExamples, readLines } from '../data/read-examples.ts';
import { refusals as builtInRefusals } from '../data/refusals.ts';
import { mean, probability } from '../eval/probability.ts';
import { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import { constant, cosine, linear, type Schedule } from '../optim/schedules.ts';
import type { CurvatureOptions } from '../unlearn/curvature.ts';
import { type StepEvent, type TrainingOptions, type TrainingSummary, train } from '../unlearn/loop.ts';
import { type Method, type MethodName, type MethodOptions, method as methodOf } from '../unlearn/methods.ts';
import { modelChecksums } from './checksums.ts';
import {
  completeOptimizerSettings,
  createOptimizer,
  type OptimizerName,
  type OptimizerSettings,
} from './optimizer-choice.ts';
import { OutFolder } from './out-folder.ts';
import { measurePeakMemory } from './peak-memory.ts';
import type { ModelLoader, RunnableModel } from './runnable-model.ts';

export interface RunSettings {
  /** Hugging Face folder of the model to begin with. */
  model: string;
  /** JSON lines that epochs run over: the forget set, or the training set of `method: 'finetune'`. */
  target: string;
  /** JSON lines to be kept, for methods with a retain term and for the curvature. */
  retain?: string;
  /** Folder to be made. */
  out: string;
  method: MethodName;
  methodOptions?: MethodOptions;
  optimizer: OptimizerName;
  optimizerSettings?: OptimizerSettings;
  curvature?: CurvatureOptions;
  /** Default 5, unless `steps` is given. */
  epochs?: number;
  steps?: number;
  batchSize?: number;
  microBatchSize?: number;
  pairing?: 'fresh' | 'fixed';
  /** Shape of the learning rate after warm-up. Default 'linear'. */
  schedule?: 'constant' | 'linear' | 'cosine';
  /** Share of the steps over which the learning rate rises. Default 0.1. */
  warmup?: number;
  /** File of refusals, one a line, in place of the built-in ones. */
  refusals?: string;
  /** Text with {question} and {answer}. */
  template?: string;
  /** Longest sequence in tokens; longer ones lose their end. Default the smaller of 512 and the model's own limit. */
  maximumLength?: number;
  seed?: bigint;
  /** Examples of each set whose probability is measured before and after; 0 measures nothing. Default 100. */
  evaluate?: number;
  overwrite?: boolean;
  /** How the model is loaded, for the record: device, dtype, threads. */
  load?: Record<string, unknown>;
}

/** Probability of the answers of one set before and after a run. */
export interface BeforeAndAfter {
  examples: number;
  before: number;
  after: number;
}

export interface RunResult {
  out: string;
  summary: TrainingSummary;
  evaluation?: { target: BeforeAndAfter; retain?: BeforeAndAfter };
  /** Bytes. */
  peakMemory: number;
}

export interface RunEvents {
  onPhase?: (phase: string) => void;
  onStep?: (event: StepEvent) => void;
  onEvaluated?: (done: number, total: number) => void;
  onNote?: (note: string) => void;
  signal?: AbortSignal;
}

interface LoadedSet {
  file: string;
  sha256: string;
  examples: readonly Example[];
  encoded: EncodedExample[];
}

/**
 * Trains or unlearns as the settings say and writes the out folder: the model, its tokenizer, `run.json` with everything
 * that went in, and `metrics.jsonl` with a record a step. The folder appears whole or not at all; what a failed run had
 * logged stays in `<out>.partial`.
 */
export async function runTraining(
  settings: RunSettings,
  loadModel: ModelLoader,
  events: RunEvents = {},
): Promise<RunResult> {
  const startedAt = new Date();
  const peakMemory = await measurePeakMemory();
  const method = methodOf(settings.method, settings.methodOptions);
  const optimizerSettings = completeOptimizerSettings(settings.optimizer, settings.optimizerSettings ?? {});
  const template = settings.template === undefined ? PromptTemplate.plain : PromptTemplate.parse(settings.template);
  if (method.retain && settings.retain === undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the method ${settings.method} keeps a retain set; name its file (--retain)`,
      {
        argument: 'retain',
      },
    );
  }

  events.onPhase?.('reading data');
  const files = {
    target: await readExamples(settings.target),
    ...(settings.retain === undefined ? {} : { retain: await readExamples(settings.retain) }),
  };
  const refusals = settings.refusals === undefined ? undefined : await readLines(settings.refusals);
  const tokenizer = await HuggingFaceTokenizer.load(settings.model);
  const out = await OutFolder.create(settings.out, { overwrite: settings.overwrite ?? false });

  let model: RunnableModel | undefined;
  let begun = false;
  try {
    events.onPhase?.('loading the model');
    model = await loadModel(settings.model);
    const loaded = model;
    const maximumLength = Math.min(settings.maximumLength ?? 512, loaded.maximumLength);
    const encoding = { template, maximumLength };
    const encode = (file: { file: string; sha256: string; items: readonly Example[] }): LoadedSet => {
      const { encoded, truncated } = encodeExamples(tokenizer, file.items, encoding);
      if (truncated > 0)
        events.onNote?.(
          `${truncated} of ${encoded.length} examples of ${file.file} were cut to ${maximumLength} tokens`,
        );
      return { file: file.file, sha256: file.sha256, examples: file.items, encoded };
    };
    const target = encode(files.target);
    const retain = files.retain && encode(files.retain);
    const sets = { target, ...(retain ? { retain } : {}) };

    const before = await evaluateSets(loaded, sets, settings, events, 'measuring before');
    const optimizer = createOptimizer(settings.optimizer, loaded.parameters, optimizerSettings);
    const log = out.openLog('metrics.jsonl');
    events.onPhase?.('training');
    begun = true;
    const options: TrainingOptions = {
      ...withoutUndefined({
        epochs: settings.epochs,
        steps: settings.steps,
        batchSize: settings.batchSize,
        microBatchSize: settings.microBatchSize,
        pairing: settings.pairing,
        curvature: settings.curvature,
        seed: settings.seed,
        signal: events.signal,
      }),
      model: loaded,
      optimizer,
      method,
      target: target.encoded,
      ...(retain ? { retain: retain.encoded } : {}),
      ...(method.target.answers === 'refusal'
        ? { refusals: refusalSequences(tokenizer, target.examples, refusals?.items ?? builtInRefusals, encoding) }
        : {}),
      onStep: (event) => {
        log(event);
        events.onStep?.(event);
      },
    };
    const summary = await train({ ...options, schedule: scheduleOf(settings, options) });
    optimizer.release();

    const after = await evaluateSets(loaded, sets, settings, events, 'measuring after');
    const evaluation = before && after && joined(before, after);
    events.onPhase?.('writing the model');
    await loaded.save(out.staging);
    await tokenizer.copyTo(out.staging);
    const peak = await peakMemory.peak();
    const { last, ...totals } = summary;
    await out.writeJson('run.json', {
      package: { name: 'soul-unlearn', version: packageVersion },
      startedAt: startedAt.toISOString(),
      finishedAt: new Date().toISOString(),
      settings: {
        ...settings,
        methodOptions: methodRecord(method),
        optimizerSettings,
        template: template.text,
        maximumLength,
        seed: settings.seed ?? 0n,
      },
      inputs: {
        model: { folder: basename(settings.model), sha256: await modelChecksums(settings.model) },
        target: dataRecord(target),
        ...(retain ? { retain: dataRecord(retain) } : {}),
        ...(refusals
          ? { refusals: { file: refusals.file, sha256: refusals.sha256, lines: refusals.items.length } }
          : {}),
      },
      outputs: { model: { sha256: await modelChecksums(out.staging) } },
      environment: environment(),
      results: {
        ...totals,
        losses: last.losses,
        statistics: last.statistics,
        evaluation,
        peakMemory: peak,
        peakMemoryScope: peakMemory.scope,
      },
    });
    await out.publish();
    return { out: out.path, summary, ...(evaluation ? { evaluation } : {}), peakMemory: peak };
  } catch (error) {
    if (!begun) await out.discard();
    else events.onNote?.(`what was logged up to there is in ${out.staging}`);
    throw error;
  } finally {
    model?.release();
  }
}

function scheduleOf(settings: RunSettings, options: TrainingOptions): Schedule {
  const { schedule = 'linear', warmup = 0.1 } = settings;
  const stepsPerEpoch = Math.ceil(options.target.length / (options.batchSize ?? 8));
  const steps = options.steps ?? Math.max(1, Math.round((options.epochs ?? 5) * stepsPerEpoch));
  const warmupSteps = Math.round(warmup * steps);
  switch (schedule) {
    case 'constant':
      return constant({ warmupSteps });
    case 'linear':
      return linear({ warmupSteps, steps });
    case 'cosine':
      return cosine({ warmupSteps, steps });
    default:
      throw new SoulError('SOUL_INVALID_ARGUMENT', `schedule must be constant, linear or cosine, but is ${schedule}`, {
        argument: 'schedule',
      });
  }
}

/** Questions with refusals for answers, encoded when they are first drawn. */
function refusalSequences(
  tokenizer: HuggingFaceTokenizer,
  examples: readonly Example[],
  sentences: readonly string[],
  encoding: { template: PromptTemplate; maximumLength: number },
): NonNullable<TrainingOptions['refusals']> {
  const known = new Map<number, EncodedExample>();
  return {
    count: sentences.length,
    of(target, refusal) {
      const key = target * sentences.length + refusal;
      let encoded = known.get(key);
      if (!encoded) {
        encoded = encodeExample(tokenizer, { ...examples[target]!, completion: sentences[refusal]! }, encoding);
        known.set(key, encoded);
      }
      return encoded;
    },
  };
}

type Sets = { target: LoadedSet; retain?: LoadedSet };
type Measured = Record<keyof Sets, { examples: number; probability: number } | undefined>;

async function evaluateSets(
  model: RunnableModel,
  sets: Sets,
  settings: RunSettings,
  events: RunEvents,
  phase: string,
): Promise<Measured | undefined> {
  const limit = settings.evaluate ?? 100;
  if (limit === 0) return undefined;
  events.onPhase?.(phase);
  const chosen = { target: sets.target.encoded.slice(0, limit), retain: sets.retain?.encoded.slice(0, limit) ?? [] };
  const total = chosen.target.length + chosen.retain.length;
  const measure = async (encoded: EncodedExample[], done: number) =>
    encoded.length === 0
      ? undefined
      : {
          examples: encoded.length,
          probability: mean(
            (
              await probability(model, encoded, {
                ...withoutUndefined({ batchSize: settings.microBatchSize, signal: events.signal }),
                onProgress: (progress) => events.onEvaluated?.(done + progress.done, total),
              })
            ).map((item) => item.probability),
          ),
        };
  const target = await measure(chosen.target, 0);
  return { target, retain: await measure(chosen.retain, chosen.target.length) };
}

function joined(before: Measured, after: Measured): NonNullable<RunResult['evaluation']> {
  const pair = (name: keyof Sets): BeforeAndAfter => ({
    examples: before[name]!.examples,
    before: before[name]!.probability,
    after: after[name]!.probability,
  });
  return { target: pair('target'), ...(before.retain ? { retain: pair('retain') } : {}) };
}

function dataRecord(set: LoadedSet): object {
  return {
    file: basename(set.file),
    sha256: set.sha256,
    examples: set.encoded.length,
    truncated: set.encoded.filter(({ truncated }) => truncated > 0).length,
  };
}

function methodRecord(method: Method): object {
  return {
    forgetCoefficient: method.target.coefficient,
    answers: method.target.answers,
    ...(method.retain ? { retainCoefficient: method.retain.coefficient } : {}),
    ...method.options,
  };
}

function environment(): object {
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
  };
}
