/**
 * What a forget set and a retain set have in common.
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
 * Unicode's composition alone.
 */
export function countOverlap(forget: readonly Example[], retain: readonly Example[]): Overlap {
  const pairs = new Map(retain.map((example) => [keyOf(example), example]));
  const prompts = new Set(retain.map(({ prompt }) => plain(prompt)).filter((prompt) => prompt !== ''));
  const completions = new Set(retain.map(({ completion }) => plain(completion)));
  const counts = { exact: 0, samePrompt: 0, sameCompletion: 0 };
  let first: Overlap['first'];
  for (const example of forget) {
    const twin = pairs.get(keyOf(example));
    if (twin !== undefined) {
      counts.exact += 1;
      first ??= { forget: example.source, retain: twin.source };
    } else if (prompts.has(plain(example.prompt))) counts.samePrompt += 1;
    else if (completions.has(plain(example.completion))) counts.sameCompletion += 1;
  }
  return { ...counts, ...(first ? { first } : {}) };
}

function keyOf({ prompt, completion }: Example): string {
  return JSON.stringify([plain(prompt), plain(completion)]);
}

function plain(text: string): string {
  return text.normalize('NFC').trim().replaceAll(/\s+/g, ' ').toLowerCase();
}
