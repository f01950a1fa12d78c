import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomStream } from '../../lib/core/random.ts';
import { openSafetensors, writeSafetensors } from '../../lib/core/safetensors.ts';
import { choleskyFactor, choleskySolve } from '../../lib/unlearn/fusion/cholesky.ts';
import { fuseLinear, type LinearPart } from '../../lib/unlearn/fusion/fuse.ts';
import { addInputs, emptyGram, type Gram, gramOfMatrix } from '../../lib/unlearn/fusion/gram.ts';
import { readGrams, writeGrams } from '../../lib/unlearn/fusion/gram-file.ts';
import { leastSquares } from './least-squares.ts';

/** Numbers from -1 to 1, a function of the name. */
function numbers(name: string, length: number): Float64Array {
  const stream = randomStream(9n, name);
  return Float64Array.from({ length }, (_, i) => 2 * stream.uniform(0, i) - 1);
}

const gramOf = (inputs: number, rows: Float32Array | Float64Array): Gram => {
  const gram = emptyGram(inputs);
  addInputs(gram, rows);
  return gram;
};

const rowsOf = (values: ArrayLike<number>, width: number) =>
  Array.from({ length: values.length / width }, (_, i) => Array.from(values).slice(i * width, (i + 1) * width));

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** [rows, outputs]: what a layer makes of inputs. */
const applied = (inputs: ArrayLike<number>, weights: ArrayLike<number>, width: number) =>
  rowsOf(inputs, width).map((x) => rowsOf(weights, width).map((w) => dot(x, w)));

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, error: number): void {
  expect(found.length).toBe(expected.length);
  const largest = Math.max(...Array.from(expected, Math.abs));
  for (let i = 0; i < expected.length; i++) {
    if (Math.abs(found[i]! - expected[i]!) > error * largest) {
      throw new Error(`[${i}] is ${found[i]}, not ${expected[i]}, beside a largest of ${largest}`);
    }
  }
}

describe("Cholesky's factor", () => {
  // Within a panel of columns, at its edge, and over several.
  test.each([1, 2, 5, 63, 64, 65, 130])('of a matrix of %i rows gives it back, and solves', (n) => {
    const matrix = new Float64Array(n * n);
    const rows = rowsOf(numbers(`rows ${n}`, (n + 4) * n), n).map((row) => Float64Array.from(row));
    for (const row of rows) {
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) matrix[i * n + j]! += row[i]! * row[j]!;
    }
    const factor = matrix.slice();
    expect(choleskyFactor(factor, n)).toBeUndefined();
    const product = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        for (let k = 0; k <= Math.min(i, j); k++) product[i * n + j]! += factor[i * n + k]! * factor[j * n + k]!;
      }
    }
    expectClose(product, matrix, 1e-14);
    const x = numbers(`solution ${n}`, n);
    const right = Float64Array.from(rowsOf(matrix, n), (row) => dot(row, [...x]));
    choleskySolve(factor, n, right);
    expectClose(right, x, 1e-9);
  });

  test.each([
    ['singular', [4, 2, 2, 1], 1],
    ['singular to rounding', [1, 1, 1, 1 + 2e-16], 1],
    ['indefinite', [1, 2, 2, 1], 1],
    ['0', [0, 0, 0, 0], 0],
    ['negative', [-1, 0, 0, 1], 0],
    ['not finite', [1, 0, Number.NaN, 1], 1],
    ['infinite', [Number.POSITIVE_INFINITY, 0, 0, 1], 0],
  ])('of a matrix that is %s is none, by the row', (_, matrix, row) => {
    expect(choleskyFactor(Float64Array.from(matrix), 2)).toBe(row);
  });
});

/** Layers of 3 outputs, each with inputs of its own; `rows` of them. */
function parts(inputs: number, rows: readonly number[]) {
  const x = rows.map((count, i) => numbers(`inputs ${i}`, count * inputs));
  const layers = x.map((own, i) => ({ gram: gramOf(inputs, own), weights: numbers(`weights ${i}`, 3 * inputs) }));
  return { x, layers };
}

/** The same by QR, with the ridge as rows of its own: sqrt(r / n) * (w - w_i) for each layer. */
function dense(inputs: number, x: readonly Float64Array[], layers: readonly LinearPart[], ridge: number): number[] {
  const trace = x.reduce((sum, own) => sum + own.reduce((squares, value) => squares + value * value, 0), 0);
  const root = Math.sqrt((ridge * trace) / inputs / layers.length);
  return [0, 1, 2].flatMap((output) => {
    const [rows, right]: [number[][], number[]] = [[], []];
    for (const [i, { weights }] of layers.entries()) {
      const own = [...weights.subarray(output * inputs, (output + 1) * inputs)];
      for (const row of rowsOf(x[i]!, inputs)) {
        rows.push(row);
        right.push(dot(row, own));
      }
      if (root === 0) continue;
      for (const [j, value] of own.entries()) {
        rows.push(own.map((_, k) => (k === j ? root : 0)));
        right.push(root * value);
      }
    }
    return leastSquares(rows, right);
  });
}

