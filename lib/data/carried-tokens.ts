/**
 * Texts that hold the token of their beginning or end themselves, as chat templates do: one of each is enough.
 *
 * @module
 */

import type { TextTokenizer } from '../model/tokenizer.ts';
import { type Example, whereIs } from './example.ts';
import type { ExampleTemplate } from './example-template.ts';
import { PromptTemplate } from './prompt-template.ts';

/** The end of a text that holds its token itself. */
export type CarriedToken = 'beginning' | 'end';

/** Leaves one of several tokens of the beginning. */
export function beginOnce(tokens: readonly number[], begin: number | undefined): number[] {
  let extra = 0;
  while (begin !== undefined && tokens[extra] === begin && tokens[extra + 1] === begin) extra++;
  return tokens.slice(extra);
}

/** Leaves one of several tokens of the end. */
export function endOnce(tokens: readonly number[], ends: readonly number[]): number[] {
  let { length } = tokens;
  while (length > 1 && ends.includes(tokens[length - 1]!) && tokens[length - 2] === tokens[length - 1]) length--;
  return tokens.slice(0, length);
}

/** Whether the labels have a token of the end behind which there is nothing but white space. */
export function endsItself(
  tokenizer: TextTokenizer,
  labels: readonly number[],
  ends: readonly number[] = tokenizer.endOfTextTokens,
): boolean {
  const last = labels.findLastIndex((token) => ends.includes(token));
  return last >= 0 && tokenizer.decode(labels.slice(last + 1)).trim() === '';
}

/** Sentences on the texts of a data set that hold such a token: the template's, or the lines'. */
export function carriedTokenNotes(
  tokenizer: TextTokenizer,
  template: ExampleTemplate,
  examples: readonly Example[],
  encoded: readonly { readonly carried: readonly CarriedToken[] }[],
): string[] {
  const plain = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  // A chat template writes both as a matter of course.
  const isText = template instanceof PromptTemplate;
  const byTemplate: Record<CarriedToken, boolean> = {
    beginning: isText && plain(template.beforeQuestion)[0] === tokenizer.beginOfText,
    end: isText && endsItself(tokenizer, plain(template.afterAnswer)),
  };
  const names: Record<CarriedToken, number | undefined> = {
    beginning: tokenizer.beginOfText,
    end: tokenizer.endOfText,
  };
  return (['beginning', 'end'] as const).flatMap((place) => {
    const those = examples.filter((_, i) => encoded[i]?.carried.includes(place));
    const name = names[place];
    if (name === undefined || those.length === 0) return [];
    const text = tokenizer.decode([name], { skipSpecialTokens: false });
    const what = `the token of a text's ${place} (${text}) itself: no second one is put there`;
    const ofTemplate = byTemplate[place] ? those.filter(({ kind }) => kind === 'question-answer') : [];
    const ofLines = those.filter((example) => !ofTemplate.includes(example));
    const more = ofLines.length > 1 ? ` and ${ofLines.length - 1} more` : '';
    return [
      ...(ofTemplate.length > 0 ? [`${template.name} has ${what}`] : []),
      ...(ofLines[0] ? [`${whereIs(ofLines[0])}${more} ${more ? 'have' : 'has'} ${what}`] : []),
    ];
  });
}
