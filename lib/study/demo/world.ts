/**
 * What the demo's models learn: invented authors, with a tokenizer of their words.
 *
 * @module
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type EncodedExample, encodeExamples } from '../../data/encode.ts';
import type { Example } from '../../data/example.ts';
import { PromptTemplate } from '../../data/prompt-template.ts';
import { readExamples } from '../../data/read-examples.ts';
import { refusals } from '../../data/refusals.ts';
import { HuggingFaceTokenizer } from '../../model/tokenizer.ts';
import { writeAuthors } from '../authors.ts';
import { writeEvaluationSets } from '../authors-evaluation.ts';
import { writeWordTokenizer } from '../word-tokenizer.ts';
import type { DemoOptions } from './options.ts';

const authors = 30;
const forgetAuthors = 3;
const questionsPerAuthor = 10;

const architecture = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: 128,
  intermediate_size: 344,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  initializer_range: 0.02,
  dtype: 'float32',
};

/** The data of the demo, as read back, and the config of the models that learn it. */
export interface World {
  tokenizer: HuggingFaceTokenizer;
  config: object;
  forgetExamples: readonly Example[];
  retainExamples: readonly Example[];
  forget: EncodedExample[];
  retain: EncodedExample[];
}

/** Writes the data and the tokenizer, and reads them back as a user's would be. */
export async function prepare({ folder, seed = 0n, onEvent }: DemoOptions): Promise<World> {
  await writeWorld(folder, seed);
  const world = await readWorld(folder);
  onEvent?.({
    kind: 'data',
    authors,
    forgetExamples: world.forget.length,
    retainExamples: world.retain.length,
    vocabulary: world.tokenizer.size,
  });
  return world;
}

/** Where {@link writeWorld} leaves what it makes. */
export const worldFiles = {
  forget: join('data', 'forget.jsonl'),
  retain: join('data', 'retain.jsonl'),
  /** TOFU's evaluation sets. */
  tofu: 'tofu',
  /** The name of the forget set there: a tenth of the authors, under TOFU's name for as much. */
  tofuSplit: 'forget10',
  tokenizer: 'tokenizer',
} as const;

/** Writes the data, the evaluation sets and the tokenizer into a folder, which is made where it lacks. */
export async function writeWorld(folder: string, seed: bigint): Promise<void> {
  const options = { seed, authors, questionsPerAuthor, forgetAuthors };
  await mkdir(folder, { recursive: true });
  const { texts } = await writeAuthors(join(folder, 'data'), options);
  await writeEvaluationSets(join(folder, worldFiles.tofu), worldFiles.tofuSplit, options);
  const template = PromptTemplate.plain.text;
  await writeWordTokenizer(join(folder, worldFiles.tokenizer), [template, ...texts, ...refusals]);
}

/** The data that {@link writeWorld} left, and the config of the models that learn it. */
export async function readWorld(folder: string): Promise<World> {
  const forgetFile = await readExamples(join(folder, worldFiles.forget));
  const retainFile = await readExamples(join(folder, worldFiles.retain));
  const tokenizer = await HuggingFaceTokenizer.load(join(folder, worldFiles.tokenizer));
  return {
    tokenizer,
    config: {
      ...architecture,
      vocab_size: tokenizer.size,
      bos_token_id: tokenizer.beginOfText,
      eos_token_id: tokenizer.endOfText,
    },
    forgetExamples: forgetFile.items,
    retainExamples: retainFile.items,
    forget: encodeExamples(tokenizer, forgetFile.items).encoded,
    retain: encodeExamples(tokenizer, retainFile.items).encoded,
  };
}
