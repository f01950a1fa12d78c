/**
 * Examples as an attack measures them.
 *
 * @module
 */

import { type EncodeOptions, encodeExample } from '../data/encode.ts';
import { type Example, withQuestion } from '../data/example.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import type { AttackSet } from './room.ts';

/**
 * Encodes examples, and those that have a question in other words with it, too.
 *
 * @throws SoulError of {@link encodeExample}
 */
export function encodeAttackSet(
  tokenizer: TextTokenizer,
  examples: readonly Example[],
  options: EncodeOptions = {},
): Required<AttackSet> {
  return {
    sequences: examples.map((example) => encodeExample(tokenizer, example, options)),
    paraphrases: examples.map((example) => {
      const question = example.alternatives?.paraphrasedQuestion;
      return question === undefined ? undefined : encodeExample(tokenizer, withQuestion(example, question), options);
    }),
  };
}
