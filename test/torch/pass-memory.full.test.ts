import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import type { PassMemory } from '../../lib/model/contract.ts';
import { describeWithEngine } from './engine-available.ts';
import type { PassCase } from './pass-memory-child.ts';

const sizes = {
  ...{ vocab_size: 2000, hidden_size: 256, intermediate_size: 704, num_hidden_layers: 6, num_attention_heads: 8 },
  max_position_embeddings: 256,
};
const grouped = { num_key_value_heads: 2, head_dim: 32 };
const configs = {
  llama: { model_type: 'llama', ...sizes, ...grouped },
  gpt2: { model_type: 'gpt2', vocab_size: 2000, n_embd: 256, n_head: 8, n_layer: 6, n_positions: 256 },
  gpt_neox: { model_type: 'gpt_neox', ...sizes, intermediate_size: 1024, use_parallel_residual: true },
  gemma2: {
    ...{ model_type: 'gemma2', ...sizes, ...grouped, query_pre_attn_scalar: 32, sliding_window: 128 },
    ...{ attn_logit_softcapping: 50, final_logit_softcapping: 30 },
  },
  gemma3: { model_type: 'gemma3_text', ...sizes, ...grouped, query_pre_attn_scalar: 32, sliding_window: 128 },
};
/** Of different lengths, some of them less than half the longest. */
const lengths = Array.from({ length: 56 }, (_, i) => 256 - 3 * i);

function play(played: PassCase): PassMemory & { readonly measured: number } {
  const child = fileURLToPath(new URL('./pass-memory-child.ts', import.meta.url));
  // What V8's threads free later would be counted with what was there before.
  const words = ['--expose-gc', '--single-threaded-gc', '--import', 'tsx', child, JSON.stringify(played)];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the pass ended with ${signal ?? status}: ${stderr}`);
  return JSON.parse(stdout);
}

function ratio(played: PassCase): number {
  const { measured, activations, work } = play(played);
  return measured / (activations + work);
}

// The process's memory is told by Linux.
describeWithEngine('the memory of a pass is what was planned', () => {
  const onLinux = process.platform === 'linux' ? test : test.skip;
  const holds = (what: string, played: Omit<PassCase, 'dtype' | 'lengths'>) =>
    onLinux(what, () => {
      const found = ratio({ dtype: 'f32', lengths, ...played });
      expect(found).toBeGreaterThan(0.9);
      expect(found).toBeLessThan(1.1);
    });
  for (const [name, config] of Object.entries(configs)) {
    holds(name, { config, checkpointActivations: false });
    holds(`${name}, with layers computed again`, { config, checkpointActivations: true });
    // As RMU holds what it is to keep: nothing lies there above the layer, nor of the reference's own pass.
    const hidden = { layer: 2, toward: 'reference' } as const;
    holds(`${name}, to a layer`, { config, checkpointActivations: false, hidden });
    holds(`${name}, with adapters`, { config, checkpointActivations: false, adapters: 'lora' });
    holds(`${name}, with adapters, computed again`, { config, checkpointActivations: true, adapters: 'lora' });
    const adapters = 'unlearning-layers';
    holds(`${name}, with unlearning layers`, { config, checkpointActivations: false, adapters });
    holds(`${name}, with unlearning layers, computed again`, { config, checkpointActivations: true, adapters });
  }
  const hidden = { layer: 2, toward: 'vector' } as const;
  holds('llama, to a layer, computed again', { config: configs.llama, checkpointActivations: true, hidden });
  // Of one layer with a large MLP, through which label tokens alone go: a quarter of all, where a suffix would have three.
  const wide = { ...configs.llama, num_hidden_layers: 1, intermediate_size: 4096 };
  holds('llama, with labels in spans', { config: wide, checkpointActivations: false, spans: true });
});
