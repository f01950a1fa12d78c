/**
 * What does not belong where it is put: names, texts, numbers and values of every kind.
 *
 * @module
 */

import type { Draw } from './draw.ts';

export const oddNames: readonly string[] = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'toJSON', 'hasOwnProperty', 'then', 'length'],
  ...['__metadata__', '', ' ', '0', '-1', 'type', 'end', '..', '../model', '/etc/passwd', 'a\\b', 'a/b', 'a\u0000b'],
  ...['\ud800', '\udfff\ud800', '\u001b[2J', '\u202e', '\ufeff', 'x'.repeat(5000), '\u{1f600}'.repeat(60)],
];

/** Numbers as JSON may write them; some have no form of their own in JavaScript. */
export const oddNumbers: readonly string[] = [
  ...['0', '-0', '1', '-1', '0.5', '1.0', '1e0', '7', '255', '256', '16777215', '16777216', '2147483647', '2147483648'],
  ...['4294967296', '9007199254740991', '9007199254740992', '9007199254740993', '9223372036854775808'],
  ...['18446744073709551616', '1e15', '1e16', '1e21', '1e308', '1e400', '-1e400', '5e-324', '1E2', '-9007199254740993'],
  ...['NaN', 'Infinity', '-Infinity'],
];

const oddTexts: readonly string[] = [
  ...[
    '',
    ' ',
    'a',
    '\u2581',
    '<unk>',
    '<s>',
    'null',
    'NaN',
    'cpu',
    'cuda:99999999999',
    'npo',
    '0',
    '1e3',
    'F32',
    'BF16',
  ],
  ...[
    '[',
    '(',
    '(a',
    'a{2,1}',
    'a{1000}{1000}',
    '(?<n>a)',
    '\\',
    '\\p{',
    '\\p{Nope}',
    '[[:alpha:]]',
    '[^',
    '$&',
    '|',
    '.*',
  ],
  ...['ByteLevel', 'Sequence', 'Replace', 'Split', 'Strip', 'Metaspace', 'Unigram', 'WordPiece', 'BPE', 'Isolated'],
];

function deep(depth: number, open: (inner: unknown) => unknown): unknown {
  let value: unknown = 0;
  for (let i = 0; i < depth; i++) value = open(value);
  return value;
}

/** A value of any kind that JSON can hold. */
export function oddValue(draw: Draw): unknown {
  switch (draw.integer(9)) {
    case 0:
      return draw.of([null, true, false]);
    case 1:
    case 2:
      return Number(draw.of(oddNumbers));
    case 3:
      return draw.of(oddNames);
    case 4:
    case 5:
      return draw.of(oddTexts);
    case 6:
      return draw.of([[], [[]], [null], ['a'], [0], [-1, 1], ['a', 'b', 'c'], [{}], Array(40).fill('x')]);
    case 7:
      // What `String`, `Number` and template texts would call.
      return draw.of<unknown>([
        {},
        { toString: null, valueOf: null },
        { toString: 1 },
        [{ toString: {}, valueOf: 0 }],
        { a: {} },
      ]);
    default: {
      const depth = draw.of([3, 90, 400]);
      return draw.once(2) ? deep(depth, (inner) => [inner]) : deep(depth, (inner) => ({ a: inner }));
    }
  }
}

/** A text with something put in, left out or repeated. */
export function oddText(text: string, draw: Draw): string {
  const at = draw.integer(text.length + 1);
  switch (draw.integer(5)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1 + draw.integer(4));
    case 1:
      return text.slice(0, at) + draw.of([...oddTexts, ...oddNames]) + text.slice(at);
    case 2:
      return text + text;
    case 3:
      return draw.of(oddNames);
    default:
      return draw.of(oddTexts);
  }
}