describe('fusion', () => {
  test.each([
    ['of two layers', 6, [20, 20], 0],
    ['of three, of sets of other sizes', 9, [4, 40, 11], 0],
    ['with the ridge of the default', 9, [4, 40, 11], 1e-6],
    ['of sets that leave directions out', 12, [3, 4], 1e-6],
    ['with a ridge that counts', 12, [3, 4], 0.5],
  ])('%s is the dense least-squares solution', (_, inputs, rows, ridge) => {
    const { x, layers } = parts(inputs, rows);
    expectClose(fuseLinear(layers, { ridge }), dense(inputs, x, layers, ridge), ridge === 1e-6 ? 1e-7 : 1e-11);
  });

  test('by default has a ridge of 1e-6', () => {
    const { layers } = parts(12, [3, 4]);
    expect(fuseLinear(layers)).toEqual(fuseLinear(layers, { ridge: 1e-6 }));
  });

  test.each([
    ['whole', 40],
    ['singular', 3],
    ['of no inputs', 0],
  ])('of one layer alone is that layer, its Gram matrix %s', (_, rows) => {
    const { layers } = parts(10, [rows]);
    expectClose(fuseLinear(layers), layers[0]!.weights, 1e-8);
  });

  test('of layers that agree is that layer, whatever inputs they had', () => {
    const { layers } = parts(10, [3, 2, 30]);
    const [{ weights }] = layers as [LinearPart];
    const agreed = layers.map(({ gram }) => ({ gram, weights }));
    expectClose(fuseLinear(agreed), weights, 1e-8);
    expectClose(fuseLinear(agreed.slice(0, 2)), weights, 1e-8);
  });

  test('keeps each layer on its own inputs where no others share their directions', () => {
    const inputs = 8;
    // The first set lives in the first three coordinates, turned; the second in the next three, and two are in none.
    const turn = rowsOf(numbers('turn', inputs * inputs), inputs);
    const orthogonal: number[][] = [];
    for (const row of turn) {
      let own = row;
      for (const other of orthogonal) own = own.map((value, i) => value - dot(row, other) * other[i]!);
      const length = Math.hypot(...own);
      orthogonal.push(own.map((value) => value / length));
    }
    const within = (name: string, axes: readonly number[]) =>
      Float64Array.from(
        rowsOf(numbers(name, 10 * axes.length), axes.length).flatMap((row) =>
          orthogonal[0]!.map((_, i) => row.reduce((sum, value, k) => sum + value * orthogonal[axes[k]!]![i]!, 0)),
        ),
      );
    const x = [within('first', [0, 1, 2]), within('second', [3, 4, 5])];
    const weights = ['a', 'b'].map((name) => numbers(name, 3 * inputs));
    const fused = fuseLinear(x.map((own, i) => ({ gram: gramOf(inputs, own), weights: weights[i]! })));
    for (const [i, own] of x.entries()) {
      expectClose(applied(own, fused, inputs).flat(), applied(own, weights[i]!, inputs).flat(), 1e-5);
    }
    // Where neither was, their mean stands.
    const unseen = Float64Array.from(orthogonal[7]!);
    const mean = weights[0]!.map((value, i) => (value + weights[1]![i]!) / 2);
    expectClose(applied(unseen, fused, inputs).flat(), applied(unseen, mean, inputs).flat(), 1e-7);
  });

  test('takes a bias as the weight of an input that is 1', () => {
    const [inputs, rows] = [5, 30];
    const x = [0, 1].map((i) => rowsOf(numbers(`inputs ${i}`, rows * inputs), inputs));
    const layers = x.map((own, i) => ({
      gram: gramOf(inputs + 1, Float64Array.from(own.flatMap((row) => [...row, 1]))),
      weights: numbers(`weights ${i}`, inputs + 1),
    }));
    const fused = fuseLinear(layers, { ridge: 0 });
    const right = layers.flatMap(({ weights }, i) => x[i]!.map((row) => dot([...row, 1], [...weights])));
    expectClose(
      fused,
      leastSquares(
        x.flat().map((row) => [...row, 1]),
        right,
      ),
      1e-11,
    );
  });

  test('takes float32 weights, and leaves what it was given', () => {
    const { layers } = parts(6, [20, 20]);
    const narrow = layers.map(({ gram, weights }) => ({ gram, weights: Float32Array.from(weights) }));
    const before = structuredClone(narrow);
    expectClose(fuseLinear(narrow), fuseLinear(layers), 1e-6);
    expect(narrow).toEqual(before);
  });

  test('does not depend on a common scale of the inputs', () => {
    const { x, layers } = parts(12, [3, 4]);
    for (const factor of [1e-80, 1e-3, 1e60]) {
      const scaled = layers.map(({ weights }, i) => ({
        gram: gramOf(
          12,
          x[i]!.map((value) => factor * value),
        ),
        weights,
      }));
      expectClose(fuseLinear(scaled), fuseLinear(layers), 1e-7);
    }
  });
});

