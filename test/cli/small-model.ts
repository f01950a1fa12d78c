/**
 * A model folder that a command takes a moment for, and data for it.
 *
 * @module
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';
import { TorchLM } from '../../lib/torch/index.ts';

/** Writes `model` and `data.jsonl`, which holds one question, into a folder. */
export async function writeSmallModel(folder: string): Promise<void> {
  await writeFile(join(folder, 'data.jsonl'), '{"question": "Who?", "answer": "Nobody."}\n');
  const { size } = await writeWordTokenizer(join(folder, 'model'), ['Question: Who?\nAnswer: Nobody.']);
  const architecture = { architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu' };
  const sizes = { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2 };
  const rest = { num_key_value_heads: 2, max_position_embeddings: 64, rms_norm_eps: 1e-5, rope_theta: 10000 };
  const words = { tie_word_embeddings: true, vocab_size: size };
  const model = await TorchLM.create({ ...architecture, ...sizes, ...rest, ...words }, 5n);
  await model.save(join(folder, 'model'));
  model.release();
}
