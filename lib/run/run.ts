/**
 * A whole run: a model folder and data files in, a model folder with its record out.
 *
 * @module
 */

import { recordDevice } from '../core/devices.ts';
import { asSoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import { thenRelease } from '../core/release.ts';
import { type EncodedExample, encodeExample, encodeExamples } from '../data/encode.ts';
import type { Example } from '../data/example.ts';
import { PromptTemplate } from '../data/prompt-template.ts';
import { type DataFile, readExamples, readLines } from '../data/read-examples.ts';
import { refusals as builtInRefusals } from '../data/refusals.ts';
import { mean, probability } from '../eval/probability.ts';
import { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { type StepEvent, type TrainingOptions, train } from '../unlearn/loop.ts';
import { method as methodOf } from '../unlearn/methods.ts';
import { modelChecksums } from './checksums.ts';
import { createOptimizer } from './optimizer-choice.ts';
import { OutFolder } from './out-folder.ts';
import { measurePeakMemory } from './peak-memory.ts';
import { type BeforeAndAfter, type EncodedFile, type RunResult, type RunSets, runRecord } from './record.ts';
import type { ModelLoader, RunnableModel } from './runnable-model.ts';
import { type CompleteRunSettings, completeRunSettings, type RunSettings, scheduleOf } from './settings.ts';

export interface RunEvents {
  onPhase?: (phase: string) => void;
  onStep?: (event: StepEvent) => void;
  onEvaluated?: (done: number, total: number) => void;
  onNote?: (note: string) => void;
  signal?: AbortSignal;
}

/**
 * Trains or unlearns as the settings say and writes the out folder: the model, its tokenizer, `run.json` with everything
 * that went in, and `metrics.jsonl` with a record a step. The folder appears whole or not at all; what a failed run had
 * logged stays in `<out>.partial`.
 */
export async function runTraining(
  given: RunSettings,
  loadModel: ModelLoader,
  events: RunEvents = {},
): Promise<RunResult> {
  const startedAt = new Date();
  const meter = await measurePeakMemory();
  const method = methodOf(given.method, given.methodOptions);
  const settings = completeRunSettings(given, method);
  const template = PromptTemplate.parse(settings.template);

  events.onPhase?.('reading data');
  const target = await readExamples(settings.target);
  const retain = settings.retain === undefined ? undefined : await readExamples(settings.retain);
  const refusals = settings.refusals === undefined ? undefined : await readLines(settings.refusals);
  const tokenizer = await HuggingFaceTokenizer.load(settings.model);
  const modelSums = await modelChecksums(settings.model);
  const out = await OutFolder.create(settings.out, { overwrite: settings.overwrite });

  let model: RunnableModel | undefined;
  let optimizer: Optimizer | undefined;
  let begun = false;
  const work = async (): Promise<RunResult> => {
    try {
      events.onPhase?.('loading the model');
      model = await loadModel(settings.model);
      const { device } = model.parameters.values;
      const gpu = recordDevice(device);
      const encoding = { template, maximumLength: Math.min(settings.maximumLength, model.maximumLength) };
      const encode = (file: DataFile<Example>): EncodedFile => {
        const { encoded, truncated } = encodeExamples(tokenizer, file.items, encoding);
        if (truncated > 0) {
          events.onNote?.(`${truncated} examples of ${file.file} were cut to ${encoding.maximumLength} tokens`);
        }
        return { ...file, encoded };
      };
      const sets: RunSets = { target: encode(target), ...(retain ? { retain: encode(retain) } : {}) };

      optimizer = createOptimizer(settings.optimizer, model.parameters, settings.optimizerSettings);
      const before = await measureSets(model, sets, settings, events, 'measuring before');
      const log = out.openLog('metrics.jsonl');
      events.onPhase?.('training');
      const summary = await train({
        ...withoutUndefined({
          epochs: settings.epochs,
          steps: settings.steps,
          curvature: settings.curvature,
          hessianData: settings.hessianData,
          retain: sets.retain?.encoded,
          signal: events.signal,
        }),
        model,
        optimizer,
        method,
        target: sets.target.encoded,
        refusals: refusalSequences(tokenizer, target.items, refusals?.items ?? builtInRefusals, encoding),
        batchSize: settings.batchSize,
        microBatchSize: settings.microBatchSize,
        pairing: settings.pairing,
        schedule: scheduleOf(settings, target.items.length),
        seed: settings.seed,
        onStep: (event) => {
          begun = true;
          log(event);
          events.onStep?.(event);
        },
      });
      const after = await measureSets(model, sets, settings, events, 'measuring after');

      events.onPhase?.('writing the model');
      await model.save(out.staging);
      await tokenizer.copyTo(out.staging);
      const result: RunResult = {
        out: out.path,
        summary,
        ...(before && after ? { evaluation: joined(before, after) } : {}),
        peakMemory: await meter.peak(),
      };
      await out.writeJson(
        'run.json',
        await runRecord({
          startedAt,
          settings: { ...settings, maximumLength: encoding.maximumLength },
          method,
          device,
          gpu,
          modelSums,
          sets,
          refusals,
          modelFolder: out.staging,
          result,
          meter,
        }),
      );
      await out.publish();
      return result;
    } catch (error) {
      if (begun) {
        out.closeLogs();
        events.onNote?.(`what was logged up to there is in ${out.staging}`);
      } else {
        await out.discard();
      }
      throw asSoulError(error);
    }
  };
  return thenRelease(work, () => [optimizer, model]);
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

interface Measured {
  target: { examples: number; probability: number };
  retain?: { examples: number; probability: number };
}

/** Probability of the first answers of each set; undefined where none are to be measured. */
async function measureSets(
  model: RunnableModel,
  sets: RunSets,
  settings: CompleteRunSettings,
  events: RunEvents,
  phase: string,
): Promise<Measured | undefined> {
  const { evaluate: limit, microBatchSize } = settings;
  if (limit === 0) return undefined;
  events.onPhase?.(phase);
  const target = sets.target.encoded.slice(0, limit);
  const retain = sets.retain?.encoded.slice(0, limit);
  const total = target.length + (retain?.length ?? 0);
  const measure = async (encoded: EncodedExample[], doneBefore: number) => {
    const items = await probability(model, encoded, {
      batchSize: microBatchSize,
      ...withoutUndefined({ signal: events.signal }),
      onProgress: ({ done }) => events.onEvaluated?.(doneBefore + done, total),
    });
    return { examples: items.length, probability: mean(items.map((item) => item.probability)) };
  };
  const measured = await measure(target, 0);
  return { target: measured, ...(retain ? { retain: await measure(retain, target.length) } : {}) };
}

function joined(before: Measured, after: Measured): NonNullable<RunResult['evaluation']> {
  const pair = (one: Measured['target'], other: Measured['target']): BeforeAndAfter => ({
    examples: one.examples,
    before: one.probability,
    after: other.probability,
  });
  return {
    target: pair(before.target, after.target),
    ...(before.retain && after.retain ? { retain: pair(before.retain, after.retain) } : {}),
  };
}
