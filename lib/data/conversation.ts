/**
 * Conversations of a data file: `messages` with role and content, or ShareGPT's `conversations` with from and value.
 *
 * @module
 */

import { describe } from '../core/errors.ts';
import type { ChatMessage } from './example.ts';
import { checkText, found, foundFields, type Report } from './record.ts';

/** ShareGPT's names of roles, where they are others than those of chat templates. */
const shareGptRoles: Readonly<Record<string, string>> = { human: 'user', gpt: 'assistant' };

/** A conversation with what an example has of it. */
export interface Conversation {
  readonly messages: ChatMessage[];
  /** The last that the user said. */
  readonly prompt: string;
  /** The last answer. */
  readonly completion: string;
}

/**
 * A conversation that ends with the assistant's turn and has one of the user before it.
 *
 * @param name of the field
 */
export function readConversation(turns: unknown, name: string, report: Report): Conversation {
  if (!Array.isArray(turns)) throw report(`has "${name}" that must be an array of turns, but is ${found(turns)}`);
  if (turns.length === 0) throw report(`has "${name}" without a turn`);
  const messages = turns.map((turn, i) => readTurn(turn, `"${name}"[${i}]`, report));
  const last = messages.at(-1)!;
  if (last.role !== 'assistant') {
    throw report(
      `has "${name}" that must end with a turn of the assistant, which is what is learned or forgotten, but ends with one of ${describe(last.role)}`,
    );
  }
  const asked = messages.findLast(({ role }) => role === 'user');
  if (asked === undefined) throw report(`has "${name}" without a turn of the user`);
  if (asked.content.trim() === '') throw report(`has "${name}" whose last turn of the user is empty`);
  if (last.content.trim() === '') throw report(`has "${name}" whose last turn, the assistant's, is empty`);
  return { messages, prompt: asked.content, completion: last.content };
}

function readTurn(turn: unknown, what: string, report: Report): ChatMessage {
  if (typeof turn !== 'object' || turn === null || Array.isArray(turn)) {
    throw report(`has a ${what} that must be an object with "role" and "content", but is ${found(turn)}`);
  }
  const fields = turn as Record<string, unknown>;
  const has = (name: string) => Object.hasOwn(fields, name);
  if (has('role') && has('content')) {
    const role = checkText(fields.role, `${what}."role"`, report);
    if (role.trim() === '') throw report(`has an empty ${what}."role"`);
    return { role, content: readContent(fields.content, `${what}."content"`, report) };
  }
  if (has('from') && has('value')) {
    const from = checkText(fields.from, `${what}."from"`, report);
    if (from.trim() === '') throw report(`has an empty ${what}."from"`);
    const role = Object.hasOwn(shareGptRoles, from) ? shareGptRoles[from]! : from;
    return { role, content: checkText(fields.value, `${what}."value"`, report) };
  }
  throw report(`has a ${what} that needs "role" and "content", or "from" and "value"; found ${foundFields(fields)}`);
}

/** A text, or parts of type text, one after the other. */
function readContent(content: unknown, what: string, report: Report): string {
  if (!Array.isArray(content)) return checkText(content, what, report);
  const texts = content.map((part, i) => {
    const { type = 'text', text } = Object(part) as { type?: unknown; text?: unknown };
    if (type === null || type === 'text') return checkText(text, `${what}[${i}]."text"`, report);
    throw report(`has a ${what}[${i}] of type ${found(type)}; parts of type "text" alone are read`);
  });
  return texts.join('');
}
