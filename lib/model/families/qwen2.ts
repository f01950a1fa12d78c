/**
 * Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv 2407.10671): Llama with biases of queries, keys and values alone, and, where asked
 * for, a window over the tokens before in the layers from `max_window_layers` on.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/qwen2
 * @module
 */

import type { ConfigReader } from '../config-reader.ts';
import type { Family } from './family.ts';
import { type LlamaLike, readLlamaLike } from './llama.ts';

export const qwen2: Family = {
  modelType: 'qwen2',
  architecture: 'Qwen2ForCausalLM',
  loraTargets: ['q_proj', 'v_proj'],
  read: (config) =>
    readLlamaLike(config, { attentionBias: true, outputBias: false, maxPositions: 32_768, ...qwenWindow(config) }),
};

/** The window of the Qwen models, which `use_sliding_window` alone switches on. */
export function qwenWindow(config: ConfigReader): Pick<LlamaLike, 'window'> {
  const used = config.flag('use_sliding_window');
  const size = used && config.source.sliding_window !== null ? config.size('sliding_window', 4096) : undefined;
  const first = config.get('max_window_layers', 28);
  if (!Number.isInteger(first) || (first as number) < 0) config.fail('max_window_layers', 'an integer from 0', first);
  const layers = config.windowed(
    config.layers('num_hidden_layers'),
    (layer) => size !== undefined && layer >= (first as number),
  );
  if (size !== undefined) return { window: { size, layers } };
  if (layers.includes(true)) {
    config.fail('layer_types', 'full_attention throughout, since use_sliding_window is not true', 'sliding_attention');
  }
  return {};
}
