/**
 * A folder with a small Llama, `model`, and questions on made-up authors, `forget.jsonl` and `retain.jsonl`, for the tests of a file.
 *
 * @module
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { fictitiousAuthors, toJsonLines } from '../../lib/study/authors.ts';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { soul } from './soul.ts';

/** Makes the folder before the tests of a block; gives paths in it, and `soul unlearn` with what lies there. */
export function authorsModel() {
  let folder: string;
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-cli-'));
    const { records, split } = fictitiousAuthors({ seed: 1n, authors: 4, questionsPerAuthor: 4 });
    const { forget, retain } = split({ forgetAuthors: 1 });
    await writeFile(path('forget.jsonl'), toJsonLines(forget));
    await writeFile(path('retain.jsonl'), toJsonLines(retain));
    const texts = records.flatMap(({ question, answer }) => [question, answer]);
    const { size } = await writeWordTokenizer(path('model'), ['Question: \nAnswer: ', ...texts]);
    const model = await TorchLM.create(
      {
        architectures: ['LlamaForCausalLM'],
        model_type: 'llama',
        hidden_act: 'silu',
        hidden_size: 32,
        intermediate_size: 48,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        max_position_embeddings: 128,
        rms_norm_eps: 1e-5,
        rope_theta: 10000,
        tie_word_embeddings: true,
        vocab_size: size,
      },
      5n,
    );
    await model.save(path('model'));
    model.release();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const unlearn = (...words: string[]) =>
    soul(
      'unlearn',
      '--model',
      path('model'),
      '--forget',
      path('forget.jsonl'),
      '--retain',
      path('retain.jsonl'),
      ...words,
    );
  return { path, unlearn };
}
