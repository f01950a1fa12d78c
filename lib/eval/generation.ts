/**
 * What a model answers, and how much of the right answer is in it.
 *
 * @module
 */

import { checkInteger } from '../core/checks.ts';
import { checkNames } from '../core/option-names.ts';
import { encodePrompt, stopTokensOf } from '../data/encode.ts';
import type { Example } from '../data/example.ts';
import type { ExampleTemplate } from '../data/example-template.ts';
import type { TextGenerator } from '../model/contract.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import { type BatchedOptions, batchedOptionNames, inBatches } from './progress.ts';
import { rouge1, rougeL } from './rouge.ts';

export interface GenerationOptions extends BatchedOptions {
  /** At most this many new tokens an answer; 200 by default, as in TOFU. */
  maxNewTokens?: number;
  /** At most this many tokens of prompt and answer together, of an answer at least one; no limit by default. */
  maxTotalTokens?: number;
  /** How a question becomes a prompt; the plain template by default. */
  template?: ExampleTemplate;
}

/** Names of {@link GenerationOptions}, for `checkNames`. */
export const generationOptionNames = [
  ...batchedOptionNames,
  'maxNewTokens',
  'maxTotalTokens',
  'template',
] as const satisfies readonly (keyof GenerationOptions)[];

export interface GeneratedAnswer {
  /** The model's greedy answer, without space around it. */
  readonly generation: string;
  /** ROUGE-L recall of the generation against the example's completion, with stemming; it sees words of a-z and digits alone. */
  readonly rougeLRecall: number;
  /** ROUGE-1 recall likewise. */
  readonly rouge1Recall: number;
}

/**
 * Lets a model answer each example's prompt greedily.
 *
 * @returns an answer for each example, in their order, without space around it
 * @throws SoulError SOUL_CANCELLED by `options.signal`
 */
export async function generateAnswers(
  model: TextGenerator,
  tokenizer: TextTokenizer,
  examples: readonly Example[],
  options: GenerationOptions = {},
): Promise<string[]> {
  checkNames('options', options, generationOptionNames);
  const { maxNewTokens = 200, maxTotalTokens, template, signal } = options;
  checkInteger('maxNewTokens', maxNewTokens);
  if (maxTotalTokens !== undefined) checkInteger('maxTotalTokens', maxTotalTokens);
  const prompts = examples.map((example) => encodePrompt(tokenizer, example, template ? { template } : {}));
  const lengths = prompts.map((prompt) => prompt.length);
  // Greedy answers do not depend on where they are cut.
  const room = (length: number) => Math.min(maxNewTokens, Math.max(1, (maxTotalTokens ?? Infinity) - length));
  return inBatches('generation', lengths, options, async (indices) => {
    const longest = Math.max(...indices.map((index) => room(lengths[index]!)));
    const generated = await model.generate(
      indices.map((index) => prompts[index]!),
      {
        maxNewTokens: longest,
        stopTokens: stopTokensOf(tokenizer, template),
        ...(signal === undefined ? {} : { signal }),
      },
    );
    return indices.map((index, i) => tokenizer.decode(generated[i]!.slice(0, room(lengths[index]!))).trim());
  });
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
  const answers = await generateAnswers(model, tokenizer, examples, options);
  return answers.map((generation, i) => {
    const { completion } = examples[i]!;
    const [rougeLRecall, rouge1Recall] = [rougeL, rouge1].map((rouge) => rouge(generation, completion).recall) as [
      number,
      number,
    ];
    return { generation, rougeLRecall, rouge1Recall };
  });
}
