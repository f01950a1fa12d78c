/**
 * Tokens that a model has no embedding for, found before it meets them.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import { type Example, whereIs } from './example.ts';

/**
 * Refuses examples with a token beyond a model's vocabulary. A vocabulary that is larger than the tokenizer's is padded, which
 * harms nothing.
 *
 * @param vocabularySize rows of the model's embedding
 * @throws SoulError SOUL_BAD_DATA, naming file, line and token
 */
export function checkVocabulary(
  tokenizer: TextTokenizer,
  examples: readonly Example[],
  encoded: readonly TokenSequence[],
  vocabularySize: number,
): void {
  if (tokenizer.size <= vocabularySize) return;
  for (const [i, { tokens }] of encoded.entries()) {
    const token = tokens.find((each) => each >= vocabularySize);
    if (token === undefined) continue;
    const example = examples[i]!;
    const text = tokenizer.decode([token], { skipSpecialTokens: false });
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)} has the token ${token} (${JSON.stringify(text)}), but the model's vocabulary has ${vocabularySize}: tokenizer and model do not belong together, or tokens were added without resizing the embedding (resize_token_embeddings in transformers)`,
      { ...example.source, token, text, vocabularySize },
    );
  }
}
