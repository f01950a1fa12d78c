/**
 * The memory that a run takes at its height, from shapes alone. docs/memory.md explains each term.
 *
 * @module
 */

import { type Device, describeDevices } from '../core/devices.ts';
import { batchParts, type PartLimits } from '../model/batch-parts.ts';
import type { BatchShape } from '../model/contract.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import type { Precision } from '../optim/precision.ts';
import { optimizerStateBytes } from '../optim/state-bytes.ts';
import { type InnerMethodSetting, innerAlgorithm } from '../unlearn/inner-method.ts';
import { type Method, needsReferenceModel, weightedTerms } from '../unlearn/method.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import type { ModelMemory } from './runnable-model.ts';

export interface MemoryPart {
  readonly name: string;
  readonly bytes: number;
}

export interface MemoryPlan {
  readonly device: Device;
  /** In bytes, the largest that add up to `total`. */
  readonly parts: readonly MemoryPart[];
  readonly total: number;
}

export interface MemoryInput extends ModelMemory {
  readonly precision?: Precision | undefined;
  readonly chosen: ChosenAlgorithm;
  /** Whether a mask freezes weights. */
  readonly masked: boolean;
}

/**
 * What a run holds while it pulls the largest part of a batch back: on the CPU with what the process takes already, for libtorch,
 * tokenizer and data; on a GPU what lies there.
 */
export function planMemory(input: MemoryInput): MemoryPlan {
  const { device, elements, dtype, precision, chosen, masked, pass } = input;
  const ofModel = elements * (dtype === 'f32' ? 4 : 2);
  const steps = chosen.learningRates !== undefined;
  const all = [...algorithmsIn(chosen)];
  const held = all.map(({ algorithm, settings }) => algorithm.buffers?.(settings as never) ?? {});
  const methods = all.flatMap(({ method }) => method ?? []);
  const sum = <Entry>(entries: readonly Entry[], of: (entry: Entry) => number) =>
    entries.reduce((total, entry) => total + of(entry), 0);
  const parts: MemoryPart[] = [
    { name: 'process', bytes: device === 'cpu' ? process.memoryUsage.rss() : 0 },
    { name: 'weights', bytes: ofModel },
    { name: 'gradients', bytes: ofModel },
    { name: 'optimizer', bytes: steps ? optimizerStateBytes(elements, dtype, precision) : 0 },
    { name: 'reference model', bytes: methods.some(needsReferenceModel) ? ofModel : 0 },
    { name: 'gradients of terms', bytes: sum(methods, (method) => ruleBytes(method, elements, dtype)) },
    { name: 'copies', bytes: sum(held, ({ copies = 0, float32 = 0 }) => copies * ofModel + float32 * 4 * elements) },
    { name: 'mask', bytes: masked ? Math.ceil(elements / 8) : 0 },
    { name: 'activations', bytes: pass.activations },
    { name: 'work of a layer, or logits', bytes: pass.work },
  ];
  return { device, parts: parts.filter(({ bytes }) => bytes > 0), total: sum(parts, ({ bytes }) => bytes) };
}

/** The algorithm, and those that its settings put inside it. */
function* algorithmsIn(chosen: Pick<ChosenAlgorithm, 'algorithm' | 'settings' | 'method'>): Generator<typeof chosen> {
  yield chosen;
  const { algorithm, settings } = chosen;
  for (const [name, entry] of Object.entries(algorithm.settings)) {
    if (entry.kind !== 'method') continue;
    const inner = innerAlgorithm(settings[name], (entry as InnerMethodSetting).inner);
    const method = inner.algorithm.method?.(inner.settings as never);
    yield* algorithmsIn({ ...inner, ...(method ? { method } : {}) });
  }
}

/** Gradients that a rule looks at lie apart in float32, but for one that stays where it was computed; means beside them. */
function ruleBytes(method: Method, elements: number, dtype: 'f32' | 'bf16'): number {
  const { rule } = method;
  if (rule === undefined) return 0;
  const apart = weightedTerms(method).length - (dtype === 'f32' ? 1 : 0);
  return 4 * elements * (apart + (rule.averages?.length ?? 0));
}

/** The batch that takes most of all that could come together: the longest sequences, as many as the limits allow. */
export function largestBatch(
  sequences: readonly TokenSequence[],
  limits: PartLimits,
): BatchShape & { readonly sequences: number } {
  const lengths = sequences.map(({ tokens }) => [tokens.length]);
  const sorted = [...sequences.keys()].sort((a, b) => lengths[b]![0]! - lengths[a]![0]!).slice(0, limits.examples);
  const part = batchParts(
    sorted.map((index) => lengths[index]!),
    limits,
  )[0]!.map((place) => sequences[sorted[place]!]!);
  const sum = (of: (sequence: TokenSequence) => number) => part.reduce((total, each) => total + of(each), 0);
  return {
    sequences: part.length,
    rows: sum(({ tokens }) => tokens.length - 1),
    labels: sum(({ tokens, labelsFrom }) => tokens.length - labelsFrom),
    longest: Math.max(...part.map(({ tokens }) => tokens.length - 1)),
  };
}

/** Bytes that there are for a plan: of a GPU all that it has; undefined where nobody says. */
export function memoryFor({ device }: Pick<MemoryPlan, 'device'>): number | undefined {
  if (device === 'cpu') return process.memoryUsage.rss() + process.availableMemory();
  return describeDevices().cuda.devices.find(({ name }) => name === device)?.memory;
}
