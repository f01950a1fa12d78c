/**
 * Added tokens found in a text as Hugging Face's Rust library finds them.
 *
 * @module
 */

/** How an added token is matched. */
export interface AddedToken {
  readonly content: string;
  /** Only where no letter, mark, digit or underscore touches it. */
  readonly single_word: boolean;
  /** White space before it belongs to it. */
  readonly lstrip: boolean;
  /** White space behind it belongs to it. */
  readonly rstrip: boolean;
}

/** A piece of a text: an added token, or what lies between two. */
export interface Section {
  readonly text: string;
  readonly token: boolean;
  /** Where it begins, in UTF-16 units. */
  readonly start: number;
}

interface Node {
  readonly next: Map<string, Node>;
  token?: AddedToken;
}

const wordCharacter = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]';
const endsWithWord = new RegExp(`${wordCharacter}$`, 'u');
const startsWithWord = new RegExp(`^${wordCharacter}`, 'u');
/** Unicode's, which JavaScript's `trim` is not; none needs two units. */
const whiteSpace = /\p{White_Space}/u;

/** Finds tokens in a text: the leftmost first, the longest of those that begin there. */
export class AddedTokenMatcher {
  readonly #root: Node = { next: new Map() };

  /** @param tokens the text that is looked for, and the token that it stands for */
  constructor(tokens: Iterable<readonly [string, AddedToken]>) {
    for (const [pattern, token] of tokens) {
      let node = this.#root;
      if (pattern === '') continue;
      for (const unit of pattern.split('')) {
        const next: Node = node.next.get(unit) ?? { next: new Map() };
        node.next.set(unit, next);
        node = next;
      }
      node.token = token;
    }
  }

  /** The whole text in pieces, none of them empty. */
  split(text: string): Section[] {
    const sections: Section[] = [];
    let done = 0;
    const between = (end: number) => {
      if (end > done) sections.push({ text: text.slice(done, end), token: false, start: done });
    };
    for (let i = 0; i < text.length; ) {
      const match = this.#longestAt(text, i);
      if (!match) {
        i += 1;
        continue;
      }
      let [start, stop] = [i, i + match.length];
      i = stop;
      const { content, single_word: single, lstrip, rstrip } = match.token;
      // Inside a word it is passed over, with the shorter ones that it may hold.
      if (single && touchesWord(text, start, stop)) continue;
      while (lstrip && start > done && whiteSpace.test(text[start - 1]!)) start -= 1;
      while (rstrip && stop < text.length && whiteSpace.test(text[stop]!)) stop += 1;
      between(start);
      sections.push({ text: content, token: true, start });
      done = stop;
    }
    between(text.length);
    return sections;
  }

  #longestAt(text: string, start: number): { token: AddedToken; length: number } | undefined {
    let found: { token: AddedToken; length: number } | undefined;
    let node: Node | undefined = this.#root;
    for (let i = start; i < text.length; i++) {
      node = node.next.get(text[i]!);
      if (!node) break;
      if (node.token) found = { token: node.token, length: i + 1 - start };
    }
    return found;
  }
}

function touchesWord(text: string, start: number, stop: number): boolean {
  return (
    endsWithWord.test(text.slice(Math.max(start - 2, 0), start)) || startsWithWord.test(text.slice(stop, stop + 2))
  );
}
