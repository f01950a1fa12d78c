import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeAddon } from '../../lib/core/addon.ts';
import { nativeMemory } from '../../lib/core/flat-buffer.ts';
import {
  addNormal,
  addSign,
  axpy,
  countNonFinite,
  dot,
  FlatBuffer,
  fillFrozen,
  gram,
  maskWhereZero,
  type RoundingOptions,
  SoulError,
  scale,
  softThreshold,
  squaredNorm,
} from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape, launchShapes } from './launch-shapes.ts';
import { anyNumbers, expectSameBits, finiteNumbers, makeAll, makeTwins, type Twins, vectors } from './twins.ts';

const shapes = fc.constantFrom(...launchShapes);
const roundings = fc.constantFrom<RoundingOptions>({}, { rounding: 'stochastic', seed: 5n, count: 2 });

/** The same mask on both, at another place of its memory on the device. */
async function masksOf(bytes: ArrayLike<number>, skew: number) {
  const cpu = FlatBuffer.from(Uint8Array.from(bytes));
  const cuda = FlatBuffer.alloc(bytes.length + skew, { dtype: 'u8', device: 'cuda' }).view(skew);
  await cuda.copyFrom(cpu);
  return { cpu, cuda };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SoulError) return error.code;
    throw error;
  }
  return 'no error';
}

/** In float64, where products of two float32 are exact. */
function innerProduct(a: readonly number[], b: readonly number[]): { sum: number; size: number } {
  let sum = 0;
  let size = 0;
  for (const [i, x] of a.entries()) {
    sum += x * b[i]!;
    size += Math.abs(x * b[i]!);
  }
  return { sum, size };
}

function expectNear(found: number, { sum, size }: { sum: number; size: number }): void {
  expect(Math.abs(found - sum)).toBeLessThanOrEqual(1e-12 * size);
}

