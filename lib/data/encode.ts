/**
 * Examples as tokens with their labels.
 *
 * @module
 */

import { checkInteger } from '../core/checks.ts';
import { SoulError } from '../core/errors.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import { beginOnce, type CarriedToken, endOnce, endsItself } from './carried-tokens.ts';
import { encodeConversation } from './encode-conversation.ts';
import { type EncodedExample, type EncodeOptions, firstToken, noLabelLeft } from './encoded-example.ts';
import { type Example, whereIs } from './example.ts';
import type { ExampleTemplate } from './example-template.ts';
import { PromptTemplate } from './prompt-template.ts';

export type { EncodedExample, EncodeOptions } from './encoded-example.ts';

/**
 * Encodes prompt and completion as one text, as a model meets them.
 *
 * Labels begin where the tokens of the whole text leave those of the prompt alone: a token that joins the prompt's last
 * characters with the completion's first is a label. In a conversation (a chat template) each of the assistant's turns is one, with
 * the token that ends it; what follows the last is left out. Where nothing would stand before the first label, the begin-of-text
 * token (else the end-of-text token) is put there. A text or template that has the token of its beginning or end itself gets no
 * second one.
 *
 * @throws SoulError SOUL_BAD_DATA, naming file and line, when `maximumLength` leaves no label token, or no token can stand
 *   before the first label
 */
export function encodeExample(tokenizer: TextTokenizer, example: Example, options: EncodeOptions = {}): EncodedExample {
  const { template = PromptTemplate.plain, maximumLength, appendEndOfText = true } = options;
  if (maximumLength !== undefined) checkInteger('maximumLength', maximumLength, { low: 2 });
  const rendered = template.render(example);
  if ('labels' in rendered) return encodeConversation(tokenizer, example, rendered, { ...options, template });
  const { prompt, completion } = rendered;
  const promptOnly = beginOnce(encodeOpen(tokenizer, prompt), tokenizer.beginOfText);
  const added = encodeOpen(tokenizer, prompt + completion);
  let tokens = beginOnce(added, tokenizer.beginOfText);
  const carried: CarriedToken[] = tokens.length < added.length ? ['beginning'] : [];
  let labelsFrom = 0;
  while (labelsFrom < promptOnly.length && promptOnly[labelsFrom] === tokens[labelsFrom]) labelsFrom++;
  if (labelsFrom === 0) {
    const begins = tokens[0] !== undefined && tokens[0] === tokenizer.beginOfText;
    if (!begins) tokens = [firstToken(tokenizer, example), ...tokens];
    labelsFrom = 1;
  }
  if (endsItself(tokenizer, tokens.slice(labelsFrom))) {
    carried.push('end');
    tokens = endOnce(tokens, tokenizer.endOfTextTokens);
  } else if (appendEndOfText && tokenizer.endOfText !== undefined) tokens.push(tokenizer.endOfText);
  const length = Math.min(tokens.length, maximumLength ?? tokens.length);
  if (tokens.length <= labelsFrom) {
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)} has no label token: its completion ${JSON.stringify(completion)} adds no token to the prompt`,
      { ...example.source, promptTokens: labelsFrom, maximumLength },
    );
  }
  if (length <= labelsFrom) throw noLabelLeft(example, labelsFrom, length);
  return {
    tokens: tokens.slice(0, length),
    labelsFrom,
    promptTokens: promptOnly.length > 0 ? promptOnly : tokens.slice(0, 1),
    truncated: tokens.length - length,
    carried,
  };
}

/** Encodes every example; `truncated` counts the examples that lost tokens. */
export function encodeExamples(
  tokenizer: TextTokenizer,
  examples: readonly Example[],
  options: EncodeOptions = {},
): { encoded: EncodedExample[]; truncated: number } {
  const encoded = examples.map((example) => encodeExample(tokenizer, example, options));
  return { encoded, truncated: encoded.filter((example) => example.truncated > 0).length };
}

/** Tokens of the prompt alone, at least one, for a model to continue. */
export function encodePrompt(
  tokenizer: TextTokenizer,
  example: Example,
  options: Pick<EncodeOptions, 'template'> = {},
): number[] {
  const rendered = (options.template ?? PromptTemplate.plain).render(example);
  const { prompt } = rendered;
  if ('labels' in rendered) return tokenizer.encode(prompt, { addSpecialTokens: false });
  const tokens = beginOnce(encodeOpen(tokenizer, prompt), tokenizer.beginOfText);
  return tokens.length > 0 ? tokens : [firstToken(tokenizer, example)];
}

/** Tokens with which a model ends its answer: those of the end of a text, and of the assistant's turn. */
export function stopTokensOf(
  { endOfTextTokens }: TextTokenizer,
  template: ExampleTemplate = PromptTemplate.plain,
): readonly number[] {
  return [...new Set([...endOfTextTokens, ...template.endTokens])];
}

/** Tokens of a text that goes on: without the end-of-text token that some tokenizers add by themselves. */
function encodeOpen(tokenizer: TextTokenizer, text: string): number[] {
  const tokens = tokenizer.encode(text);
  const trailing = (all: readonly number[]): number => {
    let count = 0;
    while (count < all.length && tokenizer.endOfTextTokens.includes(all[all.length - 1 - count]!)) count++;
    return count;
  };
  const ends = trailing(tokens);
  // A text may itself end with such a token (a chat turn); only what the tokenizer added goes.
  return ends === 0
    ? tokens
    : tokens.slice(
        0,
        tokens.length - Math.max(0, ends - trailing(tokenizer.encode(text, { addSpecialTokens: false }))),
      );
}
