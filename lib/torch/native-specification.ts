/**
 * A decoder as the engine wants it: sizes, and for each slot where its weights lie.
 *
 * @module
 */

import { elementCount } from '../core/shape.ts';
import { type AdapterConfig, adapterScale } from '../model/adapter/adapter-config.ts';
import { adaptedModules, adapterLayout } from '../model/adapter/adapter-layout.ts';
import { bottleneckNames } from '../model/adapter/unlearning-layers.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import {
  type DecoderWeights,
  decoderWeights,
  type NormWeights,
  type ProjectionWeights,
} from '../model/decoder-weights.ts';
import { inverseFrequencies } from '../model/rope.ts';
import type {
  NativeAdapter,
  NativeBottleneck,
  NativeLayer,
  NativeModelSpecification,
  NativeNorm,
  NativeProjection,
} from './native-engine.ts';

/** What does not follow from the model. */
export type EngineSettings = Pick<
  NativeModelSpecification,
  'attention' | 'checkpointActivations' | 'threads' | 'logitsMemory'
>;

/** Adapters by the name of the matrix that each stands beside, and the bottlenecks of the layers. */
interface Adapters {
  readonly beside: ReadonlyMap<string, NativeAdapter>;
  readonly bottlenecks: readonly NativeBottleneck[];
}

/** @param adapter of a model whose adapters lie in buffers of their own */
export function nativeSpecification(
  config: DecoderConfig,
  settings: EngineSettings,
  adapter?: AdapterConfig,
): NativeModelSpecification {
  const weights = decoderWeights(config);
  const adapters = nativeAdapters(config, adapter);
  const offset = (name: string) => weights.layout.get(name)!.offset;
  return {
    ...settings,
    vocabulary: config.vocabularySize,
    hidden: config.hiddenSize,
    intermediate: config.intermediateSize,
    heads: config.heads,
    keyValueHeads: config.keyValueHeads,
    headSize: config.headSize,
    maxPositions: config.maxPositions,
    norm: config.norm.kind,
    epsilon: config.norm.epsilon,
    activation: config.activation,
    gated: config.gated,
    parallel: config.parallel,
    softcap: config.attentionSoftcap ?? 0,
    embedding: offset(weights.embedding),
    embeddingScale: config.embeddingScale,
    ...(weights.positions === undefined
      ? {}
      : {
          positions: offset(weights.positions),
          positionRows: config.maxPositions + config.positionOffset,
          positionOffset: config.positionOffset,
        }),
    inverseFrequencies: config.ropes.map(inverseFrequencies),
    layers: config.attention.map((_, i) => nativeLayer(config, weights, adapters, i)),
    finalNorm: nativeNorm(weights, weights.finalNorm),
    head: {
      weight: offset(weights.head.weight),
      ...(weights.head.bias === undefined ? {} : { bias: offset(weights.head.bias) }),
      softcap: config.logitSoftcap ?? 0,
    },
  };
}

function nativeAdapters(config: DecoderConfig, adapter: AdapterConfig | undefined): Adapters {
  if (adapter === undefined) return { beside: new Map(), bottlenecks: [] };
  const layout = adapterLayout(config, adapter);
  const offset = (name: string) => layout.get(name)!.offset;
  if (adapter.kind === 'unlearning-layers') {
    const { bottleneck: width, activation } = adapter;
    const bottlenecks = config.attention.map((_, layer) => {
      const { down, downBias, up, upBias } = bottleneckNames(layer);
      const places = { down: offset(down), downBias: offset(downBias), up: offset(up), upBias: offset(upBias) };
      return { width, activation, ...places };
    });
    return { beside: new Map(), bottlenecks };
  }
  const { rank } = adapter;
  const scale = adapterScale(adapter);
  const beside = new Map(
    adaptedModules(config, adapter).map(({ weight, a, b, outputs }) => [
      weight,
      { a: offset(a), b: offset(b), rank, scale, first: 0, columns: outputs },
    ]),
  );
  return { beside, bottlenecks: [] };
}

function nativeLayer(config: DecoderConfig, weights: DecoderWeights, adapters: Adapters, index: number): NativeLayer {
  const layer = weights.layers[index]!;
  const { rope = -1, window = 0, scale } = config.attention[index]!;
  const norm = (given: NormWeights) => nativeNorm(weights, given);
  const projections = (given: readonly ProjectionWeights[]) =>
    joined(given.map((each) => place(config, weights, adapters, each)));
  return {
    attentionNorm: norm(layer.attentionNorm),
    attentionInput: projections(layer.attentionInput),
    ...(layer.queryNorm && { queryNorm: norm(layer.queryNorm) }),
    ...(layer.keyNorm && { keyNorm: norm(layer.keyNorm) }),
    rotary: rope,
    window,
    scale,
    attentionOutput: projections([layer.attentionOutput]),
    ...(layer.attentionPostNorm && { attentionPostNorm: norm(layer.attentionPostNorm) }),
    ...(layer.mlpNorm && { mlpNorm: norm(layer.mlpNorm) }),
    mlpInput: projections(layer.mlpInput),
    mlpOutput: projections([layer.mlpOutput]),
    ...(adapters.bottlenecks[index] && { mlpBottleneck: adapters.bottlenecks[index] }),
    ...(layer.mlpPostNorm && { mlpPostNorm: norm(layer.mlpPostNorm) }),
  };
}

function nativeNorm({ layout }: DecoderWeights, { weight, bias }: NormWeights): NativeNorm {
  const offset = layout.get(weight)!.offset;
  return bias === undefined ? { weight: offset } : { weight: offset, bias: layout.get(bias)!.offset };
}

/** A projection with the elements that its weights take. */
interface Placed extends NativeProjection {
  readonly size: number;
}

function place(
  config: DecoderConfig,
  { layout }: DecoderWeights,
  adapters: Adapters,
  given: ProjectionWeights,
): Placed {
  const { offset, shape } = layout.get(given.weight)!;
  const adapter = adapters.beside.get(given.weight);
  return {
    weight: offset,
    ...(given.bias === undefined ? {} : { bias: layout.get(given.bias)!.offset }),
    transposed: given.transposed,
    parts: given.parts,
    interleavedHeads: given.interleaved ? config.heads : 0,
    ...(adapter === undefined ? {} : { adapters: [adapter] }),
    size: elementCount(shape),
  };
}

/** What lies side by side in memory is one matrix: a product with all of it is faster than one with each part. */
function joined(projections: readonly Placed[]): NativeProjection[] {
  const result: Placed[] = [];
  for (const next of projections) {
    const last = result.at(-1);
    if (last === undefined || !follows(last, next)) result.push(next);
    else result.splice(-1, 1, join(last, next));
  }
  return result.map(({ size: _, ...projection }) => projection);
}

function join(last: Placed, next: Placed): Placed {
  const shifted = (next.adapters ?? []).map((each) => ({ ...each, first: each.first + columnsOf(last) }));
  const adapters = [...(last.adapters ?? []), ...shifted];
  return {
    ...last,
    parts: [...last.parts, ...next.parts],
    size: last.size + next.size,
    ...(adapters.length > 0 ? { adapters } : {}),
  };
}

function follows(last: Placed, next: Placed): boolean {
  if (last.transposed || next.transposed || last.interleavedHeads > 0 || next.interleavedHeads > 0) return false;
  if (last.weight + last.size !== next.weight || (last.bias === undefined) !== (next.bias === undefined)) return false;
  return last.bias === undefined || last.bias + columnsOf(last) === next.bias;
}

function columnsOf({ parts }: NativeProjection): number {
  return parts.reduce((sum, columns) => sum + columns, 0);
}