describe('sums', () => {
  test('inner products and norms are those of float64, and the same in a Gram matrix to the bit', async () => {
    const lists = fc.integer({ min: 1, max: 4 }).chain((count) => vectors(count, finiteNumbers));
    await fc.assert(
      fc.asyncProperty(lists, shapes, async (specifications, shape) => {
        const made = await makeAll(specifications);
        await inShape(shape, async () => {
          const matrix = await gram(made.map(({ cuda }) => cuda));
          for (const [i, a] of made.entries()) {
            expect(await squaredNorm(a.cuda)).toBe(matrix[i]![i]);
            for (const [j, b] of made.entries()) {
              expect(await dot(a.cuda, b.cuda)).toBe(matrix[i]![j]);
              expectNear(matrix[i]![j]!, innerProduct(a.numbers, b.numbers));
            }
          }
        });
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  test.each(launchShapes)('of many elements: %p', async (shape) => {
    const length = 40_003;
    const made = await makeAll([
      { numbers: hashed(1, length), dtype: 'f32', skew: 0 },
      { numbers: hashed(2, length), dtype: 'bf16', skew: 0 },
      { numbers: hashed(3, length), dtype: 'f32', skew: 1 },
      { numbers: hashed(4, length), dtype: 'bf16', skew: 3 },
    ]);
    await inShape(shape, async () => {
      const matrix = await gram(made.map(({ cuda }) => cuda));
      for (const [i, a] of made.entries()) {
        for (const [j, b] of made.entries()) expectNear(matrix[i]![j]!, innerProduct(a.numbers, b.numbers));
      }
      const again = await makeTwins({ numbers: hashed(1, length), dtype: 'f32', skew: 3 });
      expect(await squaredNorm(again.cuda)).toBe(matrix[0]![0]);
    });
  });

  test('what is not finite makes its sum so, and is counted', async () => {
    await fc.assert(
      fc.asyncProperty(vectors(2, anyNumbers), shapes, async (specifications, shape) => {
        const [a, b] = (await makeAll(specifications)) as [Twins, Twins];
        const { sum } = innerProduct(a.numbers, b.numbers);
        await inShape(shape, async () => {
          const found = await dot(a.cuda, b.cuda);
          expect(Number.isFinite(found)).toBe(Number.isFinite(sum));
          if (!Number.isFinite(sum)) expect(found).toBe(sum);
          expect(await countNonFinite(a.cuda)).toBe(a.numbers.filter((x) => !Number.isFinite(x)).length);
        });
      }),
      { seed: 2, numRuns: 60 },
    );
  });

  test('every pattern of bfloat16 that is not finite is counted', async () => {
    const patterns = FlatBuffer.from(Uint16Array.from({ length: 65_536 }, (_, i) => i));
    const cuda = FlatBuffer.alloc(65_536, { dtype: 'bf16', device: 'cuda' });
    await cuda.copyFrom(patterns);
    expect(await countNonFinite(cuda)).toBe(256);
    const wide = FlatBuffer.alloc(65_536, { device: 'cuda' });
    await wide.copyFrom(cuda);
    expect(await countNonFinite(wide)).toBe(256);
  });
});

describe('updates', () => {
  const factors = fc.oneof(
    fc.float({ noNaN: true, min: -(2 ** 30), max: 2 ** 30 }),
    fc.constantFrom(0, -0, 1, 1e-40, 3e38),
  );

  test('axpy, addSign, scale and softThreshold have the bits of the CPU', async () => {
    await fc.assert(
      fc.asyncProperty(
        vectors(2, anyNumbers),
        factors,
        roundings,
        shapes,
        async (specifications, factor, rounding, shape) => {
          const [x, y] = (await makeAll(specifications)) as [Twins, Twins];
          await inShape(shape, async () => {
            for (const device of ['cpu', 'cuda'] as const) {
              await axpy(factor, x[device], y[device], rounding);
              await scale(x[device], factor, rounding);
              await softThreshold(y[device], Math.abs(factor) / 3, rounding);
              await addSign(factor, x[device], y[device], rounding);
            }
            await expectSameBits(x);
            await expectSameBits(y);
          });
        },
      ),
      { seed: 3, numRuns: 100 },
    );
  });

  test('addNormal has the bits of the CPU, with a mask and without', async () => {
    await fc.assert(
      fc.asyncProperty(
        vectors(2, anyNumbers),
        factors,
        roundings,
        shapes,
        async (specifications, factor, rounding, shape) => {
          const [x, y] = (await makeAll(specifications)) as [Twins, Twins];
          const bytes = Uint8Array.from({ length: Math.ceil(x.cpu.length / 8) }, (_, i) => (i * 61) % 256);
          const masks = await masksOf(bytes, 1);
          await inShape(shape, async () => {
            for (const device of ['cpu', 'cuda'] as const) {
              await addNormal(factor, x[device], y[device], { ...rounding, seed: 5n, count: 3 });
              await addNormal(factor, x[device], x[device], { ...rounding, seed: 5n, frozen: masks[device] });
            }
            await expectSameBits(x);
            await expectSameBits(y);
          });
        },
      ),
      { seed: 13, numRuns: 100 },
    );
  });

  test.each(['f32', 'bf16'] as const)('x may be y: %s', async (dtype) => {
    const twins = await makeTwins({ numbers: hashed(1, 5001), dtype, skew: 1 });
    for (const device of ['cpu', 'cuda'] as const) await axpy(0.5, twins[device], twins[device].view(0));
    await expectSameBits(twins);
  });

  test('elements beside a view stay as they are', async () => {
    for (const dtype of ['f32', 'bf16'] as const) {
      const whole = FlatBuffer.alloc(64, { dtype, device: 'cuda' });
      await whole.fill(1);
      await scale(whole.view(5, 41), 2);
      await axpy(1, whole.view(46, 18), whole.view(46, 18));
      const wanted = Array.from({ length: 64 }, (_, i) => (i < 5 ? 1 : 2));
      expect(Array.from(await whole.toFloat32Array())).toEqual(wanted);
    }
  });

  test('calls run in their order, awaited or not, on the CPU and the device', async () => {
    const host = FlatBuffer.from(new Float32Array(3000).fill(1));
    const x = FlatBuffer.alloc(3000, { device: 'cuda' });
    const y = FlatBuffer.alloc(3000, { dtype: 'bf16', device: 'cuda' });
    const sums: Promise<number>[] = [];
    for (let i = 1; i <= 30; i++) {
      x.copyFrom(host);
      axpy(1, x, y);
      sums.push(dot(x, y));
      y.copyTo(host);
      host.fill(1);
      scale(x, 1 / i);
    }
    expect(await Promise.all(sums)).toEqual(Array.from({ length: 30 }, (_, i) => 3000 * (i + 1)));
  });
});

describe('frozen elements', () => {
  const cases = vectors(1, anyNumbers).chain(([specification]) => {
    const length = Math.ceil(specification!.numbers.length / 8);
    const bytes = fc.array(fc.oneof(fc.constantFrom(0, 255), fc.integer({ min: 0, max: 255 })), {
      minLength: length,
      maxLength: length,
    });
    return fc.tuple(fc.constant(specification!), bytes, fc.integer({ min: 0, max: 3 }));
  });

  test('are filled with the bits of the CPU', async () => {
    await fc.assert(
      fc.asyncProperty(
        cases,
        fc.constantFrom(0, Number.NaN, 0.1, -Infinity),
        shapes,
        async ([specification, bytes, skew], value, shape) => {
          const twins = await makeTwins(specification);
          const masks = await masksOf(bytes, skew);
          await inShape(shape, async () => {
            for (const device of ['cpu', 'cuda'] as const) await fillFrozen(twins[device], masks[device], value);
          });
          await expectSameBits(twins);
        },
      ),
      { seed: 5, numRuns: 100 },
    );
  });

  test('stay where a soft threshold shrinks the others with the bits of the CPU', async () => {
    await fc.assert(
      fc.asyncProperty(cases, roundings, shapes, async ([specification, bytes, skew], rounding, shape) => {
        const twins = await makeTwins(specification);
        const masks = await masksOf(bytes, skew);
        await inShape(shape, async () => {
          for (const device of ['cpu', 'cuda'] as const) {
            await softThreshold(twins[device], 0.3, { frozen: masks[device], ...rounding });
          }
        });
        await expectSameBits(twins);
      }),
      { seed: 6, numRuns: 100 },
    );
  });

  test('of a view are filled, and nothing beside it', async () => {
    for (const dtype of ['f32', 'bf16'] as const) {
      const whole = FlatBuffer.alloc(64, { dtype, device: 'cuda' });
      await whole.fill(1);
      const mask = FlatBuffer.alloc(6, { dtype: 'u8', device: 'cuda' });
      await mask.fill(255);
      await fillFrozen(whole.view(5, 41), mask, 2);
      const wanted = Array.from({ length: 64 }, (_, i) => (i < 5 || i >= 46 ? 1 : 2));
      expect(Array.from(await whole.toFloat32Array())).toEqual(wanted);
    }
  });
});

describe('masks of zeros', () => {
  test('have the bytes of the CPU; bits past the end are cleared', async () => {
    const sparse = fc.oneof(fc.constantFrom(0, -0), fc.constantFrom(0, 1e-45, Number.NaN, 1, -Infinity));
    await fc.assert(
      fc.asyncProperty(
        vectors(1, sparse),
        fc.integer({ min: 0, max: 3 }),
        shapes,
        async (specifications, skew, shape) => {
          const [twins] = (await makeAll(specifications)) as [Twins];
          const bytes = Math.ceil(twins.cpu.length / 8);
          const memory = FlatBuffer.alloc(bytes + skew + 1, { dtype: 'u8', device: 'cuda' });
          await memory.fill(255);
          await inShape(shape, () =>
            nativeAddon().maskZeros(nativeMemory(twins.cuda, 'buffer'), nativeMemory(memory.view(skew, bytes), 'mask')),
          );
          const wanted = await (await maskWhereZero(twins.cpu)).toFloat32Array();
          const found = await memory.toFloat32Array();
          expect(Array.from(found)).toEqual([...new Array<number>(skew).fill(255), ...wanted, 255]);
        },
      ),
      { seed: 4, numRuns: 60 },
    );
  });

  test('lie on the device of the buffer', async () => {
    const { cuda } = await makeTwins({ numbers: [0, 1, 0], dtype: 'f32', skew: 0 });
    const mask = await maskWhereZero(cuda);
    expect(mask.device).toBe('cuda:0');
    expect(Array.from(await mask.toFloat32Array())).toEqual([5]);
  });
});

test.each(['f32', 'bf16'] as const)('buffers of length 0 do nothing and sum to 0: %s', async (dtype) => {
  const a = FlatBuffer.alloc(0, { dtype, device: 'cuda' });
  const b = FlatBuffer.alloc(3, { dtype: 'bf16', device: 'cuda' }).view(3);
  expect(await Promise.all([dot(a, b), squaredNorm(b), countNonFinite(a)])).toEqual([0, 0, 0]);
  expect(await gram([a, b])).toEqual([
    [0, 0],
    [0, 0],
  ]);
  await Promise.all([axpy(2, a, b), addSign(2, a, b), scale(b, 2), softThreshold(b, 2), a.copyFrom(b), b.copyFrom(a)]);
  await fillFrozen(a, FlatBuffer.alloc(0, { dtype: 'u8', device: 'cuda' }), 1);
  expect((await maskWhereZero(a)).length).toBe(0);
});

describe('what cannot be computed with is refused', () => {
  const host = FlatBuffer.alloc(8);
  const cuda = FlatBuffer.alloc(8, { device: 'cuda' });

  test.each<[string, () => Promise<unknown>]>([
    ['dot', () => dot(host, cuda)],
    ['gram', () => gram([cuda, cuda, host])],
    ['axpy', () => axpy(1, host, cuda)],
    ['addSign', () => addSign(1, host, cuda)],
    ['fillFrozen', () => fillFrozen(cuda, FlatBuffer.alloc(1, { dtype: 'u8' }), 0)],
    ['softThreshold', () => softThreshold(cuda, 1, { frozen: FlatBuffer.alloc(1, { dtype: 'u8' }) })],
    ['a mask', async () => nativeAddon().maskZeros(nativeMemory(cuda, 'buffer'), new Uint8Array(1))],
  ])('memory of two devices: %s', async (_, call) => {
    expect(await codeOf(call())).toBe('SOUL_INVALID_ARGUMENT');
    await expect(call()).rejects.toThrow(/cuda:0/);
  });

  test('memory that is shared in part', async () => {
    expect(await codeOf(axpy(1, cuda.view(0, 5), cuda.view(3, 5)))).toBe('SOUL_ALIASED');
    expect(await codeOf(axpy(1, cuda.view(0, 4), cuda.view(4, 4)))).toBe('no error');
  });

  test('released memory', async () => {
    const gone = FlatBuffer.alloc(4, { device: 'cuda' });
    gone.release();
    expect(await codeOf(squaredNorm(gone))).toBe('SOUL_RELEASED');
  });
});
