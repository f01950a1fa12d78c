/**
 * The weights of a decoder: names as in its file, shapes, and where they lie in the flat buffers.
 *
 * @module
 */

import type { DecoderConfig, StoredProjection } from './decoder-config.ts';
import { type ParameterKind, ParameterLayout } from './parameter-layout.ts';

/** Names of a norm's weights. */
export interface NormWeights {
  readonly weight: string;
  /** Of a layer norm alone. */
  readonly bias?: string;
}

/** A projection's weights, and what its outputs are. */
export interface ProjectionWeights {
  readonly weight: string;
  readonly bias?: string;
  readonly transposed: boolean;
  readonly interleaved: boolean;
  /** Columns of each part of its outputs. */
  readonly parts: readonly number[];
}

export interface LayerWeights {
  readonly attentionNorm: NormWeights;
  /** Parts: queries, keys, values. */
  readonly attentionInput: readonly ProjectionWeights[];
  readonly queryNorm?: NormWeights;
  readonly keyNorm?: NormWeights;
  readonly attentionOutput: ProjectionWeights;
  readonly attentionPostNorm?: NormWeights;
  readonly mlpNorm?: NormWeights;
  /** Parts: gate and up, or one. */
  readonly mlpInput: readonly ProjectionWeights[];
  readonly mlpOutput: ProjectionWeights;
  readonly mlpPostNorm?: NormWeights;
}

export interface DecoderWeights {
  readonly embedding: string;
  /** [maxPositions + positionOffset, hiddenSize]. */
  readonly positions?: string;
  readonly layers: readonly LayerWeights[];
  readonly finalNorm: NormWeights;
  /** The embedding where the two are tied. */
  readonly head: { readonly weight: string; readonly bias?: string };
  readonly layout: ParameterLayout;
}

/** The layout of a model's parameters, under the names of its file and in the file's shapes; a tied model has no head. */
export function parameterLayout(config: DecoderConfig): ParameterLayout {
  return decoderWeights(config).layout;
}

/** Which weight fills which slot of a decoder, and where all of them lie. */
export function decoderWeights(config: DecoderConfig): DecoderWeights {
  const { vocabularySize, hiddenSize, intermediateSize, heads, keyValueHeads, headSize, names, gated } = config;
  const parameters: { name: string; shape: number[]; group: ParameterKind }[] = [];
  const add = (name: string, shape: number[], group: ParameterKind): string => {
    parameters.push({ name, shape, group });
    return name;
  };
  const norm = (name: string, size: number): NormWeights => {
    const weight = add(`${name}.weight`, [size], 'vector');
    return config.norm.kind === 'layer' ? { weight, bias: add(`${name}.bias`, [size], 'vector') } : { weight };
  };
  /** From `into` columns to the parts, in as many projections as are stored. */
  const projections = (
    prefix: string,
    stored: readonly StoredProjection[],
    into: number,
    parts: readonly number[],
  ): ProjectionWeights[] =>
    stored.map(({ name, bias = false, transposed = false, interleaved = false }, i) => {
      const own = stored.length === 1 ? parts : [parts[i]!];
      const out = own.reduce((sum, columns) => sum + columns, 0);
      const weight = add(`${prefix}${name}.weight`, transposed ? [into, out] : [out, into], 'matrix');
      const base = { weight, transposed, interleaved, parts: own };
      return bias ? { ...base, bias: add(`${prefix}${name}.bias`, [out], 'vector') } : base;
    });

  const embedding = add(embeddingName(config), [vocabularySize, hiddenSize], 'embedding');
  const positions =
    names.positions === undefined
      ? {}
      : {
          positions: add(
            `${names.prefix}${names.positions}.weight`,
            [config.maxPositions + config.positionOffset, hiddenSize],
            'embedding',
          ),
        };
  const layers = Array.from({ length: config.layers }, (_, i): LayerWeights => {
    const prefix = names.prefix + names.layer.replace('{i}', String(i));
    const optional = <Slot extends string>(slot: Slot, name: string | undefined, size = hiddenSize) =>
      name === undefined ? {} : ({ [slot]: norm(prefix + name, size) } as Record<Slot, NormWeights>);
    const query = heads * headSize;
    const key = keyValueHeads * headSize;
    return {
      attentionNorm: norm(prefix + names.attentionNorm, hiddenSize),
      attentionInput: projections(prefix, names.attentionInput, hiddenSize, [query, key, key]),
      ...optional('queryNorm', names.queryNorm, headSize),
      ...optional('keyNorm', names.keyNorm, headSize),
      attentionOutput: projections(prefix, [names.attentionOutput], query, [hiddenSize])[0]!,
      ...optional('attentionPostNorm', names.attentionPostNorm),
      ...optional('mlpNorm', names.mlpNorm),
      mlpInput: projections(
        prefix,
        names.mlpInput,
        hiddenSize,
        gated ? [intermediateSize, intermediateSize] : [intermediateSize],
      ),
      mlpOutput: projections(prefix, [names.mlpOutput], intermediateSize, [hiddenSize])[0]!,
      ...optional('mlpPostNorm', names.mlpPostNorm),
    };
  });
  const finalNorm = norm(names.prefix + names.finalNorm, hiddenSize);
  const head = {
    weight: config.tiedEmbeddings ? embedding : add(headName(config), [vocabularySize, hiddenSize], 'matrix'),
    ...(names.head.bias ? { bias: add(`${names.head.name}.bias`, [vocabularySize], 'vector') } : {}),
  };
  return { embedding, ...positions, layers, finalNorm, head, layout: ParameterLayout.of(parameters) };
}

/** The name of the token embedding's weight. */
export function embeddingName({ names }: DecoderConfig): string {
  return `${names.prefix}${names.embedding}.weight`;
}

/** The name of the output layer's weight, in files of models that have one. */
export function headName({ names }: DecoderConfig): string {
  return `${names.head.name}.weight`;
}
