/**
 * The memory that a run takes at its height, from shapes alone. docs/memory.md explains each term.
 *
 * @module
 */

import { type Device, describeDevices } from '../core/devices.ts';
import { bottleneckNames } from '../model/adapter/unlearning-layers.ts';
import { batchParts, type PartLimits } from '../model/batch-parts.ts';
import type { BatchShape, PassShape } from '../model/contract.ts';
import type { ParameterLayout } from '../model/parameter-layout.ts';
import { labelCountOf, type TokenSequence, tokensReadOf } from '../model/token-batch.ts';
import type { Precision } from '../optim/precision.ts';
import { optimizerStateBytes } from '../optim/state-bytes.ts';
import { completeCurvatureOptions } from '../unlearn/curvature.ts';
import { type Method, needsReferenceModel, weightedTerms } from '../unlearn/method.ts';
import { asText } from '../unlearn/source.ts';
import { isDeletion } from './deletion.ts';
import { averagesOf, type OptimizerName } from './optimizer-choice.ts';
import { algorithmsIn, type ChosenAlgorithm } from './run-defaults.ts';
import type { ModelMemory } from './runnable-model.ts';
import type { CompleteRunSettings } from './settings.ts';

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

export interface MemoryInput extends Omit<ModelMemory, 'layers'> {
  readonly optimizer: OptimizerName;
  readonly precision?: Precision | undefined;
  readonly chosen: ChosenAlgorithm;
  /** Whether the run has a mask of frozen weights. */
  readonly masked: boolean;
  /** Bytes that the process takes already; default as measured. */
  readonly process?: number;
}

/**
 * What a run holds while it pulls the largest part of a batch back: on the CPU with what the process takes already, for libtorch,
 * tokenizer and data; on a GPU what lies there.
 */
export function planMemory(input: MemoryInput): MemoryPlan {
  const { device, elements, frozen = 0, dtype, optimizer, precision, chosen, masked, pass } = input;
  const element = dtype === 'f32' ? 4 : 2;
  const ofModel = elements * element;
  const steps = chosen.learningRates !== undefined;
  const all = [...algorithmsIn(chosen)];
  const held = all.map(({ algorithm, settings }) => algorithm.buffers?.(settings as never) ?? {});
  const methods = all.flatMap(({ method }) => method ?? []);
  const sum = <Entry>(entries: readonly Entry[], of: (entry: Entry) => number) =>
    entries.reduce((total, entry) => total + of(entry), 0);
  const ofRun = masked ? 1 : 0;
  const summing = isDeletion(chosen) && input.adapters ? gramWork(input.adapters.layout, device) : 0;
  const masks = ofRun + sum(held, ({ masks = 0, freezes = false }) => masks + (freezes ? 1 + ofRun : 0));
  const parts: MemoryPart[] = [
    { name: 'process', bytes: device === 'cpu' ? (input.process ?? process.memoryUsage.rss()) : 0 },
    { name: 'weights', bytes: ofModel },
    { name: 'frozen weights', bytes: frozen * element },
    { name: 'gradients', bytes: ofModel },
    { name: 'optimizer', bytes: steps ? optimizerStateBytes(elements, dtype, averagesOf(optimizer), precision) : 0 },
    // On frozen weights it shares them, and has memory for gradients, which nothing touches.
    { name: 'reference model', bytes: comparesWithStart(chosen) ? ofModel : 0 },
    { name: 'gradients of terms', bytes: sum(methods, (method) => ruleBytes(method, elements, dtype)) },
    { name: 'copies', bytes: sum(held, ({ copies = 0, float32 = 0 }) => copies * ofModel + float32 * 4 * elements) },
    { name: 'masks', bytes: masks * Math.ceil(elements / 8) },
    ...(summing > pass.activations + pass.work
      ? [{ name: 'Gram matrices', bytes: summing }]
      : [
          { name: 'activations', bytes: pass.activations },
          { name: 'work of a layer, or logits', bytes: pass.work },
        ]),
  ];
  return { device, parts: parts.filter(({ bytes }) => bytes > 0), total: sum(parts, ({ bytes }) => bytes) };
}

