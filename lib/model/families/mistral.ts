/**
 * Mistral (Jiang et al. 2023, arXiv 2310.06825): Llama with a window over the tokens before; Zephyr.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/mistral
 * @module
 */

import type { Family } from './family.ts';
import { readLlamaLike } from './llama.ts';

export const mistral: Family = {
  modelType: 'mistral',
  architecture: 'MistralForCausalLM',
  loraTargets: ['q_proj', 'v_proj'],
  read(config) {
    // What is absent is 4,096; what is null is no window.
    const size = config.source.sliding_window === null ? undefined : config.size('sliding_window', 4096);
    const layers = config.layers('num_hidden_layers');
    config.refuseUnless('layer_types');
    return readLlamaLike(config, {
      keyValueHeads: 8,
      maxPositions: 131_072,
      ...(size === undefined ? {} : { window: { size, layers: new Array<boolean>(layers).fill(true) } }),
    });
  },
};
