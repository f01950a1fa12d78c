/**
 * Where the answers stand in a conversation that a chat template has made text of.
 *
 * Templates do not say so. What comes before an answer is the prompt that the template gives for it, where the whole begins with
 * that; else an answer begins where the text changes if its content does, and there it ends in any case.
 *
 * @module
 */

import type { ChatMessage } from '../example.ts';
import type { RenderedConversation } from '../example-template.ts';

/** A text that a template made, and where it says by `{% generation %}` that the model speaks; undefined where it never does. */
export interface Rendering {
  readonly text: string;
  readonly generated: readonly (readonly [begin: number, end: number])[] | undefined;
}

/** Renders messages, with the prompt for an answer behind them or without. */
export type RenderMessages = (messages: readonly ChatMessage[], withPrompt: boolean) => Rendering;

/** What may end a turn, at the beginning of a text and with white space before it; undefined where the text begins otherwise. */
export interface TurnEnds {
  /** Any special token. */
  readonly special: (text: string) => string | undefined;
  /** One that ends a text. */
  readonly ofText: (text: string) => string | undefined;
}

/**
 * The text of a conversation with the answers as labels, each with the token that ends its turn, and the prompt of the last.
 *
 * @param messages the last of which is the assistant's
 * @returns undefined where the template does not show the last answer
 */
export function conversationOf(
  messages: readonly ChatMessage[],
  render: RenderMessages,
  { special, ofText }: TurnEnds,
): RenderedConversation | undefined {
  const whole = render(messages, false);
  const { text } = whole;
  const last = messages.length - 1;
  const turns = messages.flatMap(({ role, content }, i) => {
    if (role !== 'assistant' || content.trim() === '') return [];
    const [begin, end] = placeOf(text, render(withStandIn(messages, i), false).text);
    if (begin >= end) return [];
    const prompt = i === 0 ? text.slice(0, begin) : render(messages.slice(0, i), true).text;
    const isPrefix = text.startsWith(prompt) && prompt.length < end;
    return [{ i, begin: isPrefix ? prompt.length : begin, end, prompt }];
  });
  const final = turns.at(-1);
  if (final?.i !== last) return undefined;

  const tail = text.slice(final.end);
  // A turn that no token ends is ended by what the template writes behind the last, as text.
  const written = special(tail) ?? tail.trimEnd();
  const labels: [number, number][] = [];
  for (const { begin, end } of turns) {
    const rest = text.slice(end);
    // Another special token may be the beginning of the next turn.
    const ended = end + (rest.startsWith(written) ? written : (ofText(rest) ?? '')).length;
    const part = whole.generated?.find(([from, to]) => from < end && to > begin);
    // What the template says by itself to be no answer of the model is none.
    if (whole.generated && !part) continue;
    const from = Math.max(begin, part ? part[0] : 0);
    const before = labels.at(-1);
    if (before && before[1] >= from) before[1] = ended;
    else labels.push([from, ended]);
  }
  const [, ending] = labels.at(-1) ?? [];
  return ending === undefined ? undefined : { prompt: final.prompt, text: text.slice(0, ending), labels };
}

/** Where a text differs from another that has something else in one place. */
function placeOf(text: string, other: string): [begin: number, end: number] {
  const most = Math.min(text.length, other.length);
  let before = 0;
  while (before < most && text[before] === other[before]) before++;
  let after = 0;
  while (after < most - before && text.at(-1 - after) === other.at(-1 - after)) after++;
  return [before, text.length - after];
}

/** With another content in one place, which has neither its first character nor its last. */
function withStandIn(messages: readonly ChatMessage[], place: number): ChatMessage[] {
  return messages.map((message, i) => {
    if (i !== place) return message;
    const content = message.content.trim();
    const letter = [...'xyz'].find((each) => !content.startsWith(each) && !content.endsWith(each))!;
    return { ...message, content: letter };
  });
}
