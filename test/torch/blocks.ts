/** Small models of every kind of block. */
import type { WeightDType } from '../../lib/model/checkpoint.ts';
import { type LoadOptions, TorchLM } from '../../lib/torch/index.ts';

const shape = { vocab_size: 11, hidden_size: 8, initializer_range: 0.3, max_position_embeddings: 16 };
const layered = { ...shape, intermediate_size: 12, num_hidden_layers: 3, num_attention_heads: 2 };
const grouped = { ...layered, num_key_value_heads: 1, head_dim: 4 };

/** Every kind of block, by what sets it apart. */
export const blocks: Record<string, object> = {
  'one after the other': { model_type: 'llama', ...grouped, tie_word_embeddings: true },
  'with windows, and norms after': {
    ...{ model_type: 'gemma2', ...grouped, sliding_window: 3, query_pre_attn_scalar: 4, attn_logit_softcapping: 5 },
    hidden_activation: 'gelu_pytorch_tanh',
  },
  'side by side, each with its norm': {
    model_type: 'gpt_neox',
    ...layered,
    rotary_pct: 0.5,
    use_parallel_residual: true,
  },
  'side by side behind one norm': { model_type: 'phi', ...layered, partial_rotary_factor: 0.5 },
  'with learned positions': {
    ...{ model_type: 'gpt2', vocab_size: 11, n_embd: 8, n_layer: 3, n_head: 2, n_inner: 12, n_positions: 16 },
    initializer_range: 0.3,
  },
};

export const make = <Kind extends WeightDType = 'f32'>(block: object, seed: bigint, options: LoadOptions<Kind> = {}) =>
  TorchLM.create<Kind>(block, seed, { threads: 1, ...options });

/** Norms that scale by 1 alone would hide where they stand; near 0, where embeddings are, a norm is anything but smooth. */
export function unlikeFresh({ parameters: { values, layout } }: TorchLM<'f32'>): void {
  const embeddings = layout.ranges()[0]!.length;
  for (let i = 0; i < values.length; i++) {
    values.array[i] = (values.array[i]! + 0.05 * Math.sin(i)) * (i < embeddings ? 4 : 1);
  }
}

/** Euclidean, as a share of the expected length. */
export function distance(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  const length = Math.hypot(...Array.from(expected));
  return Math.hypot(...Array.from(expected, (value, i) => found[i]! - value)) / length;
}
