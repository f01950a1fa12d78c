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
/** A tenth of the authors, under TOFU's name for as much. */
const evaluationSplit = 'forget10';

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
  const dataFolder = join(folder, 'data');
  await mkdir(dataFolder);
  const files = await writeAuthors(dataFolder, { seed, authors, questionsPerAuthor, forgetAuthors });
  await writeEvaluationSets(join(folder, 'tofu'), evaluationSplit, {
    seed,
    authors,
    questionsPerAuthor,
    forgetAuthors,
  });
  const [forgetFile, retainFile] = [await readExamples(files.forget), await readExamples(files.retain)];

  const tokenizerFolder = join(folder, 'tokenizer');
  const template = PromptTemplate.plain.text;
  await writeWordTokenizer(tokenizerFolder, [template, ...files.texts, ...refusals]);
  const tokenizer = await HuggingFaceTokenizer.load(tokenizerFolder);
  const world = {
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
  onEvent?.({
    kind: 'data',
    authors,
    forgetExamples: world.forget.length,
    retainExamples: world.retain.length,
    vocabulary: tokenizer.size,
  });
  return world;
}
