/**
 * A decoder as the engine wants it: sizes, and for each slot where its weights lie.
 *
 * @module
 */

import { elementCount } from '../core/shape.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import {
  type DecoderWeights,
  decoderWeights,
  type NormWeights,
  type ProjectionWeights,
} from '../model/decoder-weights.ts';
import { inverseFrequencies } from '../model/rope.ts';
import type { NativeLayer, NativeModelSpecification, NativeNorm, NativeProjection } from './native-engine.ts';

/** What does not follow from the model. */
export type EngineSettings = Pick<
  NativeModelSpecification,
  'attention' | 'checkpointActivations' | 'threads' | 'logitsMemory'
>;

export function nativeSpecification(config: DecoderConfig, settings: EngineSettings): NativeModelSpecification {
  const weights = decoderWeights(config);
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
    layers: config.attention.map((_, i) => nativeLayer(config, weights, i)),
    finalNorm: nativeNorm(weights, weights.finalNorm),
    head: {
      weight: offset(weights.head.weight),
      ...(weights.head.bias === undefined ? {} : { bias: offset(weights.head.bias) }),
      softcap: config.logitSoftcap ?? 0,
    },
  };
}

function nativeLayer(config: DecoderConfig, weights: DecoderWeights, index: number): NativeLayer {
  const layer = weights.layers[index]!;
  const { rope = -1, window = 0, scale } = config.attention[index]!;
  const norm = (given: NormWeights) => nativeNorm(weights, given);
  const projections = (given: readonly ProjectionWeights[]) =>
    joined(given.map((each) => place(config, weights, each)));
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

function place(config: DecoderConfig, { layout }: DecoderWeights, given: ProjectionWeights): Placed {
  const { offset, shape } = layout.get(given.weight)!;
  return {
    weight: offset,
    ...(given.bias === undefined ? {} : { bias: layout.get(given.bias)!.offset }),
    transposed: given.transposed,
    parts: given.parts,
    interleavedHeads: given.interleaved ? config.heads : 0,
    size: elementCount(shape),
  };
}

/** What lies side by side in memory is one matrix: a product with all of it is faster than one with each part. */
function joined(projections: readonly Placed[]): NativeProjection[] {
  const result: Placed[] = [];
  for (const next of projections) {
    const last = result.at(-1);
    if (last === undefined || !follows(last, next)) result.push(next);
    else result.splice(-1, 1, { ...last, parts: [...last.parts, ...next.parts], size: last.size + next.size });
  }
  return result.map(({ size: _, ...projection }) => projection);
}

function follows(last: Placed, next: Placed): boolean {
  if (last.transposed || next.transposed || last.interleavedHeads > 0 || next.interleavedHeads > 0) return false;
  if (last.weight + last.size !== next.weight || (last.bias === undefined) !== (next.bias === undefined)) return false;
  const outputs = last.parts.reduce((sum, columns) => sum + columns, 0);
  return last.bias === undefined || last.bias + outputs === next.bias;
}