describe('what cannot be fused is refused', () => {
  const gram = gramOf(2, numbers('x', 20));
  const weights = Float64Array.of(1, 2);
  const triangle = (...values: number[]) => ({ inputs: 2, triangle: Float64Array.from(values) });
  test.each<[string, unknown, RegExp]>([
    ['no array', undefined, /parts must be an array of at least one/],
    ['no part', [], /parts must be an array of at least one/],
    ['no Gram matrix', [{ weights }], /parts\[0\]\.gram\.inputs must be an integer/],
    ['another name', [{ gram, weights, bias: weights }], /bias/],
    [
      'an array in its place',
      [{ gram: { inputs: 2, triangle: [1, 0, 1] }, weights }],
      /triangle must be a Float64Array of 3/,
    ],
    ['a whole matrix in its place', [{ gram: triangle(1, 0, 0, 1), weights }], /triangle must be a Float64Array of 3/],
    ['no inputs', [{ gram: { inputs: 0, triangle: new Float64Array() }, weights }], /inputs must be an integer/],
    ['too many', [{ gram: { inputs: 2 ** 20, triangle: new Float64Array() }, weights }], /inputs must be an integer/],
    ['NaN', [{ gram: triangle(1, Number.NaN, 1), weights }], /triangle\[1\] is NaN; it must be finite/],
    [
      'an infinite weight',
      [{ gram, weights: Float32Array.of(1, Infinity) }],
      /weights\[1\] is Infinity; it must be finite/,
    ],
    [
      'a sum that is not finite',
      [{ gram: triangle(1e308, 0, 1e308), weights }],
      /sum of the Gram matrices is not finite/,
    ],
    ['a square below 0', [{ gram: triangle(1, 0, -1), weights }], /entry \(1, 1\), must be a sum of squares/],
    ['an indefinite matrix', [{ gram: triangle(1, 5, 1), weights }], /by row 1 .* no Gram matrices/],
    [
      'weights of another size',
      [{ gram, weights: Float64Array.of(1, 2, 3) }],
      /weights\.length must be a multiple of 2/,
    ],
    ['no weights', [{ gram, weights: new Float64Array() }], /weights\.length must be a multiple of 2/],
    ['integers', [{ gram, weights: Int32Array.of(1, 2) }], /weights must be a Float32Array or a Float64Array/],
    [
      'parts of other inputs',
      [
        { gram, weights: new Float64Array(6) },
        { gram: gramOf(3, numbers('y', 30)), weights: new Float64Array(6) },
      ],
      /parts\[1\]\.gram\.inputs must be 2, as those of parts\[0\]/,
    ],
    [
      'parts of other outputs',
      [
        { gram, weights },
        { gram, weights: new Float64Array(4) },
      ],
      /parts\[1\]\.weights\.length must be 2, as that of parts\[0\]/,
    ],
  ])('%s', (_, given, message) => {
    expect(() => fuseLinear(given as never)).toThrow(message);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, '1'])('a ridge of %p', (ridge) => {
    expect(() => fuseLinear([{ gram, weights }], { ridge: ridge as number })).toThrow(/ridge must be a number/);
  });

  test('singular matrices without a ridge, with what to do', () => {
    const flat = gramOf(2, Float64Array.of(1, 2, 2, 4));
    expect(() => fuseLinear([{ gram: flat, weights }], { ridge: 0 })).toThrow(/leave a direction out; give a ridge/);
    expectClose(fuseLinear([{ gram: flat, weights }]), weights, 1e-8);
  });
});

