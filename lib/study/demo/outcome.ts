/**
 * What becomes of a model in the demo, in figures.
 *
 * @module
 */

import { throwIfCancelled } from '../../core/cancellation.ts';
import { withoutUndefined } from '../../core/optional.ts';
import type { Example } from '../../data/example.ts';
import { type Evaluation, evaluate } from '../../eval/evaluate.ts';
import { distanceToReference } from '../../eval/probability.ts';
import { measurePeakMemory } from '../../run/peak-memory.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import type { StepEvent } from '../../unlearn/events.ts';
import type { DemoOptions, DemoRow } from './options.ts';
import type { World } from './world.ts';

const retainEvaluated = 60;
const maxNewTokens = 48;

export interface Outcome {
  evaluation: { forget: Evaluation; retain: Evaluation };
  steps: number;
  seconds: number;
  peakMemory: number;
  clippedFraction?: number;
}

/** Does the work, then evaluates the model it leaves. */
export async function measured(
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

export function rowOf(name: string, outcome: Outcome, reference: Evaluation['items']): DemoRow {
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
