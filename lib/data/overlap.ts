/**
 * What a forget set and a retain set have in common, and what stands in a set more than once.
 *
 * @module
 */

import type { Example } from './example.ts';

/** Numbers of examples of the forget set that also stand in the retain set, each counted once, under the closest likeness. */
export interface Overlap {
  /** The same prompt and completion. */
  readonly exact: number;
  /** The same prompt with another completion. */
  readonly samePrompt: number;
  /** The same completion after another prompt. */
  readonly sameCompletion: number;
  /** The first exact pair. */
  readonly first?: { readonly forget: Example['source']; readonly retain: Example['source'] };
}

/**
 * Counts examples of `forget` that `retain` holds too. Texts are the same where they differ in white space, in letter case or in
 * Unicode's composition alone. Of a conversation the turns before its last are the prompt, without those of the system: one turn of
 * each is the same as a question and its answer. A text is a completion without a prompt.
 */
export function countOverlap(forget: readonly Example[], retain: readonly Example[]): Overlap {
  const pairs = new Map(retain.map((example) => [keyOf(example), example]));
  const prompts = new Set(retain.map(promptOf).filter((prompt) => prompt !== ''));
  const completions = new Set(retain.map(({ completion }) => plain(completion)));
  const counts = { exact: 0, samePrompt: 0, sameCompletion: 0 };
  let first: Overlap['first'];
  for (const example of forget) {
    const twin = pairs.get(keyOf(example));
    if (twin !== undefined) {
      counts.exact += 1;
      first ??= { forget: example.source, retain: twin.source };
    } else if (prompts.has(promptOf(example))) counts.samePrompt += 1;
    else if (completions.has(plain(example.completion))) counts.sameCompletion += 1;
  }
  return { ...counts, ...(first ? { first } : {}) };
}

/** Examples of a set that stand in it before, as {@link countOverlap} compares them. */
export interface Duplicates {
  readonly count: number;
  /** The first of them, and the one that it repeats. */
  readonly first?: { readonly example: Example['source']; readonly before: Example['source'] };
}

export function countDuplicates(examples: readonly Example[]): Duplicates {
  const seen = new Map<string, Example>();
  let count = 0;
  let first: Duplicates['first'];
  for (const example of examples) {
    const key = keyOf(example);
    const before = seen.get(key);
    if (before === undefined) seen.set(key, example);
    else {
      count += 1;
      first ??= { example: example.source, before: before.source };
    }
  }
  return { count, ...(first ? { first } : {}) };
}

function keyOf(example: Example): string {
  return JSON.stringify([promptOf(example), plain(example.completion)]);
}

function promptOf({ prompt, messages }: Example): string {
  const said = messages?.slice(0, -1).filter(({ role }) => role !== 'system');
  if (said === undefined || (said.length === 1 && said[0]!.role === 'user')) return plain(prompt);
  return JSON.stringify(said.map(({ role, content }) => [role, plain(content)]));
}

function plain(text: string): string {
  return text.normalize('NFC').trim().replaceAll(/\s+/g, ' ').toLowerCase();
}
