/**
 * Rotary position embeddings: what config.json says of them, and their frequencies.
 *
 * @see Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding"
 * @module
 */

import { shortName } from '../core/errors.ts';
import { isObject, type JsonObject } from '../core/json.ts';
import type { ConfigReader } from './config-reader.ts';

/** How rotary angles are stretched beyond the length that a model was pretrained on. */
export type RopeScaling =
  | { readonly type: 'default' }
  /** Every angle divided by `factor` (Chen et al. 2023, "Extending Context Window ... via Positional Interpolation"). */
  | { readonly type: 'linear'; readonly factor: number }
  /** Long wavelengths divided by `factor`, short ones kept, a smooth passage between (Llama 3.1). */
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalMaxPositions: number;
    };

/** The rotary embedding of some layers. */
export interface Rope {
  readonly theta: number;
  readonly scaling: RopeScaling;
  /** Elements at the front of each head that are turned, even. */
  readonly turned: number;
}

/** What a family has of its own; `share` is absent where every element of a head is turned. */
export interface RopeKeys {
  readonly headSize: number;
  readonly maxPositions: number;
  /** The key of theta outside the rope's own entries; `rope_theta` by default. */
  readonly thetaKey?: string;
  /** Default 10,000. */
  readonly theta?: number;
  /** The share of each head that is turned: its key outside the rope's own entries, and its default. */
  readonly share?: { readonly key: string; readonly fallback: number };
}

/**
 * transformers 5 writes `rope_parameters`; 4 wrote `rope_theta` and, where angles are scaled, `rope_scaling`, which stands in place
 * of all that `rope_parameters` says where both are there.
 */
export function readRope(config: ConfigReader, keys: RopeKeys): Rope {
  const parameters = typedEntries(config, 'rope_parameters', config.object('rope_parameters'));
  const scaling = typedEntries(config, 'rope_scaling', config.object('rope_scaling'));
  return ropeOf(config, Object.keys(scaling).length === 0 ? parameters : scaling, keys);
}

/** A rope from its own entries. */
export function ropeOf(config: ConfigReader, entries: JsonObject, keys: RopeKeys): Rope {
  const { headSize, maxPositions, thetaKey = 'rope_theta', theta = 10_000, share } = keys;
  const own = entries.partial_rotary_factor;
  const partKey = own != null || share === undefined ? 'partial_rotary_factor' : share.key;
  const part = own ?? config.get(partKey, share?.fallback ?? 1);
  if (share === undefined && part !== 1) throw config.unsupported(partKey, part, '1');
  const factor = config.checkPositive(partKey, part);
  const turned = Math.trunc(headSize * factor);
  if (factor > 1 || turned < 2 || turned % 2 !== 0) {
    config.fail(
      share === undefined ? 'head_dim' : partKey,
      share === undefined
        ? 'even, since rotary embeddings turn pairs'
        : `a share of the ${headSize} elements of a head that is an even number of them`,
      share === undefined ? headSize : part,
    );
  }
  return {
    theta: config.checkPositive(thetaKey, entries.rope_theta ?? config.get(thetaKey, theta)),
    scaling: readScaling(config, entries, maxPositions),
    turned,
  };
}

/** Without a type transformers does not scale at all, whatever else is said. */
export function typedEntries(config: ConfigReader, key: string, given: JsonObject): JsonObject {
  const entry = Object.keys(given).find((name) => !unscaled.includes(name));
  if (entry !== undefined && given.rope_type == null && given.type == null) {
    config.refuse(
      `${key} has ${shortName(entry)} but no rope_type, so what it means is not known; add "rope_type" ("linear" or "llama3"), or take ${key} out`,
      { key, scaling: entry },
    );
  }
  return given;
}

/** Keys that do not scale. */
const unscaled: readonly string[] = ['rope_theta', 'partial_rotary_factor', 'rope_type', 'type'];

function readScaling(config: ConfigReader, rope: JsonObject, maxPositions: number): RopeScaling {
  const type = rope.rope_type ?? rope.type ?? 'default';
  switch (type) {
    case 'default':
      return { type: 'default' };
    case 'linear':
      return { type: 'linear', factor: config.checkPositive('rope factor', rope.factor) };
    case 'llama3':
      return {
        type: 'llama3',
        factor: config.checkPositive('rope factor', rope.factor),
        lowFrequencyFactor: config.checkPositive('low_freq_factor', rope.low_freq_factor),
        highFrequencyFactor: config.checkPositive('high_freq_factor', rope.high_freq_factor),
        originalMaxPositions: config.checkPositive(
          'original_max_position_embeddings',
          rope.original_max_position_embeddings ?? maxPositions,
        ),
      };
    default:
      throw config.unsupported('rope_type', type, 'default, linear or llama3');
  }
}

/** The scaling in the words of transformers. */
export function writtenScaling(scaling: RopeScaling): Record<string, unknown> {
  if (scaling.type === 'default') return { rope_type: 'default' };
  if (scaling.type === 'linear') return { rope_type: 'linear', factor: scaling.factor };
  return {
    rope_type: 'llama3',
    factor: scaling.factor,
    low_freq_factor: scaling.lowFrequencyFactor,
    high_freq_factor: scaling.highFrequencyFactor,
    original_max_position_embeddings: scaling.originalMaxPositions,
  };
}

/** A model's only rope, in the keys of transformers 4 and of 5. */
export function writtenRope(
  { source }: ConfigReader,
  { theta, scaling }: Rope,
  { thetaKey = 'rope_theta', share }: Pick<RopeKeys, 'thetaKey'> & { share?: { key: string; value: number } } = {},
): Record<string, unknown> {
  // Before 4.43, transformers knew linear scaling alone, as `type`.
  const type = scaling.type === 'linear' ? { type: scaling.type } : {};
  const written = writtenScaling(scaling);
  const part = share === undefined ? {} : { partial_rotary_factor: share.value };
  return {
    [thetaKey]: theta,
    ...(share === undefined ? {} : { [share.key]: share.value }),
    rope_scaling: isObject(source.rope_scaling)
      ? source.rope_scaling
      : scaling.type === 'default'
        ? null
        : { ...type, ...written },
    rope_parameters: { rope_theta: theta, ...part, ...written },
  };
}

/**
 * The angle by which one position turns each pair of a head's elements, in radians.
 *
 * Computed in float64 and rounded once.
 *
 * @returns `turned / 2` numbers, from 1 down
 */
export function inverseFrequencies({ theta, scaling, turned }: Rope): Float32Array {
  return Float32Array.from({ length: turned / 2 }, (_, pair) => {
    const frequency = theta ** ((-2 * pair) / turned);
    if (scaling.type === 'default') return frequency;
    if (scaling.type === 'linear') return frequency / scaling.factor;
    const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = scaling;
    // How often the pair turns within the length of pretraining decides how far it is slowed down.
    const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
    if (turns > highFrequencyFactor) return frequency;
    if (turns < lowFrequencyFactor) return frequency / factor;
    const kept = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
    return kept * frequency + (1 - kept) * (frequency / factor);
  });
}
