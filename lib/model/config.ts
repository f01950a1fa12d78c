/**
 * What a Hugging Face config.json says about a Llama model, in one form whichever version of transformers wrote it.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/llama
 * @module
 */

import { join } from 'node:path';
import { describe, SoulError, type SoulErrorCode, shortName } from '../core/errors.ts';
import { readJsonFile } from '../core/files.ts';
import { missingFile } from './folder-kind.ts';

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

/** The shape of a LlamaForCausalLM. */
export interface LlamaConfig {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  /** Query heads; a multiple of `keyValueHeads`. */
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Elements of one head, even. */
  readonly headSize: number;
  /** Longest sequence, in tokens. */
  readonly maxPositions: number;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
  /** The output layer is the embedding. */
  readonly tiedEmbeddings: boolean;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
  /** Standard deviation of random weights. */
  readonly initializerRange: number;
  /** The content of config.json that this was read from. */
  readonly source: Readonly<Record<string, unknown>>;
}

/** Far beyond any model; each layer's weights are named before any is looked for. */
const mostLayers = 4096;

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads `folder`/config.json.
 *
 * @throws SoulError SOUL_NOT_FOUND (what the folder is instead), SOUL_BAD_FILE (not JSON, a number that can't be), SOUL_UNSUPPORTED (names the
 *   architecture or option)
 */
export async function readLlamaConfig(folder: string): Promise<LlamaConfig> {
  const file = join(folder, 'config.json');
  const source = await readJsonFile(file);
  if (source === undefined) throw await missingFile(folder, 'config.json');
  return parse(source, file, 'SOUL_BAD_FILE');
}

/**
 * Checks and normalises the content of a config.json.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_UNSUPPORTED
 */
export function parseLlamaConfig(source: object): LlamaConfig {
  return parse(source, 'config', 'SOUL_INVALID_ARGUMENT');
}

function parse(source: unknown, where: string, code: SoulErrorCode): LlamaConfig {
  if (!isObject(source)) throw new SoulError(code, `${where} must be an object, but is ${describe(source)}`);
  refuseWhatIsUnsupported(source, where);
  const fail = (key: string, expected: string, found: unknown): never => {
    throw new SoulError(code, `${where}: ${key} must be ${expected}, but is ${describe(found)}`, { key, expected });
  };
  const given = (key: string, fallback: unknown) => source[key] ?? fallback;
  const size = (key: string, fallback?: number, limit = 2 ** 31 - 1): number => {
    const value = given(key, fallback);
    const bound = limit < 2 ** 31 - 1 ? ` of at most ${limit}` : '';
    return Number.isInteger(value) && (value as number) > 0 && (value as number) <= limit
      ? (value as number)
      : fail(key, `a positive integer${bound}`, value);
  };
  const positive = (key: string, value: unknown): number =>
    typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : fail(key, 'a positive number', value);
  const flag = (key: string): boolean => {
    const value = given(key, false);
    return typeof value === 'boolean' ? value : fail(key, 'true or false', value);
  };

  const heads = size('num_attention_heads');
  const keyValueHeads = size('num_key_value_heads', heads);
  if (heads % keyValueHeads !== 0)
    fail('num_key_value_heads', `a divisor of the ${heads} attention heads`, keyValueHeads);
  const hiddenSize = size('hidden_size');
  const headSize = size('head_dim', Math.floor(hiddenSize / heads));
  if (headSize % 2 !== 0) fail('head_dim', 'even, since rotary embeddings turn pairs', headSize);
  const maxPositions = size('max_position_embeddings', 2048);
  const rope = ropeEntries(source, where, code);
  return {
    vocabularySize: size('vocab_size'),
    hiddenSize,
    intermediateSize: size('intermediate_size'),
    layers: size('num_hidden_layers', undefined, mostLayers),
    heads,
    keyValueHeads,
    headSize,
    maxPositions,
    rmsNormEpsilon: positive('rms_norm_eps', given('rms_norm_eps', 1e-6)),
    ropeTheta: positive('rope_theta', rope.rope_theta ?? given('rope_theta', 10_000)),
    ropeScaling: ropeScaling(rope, maxPositions, where, positive),
    tiedEmbeddings: flag('tie_word_embeddings'),
    attentionBias: flag('attention_bias'),
    mlpBias: flag('mlp_bias'),
    initializerRange: positive('initializer_range', given('initializer_range', 0.02)),
    source: structuredClone(source),
  };
}