/**
 * What summing the inputs of unlearning layers takes after the last step, when nothing of activations lies there any more; 0 of other
 * adapters. A part of the batch gives whole matrices in float64, of all layers at once. On the CPU those of the part before may still
 * wait for the garbage collector, beside the sums, which are triangles, and one that is about to be added.
 */
function gramWork(layout: ParameterLayout, device: Device): number {
  if (!layout.get(bottleneckNames(0).down)) return 0;
  const matrices = [...layout].filter(([, { group }]) => group === 'matrix');
  const squares = matrices.map(([, { shape }]) => 8 * (shape[1]! + 1) ** 2);
  const whole = squares.reduce((total, bytes) => total + bytes, 0);
  return device === 'cpu' ? 2.5 * whole + Math.max(...squares) / 2 : whole;
}

/** Whether a run compares with a copy of the starting model. */
export function comparesWithStart(chosen: ChosenAlgorithm): boolean {
  return [...algorithmsIn(chosen)].some(
    ({ algorithm, settings, method }) =>
      (method && needsReferenceModel(method)) || algorithm.buffers?.(settings as never).startingModel,
  );
}

/** Gradients that a rule looks at lie apart in float32, but for one that stays where it was computed; means beside them. */
function ruleBytes(method: Method, elements: number, dtype: 'f32' | 'bf16'): number {
  const { rule } = method;
  if (rule === undefined) return 0;
  const apart = weightedTerms(method).length - (dtype === 'f32' ? 1 : 0);
  return 4 * elements * (apart + (rule.averages?.length ?? 0));
}

/** The passes that a run pulls back, each over the largest batch that it could meet: the descent's, and those of curvature estimates. */
export function passesOf(
  sequences: readonly TokenSequence[],
  settings: Pick<CompleteRunSettings, 'microBatchSize' | 'batchTokens' | 'optimizer' | 'curvature'>,
  chosen: ChosenAlgorithm,
): [descent: PassShape, ...PassShape[]] {
  const { microBatchSize: examples, batchTokens: tokens, optimizer, curvature = {} } = settings;
  const asked = readsText(chosen) ? sequences.map(asText) : sequences;
  const batch = largestBatch(asked, { examples, tokens });
  const { algorithm, settings: own, learningRates } = chosen;
  const { hiddenLayer } = algorithm;
  const descent = hiddenLayer
    ? { ...batch, hiddenLayer: (layers: number) => hiddenLayer(own as never, layers) }
    : batch;
  if (optimizer !== 'sophia' || learningRates === undefined) return [descent];
  const { labels, chunkSize } = completeCurvatureOptions(curvature);
  return labels === 'none' ? [descent] : [descent, largestBatch(sequences, { examples: chunkSize })];
}

/** Whether a term has every token of its sequences for a label. */
function readsText(chosen: ChosenAlgorithm): boolean {
  const methods = [...algorithmsIn(chosen)].flatMap(({ method }) => method ?? []);
  return methods.some((method) => weightedTerms(method).some(({ source }) => source.everyToken));
}

/** The batch that takes most of all that could come together: the longest sequences, as many as the limits allow. */
export function largestBatch(sequences: readonly TokenSequence[], limits: PartLimits): BatchShape {
  const lengths = sequences.map(({ tokens }) => [tokens.length]);
  const sorted = [...sequences.keys()].sort((a, b) => lengths[b]![0]! - lengths[a]![0]!).slice(0, limits.examples);
  const part = batchParts(
    sorted.map((index) => lengths[index]!),
    limits,
  )[0]!.map((place) => sequences[sorted[place]!]!);
  const own = part.map(tokensReadOf);
  return {
    rows: own.reduce((total, length) => total + length, 0),
    labels: part.reduce((total, sequence) => total + labelCountOf(sequence), 0),
    lengths: own,
  };
}

/** Bytes that there are for a plan: of a GPU all that it has; undefined where nobody says. */
export function memoryFor({ device }: Pick<MemoryPlan, 'device'>): number | undefined {
  if (device === 'cpu') return process.memoryUsage.rss() + process.availableMemory();
  return describeDevices().cuda.devices.find(({ name }) => name === device)?.memory;
}
