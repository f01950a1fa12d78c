/**
 * The weights of a decoder: names as in its file, shapes, and where they lie in the flat buffers.
 *
 * @module
 */

import type { DecoderConfig, StoredProjection } from './decoder-config.ts';
import { type NamedParameter, type ParameterKind, ParameterLayout, type ParameterSlot } from './parameter-layout.ts';

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
  const parameters: NamedParameter[] = [];
  const add = (name: string, shape: number[], group: ParameterKind, slot: ParameterSlot): string => {
    parameters.push({ name, shape, group, ...slot });
    return name;
  };
  const norm = (name: string, size: number, slot: ParameterSlot): NormWeights => {
    const weight = add(`${name}.weight`, [size], 'vector', slot);
    return config.norm.kind === 'layer' ? { weight, bias: add(`${name}.bias`, [size], 'vector', slot) } : { weight };
  };
  /** From `into` columns to the parts, in as many projections as are stored. */
  const projections = (
    prefix: string,
    stored: readonly StoredProjection[],
    into: number,
    parts: readonly number[],
    slot: ParameterSlot,
  ): ProjectionWeights[] =>
    stored.map(({ name, bias = false, transposed = false, interleaved = false }, i) => {
      const own = stored.length === 1 ? parts : [parts[i]!];
      const out = own.reduce((sum, columns) => sum + columns, 0);
      const weight = transposed
        ? add(`${prefix}${name}.weight`, [into, out], 'matrix', { ...slot, transposed })
        : add(`${prefix}${name}.weight`, [out, into], 'matrix', slot);
      const base = { weight, transposed, interleaved, parts: own };
      return bias ? { ...base, bias: add(`${prefix}${name}.bias`, [out], 'vector', slot) } : base;
    });

  const embedding = add(embeddingName(config), [vocabularySize, hiddenSize], 'embedding', { role: 'embedding' });
  const positions =
    names.positions === undefined
      ? {}
      : {
          positions: add(
            `${names.prefix}${names.positions}.weight`,
            [config.maxPositions + config.positionOffset, hiddenSize],
            'embedding',
            { role: 'positions' },
          ),
        };
  const layers = Array.from({ length: config.layers }, (_, layer): LayerWeights => {
    const prefix = names.prefix + names.layer.replace('{i}', String(layer));
    const optional = <Slot extends OptionalNorm>(role: Slot, name: string | undefined, size = hiddenSize) =>
      name === undefined ? {} : ({ [role]: norm(prefix + name, size, { role, layer }) } as Record<Slot, NormWeights>);
    const query = heads * headSize;
    const key = keyValueHeads * headSize;
    const inner = gated ? [intermediateSize, intermediateSize] : [intermediateSize];
    const output = (role: 'attentionOutput' | 'mlpOutput', into: number) =>
      projections(prefix, [names[role]], into, [hiddenSize], { role, layer })[0]!;
    return {
      attentionNorm: norm(prefix + names.attentionNorm, hiddenSize, { role: 'attentionNorm', layer }),
      attentionInput: projections(prefix, names.attentionInput, hiddenSize, [query, key, key], {
        role: 'attentionInput',
        layer,
      }),
      ...optional('queryNorm', names.queryNorm, headSize),
      ...optional('keyNorm', names.keyNorm, headSize),
      attentionOutput: output('attentionOutput', query),
      ...optional('attentionPostNorm', names.attentionPostNorm),
      ...optional('mlpNorm', names.mlpNorm),
      mlpInput: projections(prefix, names.mlpInput, hiddenSize, inner, { role: 'mlpInput', layer }),
      mlpOutput: output('mlpOutput', intermediateSize),
      ...optional('mlpPostNorm', names.mlpPostNorm),
    };
  });
  const finalNorm = norm(names.prefix + names.finalNorm, hiddenSize, { role: 'finalNorm' });
  const ofHead = { role: 'head' } as const;
  const head = {
    weight: config.tiedEmbeddings ? embedding : add(headName(config), [vocabularySize, hiddenSize], 'matrix', ofHead),
    ...(names.head.bias ? { bias: add(`${names.head.name}.bias`, [vocabularySize], 'vector', ofHead) } : {}),
  };
  return { embedding, ...positions, layers, finalNorm, head, layout: ParameterLayout.of(parameters) };
}

type OptionalNorm = 'queryNorm' | 'keyNorm' | 'attentionPostNorm' | 'mlpNorm' | 'mlpPostNorm';

/** The name of the token embedding's weight. */
export function embeddingName({ names }: DecoderConfig): string {
  return `${names.prefix}${names.embedding}.weight`;
}

/** The name of the output layer's weight, in files of models that have one. */
export function headName({ names }: DecoderConfig): string {
  return `${names.head.name}.weight`;
}