describe('a Gram matrix', () => {
  test('is X^T X, in one go or in parts', () => {
    const x = numbers('x', 7 * 3);
    const expected = [0, 1, 2].flatMap((i) =>
      Array.from({ length: i + 1 }, (_, j) => rowsOf(x, 3).reduce((sum, row) => sum + row[i]! * row[j]!, 0)),
    );
    expectClose(gramOf(3, x).triangle, expected, 1e-15);
    const inParts = emptyGram(3);
    for (const part of [x.subarray(0, 6), x.subarray(6, 6), x.subarray(6)]) addInputs(inParts, part);
    expect(inParts).toEqual(gramOf(3, x));
    const whole = Float64Array.from([0, 1, 3, 1, 2, 4, 3, 4, 5], (at) => expected[at]!);
    expect(gramOfMatrix(whole, 3).triangle).toEqual(Float64Array.from(expected));
  });

  test('of a matrix that is symmetric to rounding is their mean', () => {
    const { triangle } = gramOfMatrix(Float32Array.of(1, 0.5, 0.5 + 2 ** -20, 1), 2);
    expect([...triangle]).toEqual([1, 0.5 + 2 ** -21, 1]);
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      'rows of another width',
      () => addInputs(emptyGram(3), new Float64Array(4)),
      /rows\.length must be a multiple of 3/,
    ],
    ['rows that are not finite', () => addInputs(emptyGram(1), Float32Array.of(1, NaN)), /rows\[1\] is NaN/],
    [
      'what is not symmetric',
      () => gramOfMatrix(Float64Array.of(1, 0.5, 0.4, 1), 2),
      /entry \(1, 0\) is 0\.4 and \(0, 1\) is 0\.5/,
    ],
    ['another size', () => gramOfMatrix(new Float64Array(5), 2), /matrix\.length must be 2 \* 2/],
    ['a matrix that is not finite', () => gramOfMatrix(Float64Array.of(1, NaN, NaN, 1), 2), /matrix\[1\] is NaN/],
    ['no inputs', () => emptyGram(0), /inputs must be an integer/],
  ])('is refused of %s', (_, make, message) => {
    expect(make).toThrow(message);
  });
});

describe('a file of Gram matrices', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-gram-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const path = (name: string) => join(folder, `${name}.safetensors`);

  test('gives back what it was given, bit for bit', async () => {
    const grams = new Map([
      ['layers.0.down', gramOf(5, numbers('x', 50))],
      ['layers.0.up', gramOf(2, numbers('y', 50))],
      ['layers.1.down', gramOf(1, numbers('z', 50))],
    ]);
    await writeGrams(path('whole'), grams);
    expect(await readGrams(path('whole'))).toEqual(grams);
    const file = await openSafetensors(path('whole'));
    expect(file.tensors.get('layers.0.down')).toMatchObject({ dtype: 'F64', shape: [15] });
    await file.close();
  });

  test.each<[string, { dtype: 'F64' | 'F32'; shape: number[]; data: Float64Array | Float32Array }, RegExp]>([
    [
      'float32',
      { dtype: 'F32', shape: [3], data: Float32Array.of(1, 0, 1) },
      /x is F32 of shape \[3\], not the lower triangle/,
    ],
    ['a whole matrix', { dtype: 'F64', shape: [1, 1], data: Float64Array.of(1) }, /x is F64 of shape \[1,1\]/],
    ['no triangle', { dtype: 'F64', shape: [4], data: new Float64Array(4) }, /x is F64 of shape \[4\]/],
    ['nothing', { dtype: 'F64', shape: [0], data: new Float64Array() }, /x is F64 of shape \[0\]/],
    ['NaN', { dtype: 'F64', shape: [1], data: Float64Array.of(NaN) }, /triangle\[0\] is NaN/],
    [
      'a square below 0',
      { dtype: 'F64', shape: [3], data: Float64Array.of(1, 0, -1) },
      /entry \(1, 1\), must be a sum of squares/,
    ],
  ])('is refused where a tensor is %s', async (name, tensor, message) => {
    const file = path(name.replaceAll(' ', '-'));
    await writeSafetensors(file, [{ name: 'x', ...tensor }], { content: 'lower triangles of Gram matrices' });
    await expect(readGrams(file)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(message),
    });
  });

  test('is refused where it says that it is something else, and where it is not there', async () => {
    await writeSafetensors(path('other'), [{ name: 'x', dtype: 'F64', shape: [1], data: Float64Array.of(1) }]);
    await expect(readGrams(path('other'))).rejects.toThrow(/is no file of Gram matrices: its metadata does not say/);
    await expect(readGrams(path('missing'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
  });

  test('is not written of what is none', async () => {
    const wrong = { inputs: 1, triangle: Float64Array.of(-1) };
    await expect(writeGrams(path('wrong'), new Map([['x', wrong]]))).rejects.toThrow(/must be a sum of squares/);
    await expect(readGrams(path('wrong'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
  });
});
