/**
 * Relearning: fine-tuning for a few steps, or for some way.
 *
 * @module
 */

import { walkElements } from '../core/element-walk.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { withoutUndefined } from '../core/optional.ts';
import { randomStream } from '../core/random.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import { AdamW } from '../optim/adamw.ts';
import { descend } from '../unlearn/descend.ts';
import { method } from '../unlearn/registry.ts';
import { type AttackRoom, around, type Measured, type MeasuredChange } from './room.ts';

/** What is learned, and what is measured. */
export interface Lesson {
  readonly seen: readonly TokenSequence[];
  readonly forget: readonly TokenSequence[];
}

/** Relearns, and where there is a retrained model lets it learn the same. */
export async function relearn(room: AttackRoom, lesson: Lesson): Promise<Measured[]> {
  const { input, start } = room;
  const { values } = input.model.parameters;
  const own = await learn(room, lesson, start);
  let retrained: MeasuredChange | undefined;
  if (input.retrained) {
    await values.copyFrom(input.retrained);
    ({ forget: retrained } = await learn(room, lesson, input.retrained, ' (the retrained model)'));
  }
  return [
    {
      forget: own.forget,
      ...withoutUndefined({ retain: own.retain, retrained }),
      ...own.done,
      details: { seen: lesson.seen.length },
    },
  ];
}

function learn(room: AttackRoom, { seen, forget }: Lesson, from: FlatBuffer, of = '') {
  const learning = async () => {
    const done = await fineTune(room, seen, from);
    room.firstDistance ??= done.distance;
    return done;
  };
  return around(room, { forget, retain: room.input.retain?.sequences }, learning, of);
}

/** Fine-tunes the model, as far as the options say. */
export async function fineTune(
  room: AttackRoom,
  seen: readonly TokenSequence[],
  from: FlatBuffer,
): Promise<{ steps: number; distance: number }> {
  const { model, onEvent, signal } = room.input;
  const { steps, batchSize, learningRate, weightDecay, seed, equalDistance } = room.options;
  const wanted = room.options.distance ?? (equalDistance ? room.firstDistance : undefined);
  const { parameters } = model;
  const optimizer = new AdamW(parameters, { learningRate, weightDecay });
  let done = 0;
  let distance = 0;
  try {
    const input = { model, optimizer, sets: { target: seen }, seed, ...withoutUndefined({ signal }) };
    for await (const event of descend(input, method('finetune'), { steps, batchSize })) {
      onEvent?.(event);
      if (event.kind !== 'step') continue;
      done = event.step;
      if (wanted === undefined) continue;
      distance = await distanceMoved(parameters.values, from);
      if (distance >= wanted) break;
    }
  } finally {
    await optimizer.release();
  }
  if (wanted === undefined) distance = await distanceMoved(parameters.values, from);
  else if (distance > wanted) {
    await moveBack(parameters.values, from, wanted / distance);
    distance = await distanceMoved(parameters.values, from);
  }
  return { steps: done, distance };
}

/** The Euclidean distance of two buffers of one length. */
async function distanceMoved(values: FlatBuffer, from: FlatBuffer): Promise<number> {
  let sum = 0;
  await walkElements([values, from], ([own, other]) => {
    for (let i = 0; i < own!.length; i++) sum += (own![i]! - other![i]!) ** 2;
  });
  return Math.sqrt(sum);
}

/** Leaves a share of the way from where it began. */
async function moveBack(values: FlatBuffer, from: FlatBuffer, share: number): Promise<void> {
  await walkElements(
    [values, from],
    ([own, other]) => {
      for (let i = 0; i < own!.length; i++) own![i] = other![i]! + share * (own![i]! - other![i]!);
    },
    { writes: [0] },
  );
}

/** Examples that are seen, drawn by the seed, and the others; at least one is seen, and `kept` others are left. */
export function split(
  sequences: readonly TokenSequence[],
  share: number,
  seed: bigint,
  kept: number,
): { seen: TokenSequence[]; others: TokenSequence[] } {
  const order = [...randomStream(seed, 'relearning').permutation(sequences.length, 0)];
  const count = Math.max(1, Math.min(Math.round(share * sequences.length), sequences.length - kept));
  const of = (indices: number[]) => indices.sort((a, b) => a - b).map((index) => sequences[index]!);
  return { seen: of(order.slice(0, count)), others: of(order.slice(count)) };
}
