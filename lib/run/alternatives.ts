/**
 * Other answers to the questions of the target: read from a file, and told by their questions.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { EncodedExample } from '../data/encode.ts';
import { whereIs } from '../data/example.ts';
import type { ExampleSet } from '../data/example-set.ts';
import { readExampleSet } from '../data/read-example-set.ts';
import type { EncodedFile } from './data-sets.ts';

/** A file of other answers, and its answers to each target example. */
export interface Alternatives {
  readonly file: EncodedFile;
  readonly sequences: EncodedExample[][];
}

/**
 * Reads a file of other answers.
 *
 * @throws SoulError SOUL_BAD_DATA where an example of the target has no other answer, or one is the very answer that it has
 */
export async function readAlternatives(
  paths: string | readonly string[],
  target: ExampleSet,
  encode: (set: ExampleSet) => EncodedFile,
): Promise<Alternatives> {
  const file = encode(await readExampleSet(paths));
  const answers = new Set(
    target.items.map(({ prompt, completion }) => JSON.stringify([prompt.trim(), completion.trim()])),
  );
  for (const example of file.items) {
    if (!answers.has(JSON.stringify([example.prompt.trim(), example.completion.trim()]))) continue;
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)} is the very answer that is to be forgotten; give another`,
      { ...example.source },
    );
  }
  const byQuestion = new Map<string, EncodedExample[]>();
  for (const [i, { prompt }] of file.items.entries()) {
    byQuestion.set(prompt.trim(), [...(byQuestion.get(prompt.trim()) ?? []), file.encoded[i]!]);
  }
  const sequences = target.items.map((example) => {
    const own = byQuestion.get(example.prompt.trim());
    if (own) return own;
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)} has no other answer in ${file.file}: each question of the forget set needs one there`,
      { ...example.source },
    );
  });
  return { file, sequences };
}

/** An answer that is cut is not the one that was to be taught. */
export function checkAlternatives(
  { file, items, truncated }: EncodedFile,
  allowTruncation: boolean,
  onNote: (note: string) => void,
): void {
  if (truncated === 0) return;
  const sentence = `${truncated} of ${items.length} other answers of ${file} do not fit the longest sequence and lose their end`;
  if (!allowTruncation) {
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${sentence}; raise it (--max-length), shorten the answers, or go on all the same (--allow-truncation)`,
      { truncated, examples: items.length },
    );
  }
  onNote(sentence);
}
