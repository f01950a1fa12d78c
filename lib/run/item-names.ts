/**
 * Names of examples that tell nothing of them without the key.
 *
 * @module
 */

import type { Example } from '../data/example.ts';
import type { ItemKey } from './item-key.ts';

/** Version of {@link itemForm}, which records give. */
export const itemFormVersion = 1;

/**
 * The canonical form of an example, over which its name is computed: JSON without white space, keys in alphabetical order, texts in
 * Unicode's form NFC and else as they are. Where an example was read, and what other fields it had, does not matter.
 *
 * - `question-answer` and `prompt-completion`: `{"completion":...,"kind":...,"prompt":...}`
 * - `messages`: `{"kind":"messages","messages":[{"content":...,"role":...},...]}`
 * - `text`: `{"kind":"text","text":...}`
 */
export function itemForm(example: Pick<Example, 'kind' | 'prompt' | 'completion' | 'messages'>): string {
  return JSON.stringify(itemTexts(example));
}

/** What {@link itemForm} writes, as an object. */
export function itemTexts({
  kind,
  prompt,
  completion,
  messages = [],
}: Pick<Example, 'kind' | 'prompt' | 'completion' | 'messages'>): object {
  switch (kind) {
    case 'messages':
      return {
        kind,
        messages: messages.map(({ role, content }) => ({
          content: content.normalize('NFC'),
          role: role.normalize('NFC'),
        })),
      };
    case 'text':
      return { kind, text: completion.normalize('NFC') };
    default:
      return { completion: completion.normalize('NFC'), kind, prompt: prompt.normalize('NFC') };
  }
}

/** The name of an example: HMAC-SHA-256 of its canonical form in UTF-8, as 64 hexadecimal digits. */
export function itemName(key: ItemKey, example: Parameters<typeof itemForm>[0]): string {
  return key.nameOf(itemForm(example));
}

/** The name of a file: HMAC-SHA-256 of the 64 hexadecimal digits of its SHA-256. */
export function fileName(key: ItemKey, sha256: string): string {
  return key.nameOf(sha256);
}
