import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { quantizationFormat, quantizationFormats, quantize } from '../../lib/attack/index.ts';
import { FlatBuffer } from '../../lib/index.ts';
import { ParameterLayout } from '../../lib/model/index.ts';

interface Recorded {
  name: string;
  shape: [number, number];
  weights: number[];
  nf4: number[];
  fp4: number[];
  int8?: number[];
}

const { cases } = JSON.parse(readFileSync(new URL('fixtures/bitsandbytes.json', import.meta.url), 'utf8')) as {
  cases: Recorded[];
};

describe.each(cases)('bitsandbytes on $name', (recorded) => {
  test.each(['nf4', 'fp4', 'int8'] as const)('%s, to the bit', (name) => {
    const expected = recorded[name];
    if (expected === undefined) return;
    const weights = Float32Array.from(recorded.weights);
    quantizationFormat(name).round(weights, recorded.shape[1]);
    // -0 and 0 are one level.
    expect(Array.from(weights, (weight) => weight + 0)).toEqual(expected.map((weight) => weight + 0));
  });
});

test.each(quantizationFormats)('$name keeps zeros, the largest of each block, and what it has rounded', ({ round }) => {
  const weights = Float32Array.from({ length: 128 }, (_, i) => (i < 64 ? 0 : Math.sin(i) / 7));
  const largest = Math.max(...weights.map(Math.abs));
  round(weights, 64);
  expect(weights.subarray(0, 64)).toEqual(new Float32Array(64));
  expect(Math.max(...weights.map(Math.abs))).toBeCloseTo(largest, 6);
  const again = weights.slice();
  round(again, 64);
  weights.forEach((weight, i) => {
    expect(again[i]!).toBeCloseTo(weight, 6);
  });
});

test('int8 is the nearest multiple of a 127th of the row', () => {
  const weights = Float32Array.of(127, 1.4, -2.6, 0.5, 1.5, 254, 3, -5.1, 0.9, 2);
  quantizationFormat('int8').round(weights, 5);
  const expected = [127, 1, -3, 0, 2, 254, 4, -6, 0, 2];
  weights.forEach((weight, i) => {
    expect(weight).toBeCloseTo(expected[i]!, 4);
  });
});

test('linear layers alone are rounded, along the inputs of each output', async () => {
  const shape = [4, 6];
  const layout = ParameterLayout.of([
    { name: 'embedding', shape, group: 'embedding', role: 'embedding' },
    { name: 'plain', shape, group: 'matrix', role: 'mlpInput' },
    { name: 'turned', shape: [6, 4], group: 'matrix', role: 'mlpOutput', transposed: true },
    { name: 'head', shape, group: 'matrix', role: 'head' },
    { name: 'norm', shape: [6], group: 'vector', role: 'finalNorm' },
  ]);
  const values = FlatBuffer.alloc(layout.length);
  const matrix = Float32Array.from({ length: 24 }, (_, i) => Math.cos(3 * i) * (1 + i));
  for (const [name, { offset }] of layout) {
    for (let i = 0; i < (name === 'norm' ? 6 : 24); i++) {
      const place = name === 'turned' ? (i % 6) * 4 + Math.floor(i / 6) : i;
      values.array[offset + place] = matrix[i]!;
    }
  }
  const before = values.array.slice();
  expect(await quantize(values, layout, quantizationFormat('int8'))).toBe(48);
  const rounded = matrix.slice();
  quantizationFormat('int8').round(rounded, 6);
  const of = (name: string, from = values.array) => {
    const { offset } = layout.get(name)!;
    return from.slice(offset, offset + (name === 'norm' ? 6 : 24));
  };
  for (const name of ['embedding', 'head', 'norm']) expect(of(name)).toEqual(of(name, before));
  expect(of('plain')).toEqual(rounded);
  expect(of('turned')).toEqual(Float32Array.from({ length: 24 }, (_, i) => rounded[(i % 4) * 6 + Math.floor(i / 4)]!));
});

test('adapters alone are refused: the weights beneath them would stay as they are', async () => {
  const layout = ParameterLayout.of([
    { name: 'a', shape: [2, 6], group: 'matrix', role: 'mlpInput', factor: 'A' },
    { name: 'b', shape: [4, 2], group: 'matrix', role: 'mlpInput', factor: 'B' },
  ]);
  const values = FlatBuffer.alloc(layout.length);
  await expect(quantize(values, layout, quantizationFormat('nf4'))).rejects.toMatchObject({ code: 'SOUL_UNSUPPORTED' });
});

test('a format that is none is refused', () => {
  expect(() => quantizationFormat('int4')).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
});
