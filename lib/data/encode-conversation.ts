/**
 * Conversations as tokens, the assistant's turns as labels.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { LabelSpan } from '../model/token-batch.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import { type CarriedToken, endOnce, endsItself } from './carried-tokens.ts';
import { type EncodedExample, type EncodeOptions, firstToken, noLabelLeft } from './encoded-example.ts';
import { type Example, whereIs } from './example.ts';
import type { ExampleTemplate, RenderedConversation } from './example-template.ts';

/**
 * Encodes a text that has the tokens of its beginning and of the ends of its turns itself: the tokenizer adds none, as in
 * transformers. A token that has a character of a label is one. Where no token ends the last turn, the end-of-text token does.
 *
 * @throws SoulError SOUL_BAD_DATA as {@link encodeExample}
 */
export function encodeConversation(
  tokenizer: TextTokenizer,
  example: Example,
  { prompt, text, labels }: RenderedConversation,
  options: Omit<EncodeOptions, 'template'> & { readonly template: ExampleTemplate },
): EncodedExample {
  const { maximumLength, appendEndOfText = true, lastAnswerAlone = false, template } = options;
  const known = new Map<string, number[]>();
  const encode = (part: string) => {
    const tokens = known.get(part) ?? tokenizer.encode(part, { addSpecialTokens: false });
    known.set(part, tokens);
    return tokens;
  };
  const ends = [...template.endTokens, ...tokenizer.endOfTextTokens];
  const carried: CarriedToken[] = [];
  const whole = encode(text);
  // An answer that ends with the token of the end itself.
  let tokens = endOnce(whole, ends);
  if (tokens.length < whole.length) carried.push('end');
  let spans: LabelSpan[] = (lastAnswerAlone ? labels.slice(-1) : labels).map(([begin, end]) => [
    commonLength(encode(text.slice(0, begin)), tokens),
    end === text.length ? tokens.length : endOfLabel(encode(text.slice(0, end)), tokens),
  ]);
  if (spans[0]?.[0] === 0) {
    tokens = [firstToken(tokenizer, example), ...tokens];
    spans = spans.map(([begin, end]) => [begin + 1, end + 1]);
  }
  const [from, to] = spans.at(-1)!;
  const isEnded = endsItself(tokenizer, tokens.slice(from), ends);
  if (appendEndOfText && !isEnded && tokenizer.endOfText !== undefined) {
    tokens.push(tokenizer.endOfText);
    spans[spans.length - 1] = [from, to + 1];
  }
  const length = Math.min(tokens.length, maximumLength ?? tokens.length);
  const kept = joined(spans, length);
  const [first] = kept;
  if (first === undefined) {
    const labelled = spans.find(([begin, end]) => begin < end);
    if (labelled) throw noLabelLeft(example, labelled[0], length);
    throw new SoulError('SOUL_BAD_DATA', `${whereIs(example)} has no label token: its answers add none`, {
      ...example.source,
    });
  }
  const isRest = kept.length === 1 && first[1] === length;
  return {
    tokens: tokens.slice(0, length),
    labelsFrom: first[0],
    ...(isRest ? {} : { labelSpans: kept }),
    promptTokens: encode(prompt),
    truncated: tokens.length - length,
    carried,
  };
}

function commonLength(some: readonly number[], tokens: readonly number[]): number {
  let length = 0;
  while (length < some.length && some[length] === tokens[length]) length++;
  return length;
}

/** The end of a label within a text: behind the token that has its last character. */
function endOfLabel(upToThere: readonly number[], tokens: readonly number[]): number {
  const common = commonLength(upToThere, tokens);
  return common < upToThere.length ? common + 1 : common;
}

/** Spans up to a length, none empty, with other tokens between them. */
function joined(spans: readonly LabelSpan[], length: number): LabelSpan[] {
  const apart: LabelSpan[] = [];
  for (const [begin, end] of spans) {
    const cut = Math.min(end, length);
    const before = apart.at(-1);
    if (before && begin <= before[1]) apart[apart.length - 1] = [before[0], Math.max(before[1], cut)];
    else if (begin < cut) apart.push([begin, cut]);
  }
  return apart;
}
