import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { measureJson, parsePythonJson, toPythonJson } from '../../lib/core/json.ts';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** JSON as Python's json.dumps writes it, with its spaces and its numbers that are not finite. */
function dumps(value: Json): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map(dumps).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, entry]) => `${JSON.stringify(name)}: ${dumps(entry)}`)
    .join(', ')}}`;
}

/** The value as JSON has it, with null for NaN and 0 for -0. */
function withoutNaN(value: Json): Json {
  if (typeof value === 'number') return Number.isNaN(value) ? null : value === 0 ? 0 : value;
  if (Array.isArray(value)) return value.map(withoutNaN);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, withoutNaN(entry)]));
}

function outcome(parse: (text: string) => unknown, text: string): unknown {
  try {
    return { value: parse(text) };
  } catch (error) {
    return { message: (error as Error).message };
  }
}

/** Strings that could be taken for what stands outside of strings. */
const confusing = fc
  .array(fc.constantFrom('NaN', 'Infinity', '-', '"', '\\', ' ', ',', ':', 'a', '\n', '\u2028', '\ud800'), {
    maxLength: 6,
  })
  .map((pieces) => pieces.join(''));

const { value: values } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Json>(null, true, Number.NaN, Infinity, -Infinity),
    fc.double(),
    confusing,
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(confusing, tie('value'), { maxKeys: 4 }),
  ),
}));

describe('parsePythonJson', () => {
  it('reads what JSON.parse reads, and as it does', () => {
    fc.assert(fc.property(fc.json(), (text) => expect(parsePythonJson(text)).toEqual(JSON.parse(text))));
  });

  it('reads what json.dumps writes, NaN as null', () => {
    fc.assert(
      fc.property(values, (value) => {
        const read = parsePythonJson(dumps(value));
        expect(read).toEqual(withoutNaN(value));
        expect(parsePythonJson(toPythonJson(read))).toEqual(read);
        const kept = parsePythonJson(dumps(value), { nan: Number.NaN });
        expect(withoutNaN(kept as Json)).toEqual(read);
        expect(parsePythonJson(toPythonJson(kept), { nan: Number.NaN })).toEqual(kept);
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses what is no JSON when null stands for NaN and infinities, with the message that JSON.parse has for null', () => {
    const pieces = fc.constantFrom(
      'NaN',
      'Infinity',
      '-',
      '"',
      '\\',
      '[',
      ']',
      '{',
      '}',
      ',',
      ':',
      '1',
      'n',
      'null',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 9 }), (parts) => {
        const text = parts.join('');
        const accepted = 'value' in (outcome(parsePythonJson, text) as object);
        // What is left of the tokens when strings are taken out first.
        const plain = text.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/-?Infinity|NaN/g, 'null');
        const escapes = /\\(?!["\\])/.test(text);
        if (!escapes) expect(accepted).toBe('value' in (outcome(JSON.parse, plain) as object));
        if (!/NaN|Infinity/.test(text)) expect(outcome(parsePythonJson, text)).toEqual(outcome(JSON.parse, text));
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    [
      '{"NaN": NaN, "b": ["Infinity, \\"NaN", -Infinity,Infinity]}',
      { NaN: null, b: ['Infinity, "NaN', -Infinity, Infinity] },
    ],
    ['NaN', null],
    ['"\\\\", NaN', undefined],
    ['-NaN', undefined],
    ['--Infinity', undefined],
    ['{NaN: 1}', undefined],
    ['[NaN1]', undefined],
    ['[1NaN]', undefined],
    ['[NaNNaN]', undefined],
    ['["NaN]', undefined],
    ['nan', undefined],
    ['', undefined],
  ])('makes of %s what Python makes of it', (text, value) => {
    if (value !== undefined) expect(parsePythonJson(text)).toEqual(value);
    else expect(() => parsePythonJson(text)).toThrow(SyntaxError);
  });

  it('names the position of a fault behind NaN', () => {
    expect(() => parsePythonJson('{"a": NaN, "b": NaN, "c" 1}')).toThrow(/position 25/);
  });
});

describe('toPythonJson', () => {
  it('writes infinities as Python does, and all else as JSON', () => {
    const value = { a: [1, Infinity], b: -Infinity, c: 'Infinity', d: null };
    expect(toPythonJson(value).replace(/\s/g, '')).toBe('{"a":[1,Infinity],"b":-Infinity,"c":"Infinity","d":null}');
  });
});

describe('measureJson', () => {
  const keysOf = (value: unknown): number =>
    typeof value !== 'object' || value === null
      ? 0
      : Object.values(value).reduce<number>(
          (sum, each) => sum + keysOf(each),
          Array.isArray(value) ? 0 : Object.keys(value).length,
        );
  const depthOf = (value: unknown): number =>
    typeof value !== 'object' || value === null ? 0 : 1 + Math.max(0, ...Object.values(value).map(depthOf));

  it('counts the keys and the depth of any value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const same = JSON.parse(text) as unknown;
        expect(measureJson(text)).toEqual({ keys: keysOf(same), depth: depthOf(same) });
      }),
      { seed: 1 },
    );
  });

  it('counts a key twice that is there twice, and none within texts', () => {
    expect(measureJson('{"a":1,"a":{"a":[{}]}}')).toEqual({ keys: 3, depth: 4 });
    expect(measureJson('["{\\"a\\":[", "\\\\", ":", {"\\\\\\"": 1}]')).toEqual({ keys: 1, depth: 2 });
  });
});
