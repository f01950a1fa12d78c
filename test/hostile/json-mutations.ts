/**
 * JSON files spoilt: in their values first, then in their text, then in their bytes.
 *
 * @module
 */

import type { Draw } from './draw.ts';
import { oddNames, oddNumbers, oddText, oddValue } from './odd-values.ts';

type Container = Record<string, unknown> | unknown[];

/** Sets a field whatever its name, `__proto__` included. */
function put(container: Container, key: string, value: unknown): void {
  Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true });
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}

function at(container: Container, key: string): unknown {
  return (container as Record<string, unknown>)[key];
}

/** A container and one of its keys, at any depth. */
function place(root: Container, draw: Draw): { container: Container; key: string } | undefined {
  let container = root;
  for (;;) {
    const keys = Object.keys(container);
    if (keys.length === 0) return undefined;
    const key = draw.of(keys);
    const value = at(container, key);
    if (!isContainer(value) || Object.keys(value).length === 0 || draw.once(4)) return { container, key };
    container = value;
  }
}

/** Changes a value in place, in up to four places; a value that was taken out is gone. */
export function spoilValue(root: Container, draw: Draw): void {
  for (let left = draw.integer(5); left > 0; left--) {
    const found = place(root, draw);
    if (found === undefined) return;
    const { container, key } = found;
    const value = at(container, key);
    switch (draw.integer(9)) {
      case 0:
        if (Array.isArray(container)) container.splice(Number(key), 1);
        else delete container[key];
        break;
      case 1:
        put(container, Array.isArray(container) ? key : draw.of(oddNames), structuredClone(value));
        break;
      case 2:
        put(container, key, draw.once(2) ? [value] : { [key]: value });
        break;
      case 3: {
        const other = place(root, draw);
        if (other) put(container, key, structuredClone(at(other.container, other.key)));
        break;
      }
      case 4:
        if (Array.isArray(value) && value.length < 1000) value.push(...value, ...value);
        else if (typeof value === 'string') put(container, key, oddText(value, draw));
        break;
      case 5:
        if (typeof value === 'string') put(container, key, oddText(value, draw));
        else if (typeof value === 'number') put(container, key, value + draw.of([-1, 1, 0.5, 2 ** 32, -2 * value]));
        else if (typeof value === 'boolean') put(container, key, !value);
        break;
      default:
        put(container, key, oddValue(draw));
    }
  }
}

const insertions: readonly string[] = [
  ...['{', '}', '[', ']', ',', ':', '"', '\\', '\n', ' ', '\u0000', '\ufeff', '\ud800', '\\ud800', '\\u0000', '/*'],
  ...[
    '"type":null,',
    '"id":-1,',
    '"__proto__":{"a":1},',
    '"dtype":"F32",',
    '"\\u001b]0;x":1,',
    "'",
    'NaN',
    '-Infinity',
  ],
  ...['['.repeat(20_000), '{"a":'.repeat(5000), '1'.repeat(400)],
];

/** A JSON text with something of it replaced, put in or cut off. */
export function spoilText(text: string, draw: Draw): string {
  const where = draw.integer(text.length + 1);
  switch (draw.integer(5)) {
    case 0:
      return text.slice(0, where);
    case 1:
      return text.slice(0, where) + draw.of(insertions) + text.slice(where);
    case 2: {
      const numbers = [...text.matchAll(/(?<=[:[,])-?\d+(\.\d+)?/g)];
      if (numbers.length === 0) return text;
      const { index, 0: number } = draw.of(numbers);
      return text.slice(0, index) + draw.of(oddNumbers) + text.slice(index + number.length);
    }
    case 3: {
      const open = text.indexOf('{', where);
      return text.slice(0, open + 1) + draw.of(insertions) + text.slice(open + 1);
    }
    default:
      return `${text}${draw.of(['x', '{}', ',', '\u0000', ' ', '\n'])}`;
  }
}

/** Bytes with some of them changed, cut off, put in or put before. */
export function spoilBytes(bytes: Uint8Array, draw: Draw): Uint8Array {
  const at = draw.integer(bytes.length + 1);
  switch (draw.integer(6)) {
    case 0:
      return bytes.subarray(0, at);
    case 1: {
      const changed = Uint8Array.from(bytes);
      for (let left = 1 + draw.integer(4); left > 0 && changed.length > 0; left--) {
        changed[draw.integer(changed.length)] = draw.integer(256);
      }
      return changed;
    }
    case 2:
      return Buffer.concat([bytes.subarray(0, at), draw.bytes(1 + draw.integer(8)), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([Uint8Array.of(0xef, 0xbb, 0xbf), bytes]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at), Uint8Array.of(0xff, 0xed, 0xa0, 0x80), bytes.subarray(at)]);
    default:
      return draw.bytes(draw.integer(64));
  }
}

/**
 * The bytes of a JSON file that was made from `value`.
 *
 * @param value is changed
 */
export function hostileJson(value: Container, draw: Draw): Uint8Array {
  if (!draw.once(8)) spoilValue(value, draw);
  let text = JSON.stringify(value, null, draw.once(2) ? 2 : 0);
  if (draw.once(4)) text = spoilText(text, draw);
  const bytes = new TextEncoder().encode(text);
  return draw.once(8) ? spoilBytes(bytes, draw) : bytes;
}
