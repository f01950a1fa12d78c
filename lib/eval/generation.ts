/**
 * What a model answers, and how much of the right answer is in it.
 *
 * @module
 */

import { checkInteger } from '../core/checks.ts';
import { checkNames } from '../core/option-names.ts';
import { encodePrompt } from '../data/encode.ts';
import type { Example } from '../data/example.ts';
import type { PromptTemplate } from '../data/prompt-template.ts';
import type { TextGenerator } from '../model/contract.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import { type BatchedOptions, batchedOptionNames, inBatches } from './progress.ts';
import { rougeL } from './rouge.ts';

export interface GenerationOptions extends BatchedOptions {
  /** At most this many new tokens an answer; 200 by default, as in TOFU. */
  maxNewTokens?: number;
  /** How a question becomes a prompt; the plain template by default. */
  template?: PromptTemplate;
}

/** Names of {@link GenerationOptions}, for `checkNames`. */
export const generationOptionNames = [
  ...batchedOptionNames,
  'maxNewTokens',
  'template',
] as const satisfies readonly (keyof GenerationOptions)[];

export interface GeneratedAnswer {
  /** The model's greedy answer, without space around it. */
  readonly generation: string;
  /** ROUGE-L recall of the generation against the example's completion, with stemming; it sees words of a-z and digits alone. */
  readonly rougeLRecall: number;
}

/**
 * Lets a model answer each example's prompt greedily and scores the answers.
 *
 * @returns one for each example, in their order
 * @throws SoulError SOUL_CANCELLED by `options.signal`
 */
export async function generationRouge(
  model: TextGenerator,
  tokenizer: TextTokenizer,
  examples: readonly Example[],
  options: GenerationOptions = {},
): Promise<GeneratedAnswer[]> {
  checkNames('options', options, generationOptionNames);
  const { maxNewTokens = 200, template, signal } = options;
  checkInteger('maxNewTokens', maxNewTokens);
  const prompts = examples.map((example) => encodePrompt(tokenizer, example, template ? { template } : {}));
  const lengths = prompts.map((prompt) => prompt.length);
  return inBatches('generation', lengths, options, async (indices) => {
    const generated = await model.generate(
      indices.map((index) => prompts[index]!),
      { maxNewTokens, stopTokens: tokenizer.endOfTextTokens, ...(signal === undefined ? {} : { signal }) },
    );
    return indices.map((index, i) => {
      const generation = tokenizer.decode(generated[i]!).trim();
      return { generation, rougeLRecall: rougeL(generation, examples[index]!.completion).recall };
    });
  });
}
