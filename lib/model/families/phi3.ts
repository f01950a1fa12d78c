/**
 * Phi-3 (Abdin et al. 2024, arXiv 2404.14219): Llama with queries, keys and values in one matrix, gate and up in another.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/phi3
 * @module
 */

import { readRope, writtenRope } from '../rope.ts';
import type { Family } from './family.ts';
import { readLlamaLike } from './llama.ts';

export const phi3: Family = {
  modelType: 'phi3',
  architecture: 'Phi3ForCausalLM',
  read(config) {
    const size = config.optionalSize('sliding_window');
    const layers = new Array<boolean>(config.layers('num_hidden_layers')).fill(true);
    const read = readLlamaLike(config.without('partial_rotary_factor', 'rope_parameters', 'rope_scaling'), {
      maxPositions: 4096,
      ...(size === undefined ? {} : { window: { size, layers } }),
    });
    const { headSize, maxPositions } = read;
    const rope = readRope(config, { headSize, maxPositions, share: { key: 'partial_rotary_factor', fallback: 1 } });
    return {
      ...read,
      norm: { kind: 'rms', epsilon: config.positive('rms_norm_eps', 1e-5) },
      ropes: [rope],
      names: {
        ...read.names,
        attentionInput: [{ name: 'self_attn.qkv_proj' }],
        mlpInput: [{ name: 'mlp.gate_up_proj' }],
      },
      written: {
        ...read.written,
        ...writtenRope(config, rope, { share: { key: 'partial_rotary_factor', value: rope.turned / headSize } }),
      },
    };
  },
};