/**
 * transformers 5 writes `rope_parameters`; 4 wrote `rope_theta` and, where angles are scaled, `rope_scaling`, which stands in place
 * of all that `rope_parameters` says where both are there.
 */
function ropeEntries(source: Json, where: string, code: SoulErrorCode): Json {
  const [parameters, scaling] = ['rope_parameters', 'rope_scaling'].map((key) => {
    const given = source[key] ?? {};
    if (!isObject(given)) {
      throw new SoulError(code, `${where}: ${key} must be an object or null, but is ${describe(given)}`, { key });
    }
    // Without a type transformers does not scale at all, whatever else is said.
    const entry = Object.keys(given).find((name) => !unscaled.includes(name));
    if (entry !== undefined && given.rope_type == null && given.type == null) {
      throw new SoulError(
        code,
        `${where}: ${key} has ${shortName(entry)} but no rope_type, so what it means is not known; add "rope_type" ("linear" or "llama3"), or take ${key} out`,
        { key, scaling: entry },
      );
    }
    return given;
  }) as [Json, Json];
  return Object.keys(scaling).length === 0 ? parameters : scaling;
}

/** Keys that do not scale. */
const unscaled: readonly string[] = ['rope_theta', 'partial_rotary_factor', 'rope_type', 'type'];

function ropeScaling(
  rope: Json,
  maxPositions: number,
  where: string,
  positive: (key: string, value: unknown) => number,
): RopeScaling {
  const type = rope.rope_type ?? rope.type ?? 'default';
  switch (type) {
    case 'default':
      return { type: 'default' };
    case 'linear':
      return { type: 'linear', factor: positive('rope factor', rope.factor) };
    case 'llama3':
      return {
        type: 'llama3',
        factor: positive('rope factor', rope.factor),
        lowFrequencyFactor: positive('low_freq_factor', rope.low_freq_factor),
        highFrequencyFactor: positive('high_freq_factor', rope.high_freq_factor),
        originalMaxPositions: positive(
          'original_max_position_embeddings',
          rope.original_max_position_embeddings ?? maxPositions,
        ),
      };
    default:
      throw unsupported(where, 'rope_type', type, 'default, linear or llama3');
  }
}

function refuseWhatIsUnsupported(source: Json, where: string): void {
  const { model_type: modelType, architectures, hidden_act: activation = 'silu' } = source;
  const named = (Array.isArray(architectures) ? architectures : [architectures])
    .filter((name) => typeof name === 'string')
    .slice(0, 8)
    .map(shortName);
  if (modelType !== undefined && modelType !== 'llama') throw unsupported(where, 'model_type', modelType, 'llama');
  if (modelType === undefined && !named.includes('LlamaForCausalLM')) {
    const found = named.length > 0 ? named.join(', ') : 'not named';
    throw unsupported(where, 'architecture', found, 'model_type llama or architecture LlamaForCausalLM');
  }
  // The type decides, as in transformers; but a head for something else than language is another model.
  if (named.length > 0 && named.every((name) => /For(?!CausalLM)/i.test(name))) {
    throw unsupported(where, 'architecture', named.join(', '), 'LlamaForCausalLM');
  }
  if (activation !== 'silu' && activation !== 'swish') throw unsupported(where, 'hidden_act', activation, 'silu');
  for (const { partial_rotary_factor: share } of [source, source.rope_parameters, source.rope_scaling].filter(
    isObject,
  )) {
    if (share != null && share !== 1) throw unsupported(where, 'partial_rotary_factor', share, '1');
  }
  if (source.quantization_config != null) {
    const method = isObject(source.quantization_config) ? source.quantization_config.quant_method : undefined;
    throw unsupported(where, 'quantization_config', method ?? source.quantization_config, 'unquantised weights');
  }
}

function unsupported(where: string, key: string, found: unknown, supported: string): SoulError {
  return new SoulError(
    'SOUL_UNSUPPORTED',
    `${where}: ${key} ${typeof found === 'string' ? shortName(found) : describe(found)} is not supported; supported: ${supported}`,
    { key, found: typeof found === 'object' ? describe(found) : found, supported },
  );
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
