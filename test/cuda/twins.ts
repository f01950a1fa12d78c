import { expect } from '@jest/globals';
import fc from 'fast-check';
import { FlatBuffer } from '../../lib/index.ts';

export type Floating = 'f32' | 'bf16';

/** The same numbers on the CPU and on a device, and in float64. */
export interface Twins {
  cpu: FlatBuffer<Floating>;
  cuda: FlatBuffer<Floating>;
  numbers: number[];
}

export interface Specification {
  numbers: ArrayLike<number>;
  dtype: Floating;
  /** The element of its memory that the device's buffer begins at. */
  skew: number;
}

export async function makeTwins({ numbers, dtype, skew }: Specification): Promise<Twins> {
  const cpu = FlatBuffer.alloc(numbers.length, { dtype });
  const cuda = FlatBuffer.alloc(numbers.length + skew, { dtype, device: 'cuda' }).view(skew);
  await cpu.copyFrom(Float32Array.from(numbers));
  await cuda.copyFrom(cpu);
  return { cpu, cuda, numbers: Array.from(await cpu.toFloat32Array()) };
}

/** The bits of the elements, widened to float32, with one NaN for all: which one arithmetic gives is the processor's. */
export async function bitsOf(buffer: FlatBuffer): Promise<Uint32Array> {
  const numbers = await buffer.toFloat32Array();
  const bits = new Uint32Array(numbers.buffer);
  for (const [i, x] of numbers.entries()) if (Number.isNaN(x)) bits[i] = 0x7fc00000;
  return bits;
}

export async function expectSameBits({ cpu, cuda }: Pick<Twins, 'cpu' | 'cuda'>): Promise<void> {
  const [wanted, found] = await Promise.all([bitsOf(cpu), bitsOf(cuda)]);
  expect(found.length).toBe(wanted.length);
  const differing = wanted.findIndex((bits, i) => bits !== found[i]);
  expect([differing, found[differing]]).toEqual([-1, wanted[differing]]);
}

export const dtypes = fc.constantFrom<Floating>('f32', 'bf16');

export const finiteNumbers = fc.oneof(
  fc.float({ noNaN: true, min: -(2 ** 60), max: 2 ** 60 }),
  fc.constantFrom(0, -0, 1e-40, -3e-45, 1, -1, 0.1, 1e18),
);

export const anyNumbers = fc.oneof(
  finiteNumbers,
  fc.constantFrom(Number.NaN, Infinity, -Infinity, 3.4028234663852886e38),
);

/** Some vectors of one length, of any dtypes and starts. */
export function vectors(count: number, element: fc.Arbitrary<number>): fc.Arbitrary<Specification[]> {
  return fc.integer({ min: 0, max: 600 }).chain((length) =>
    fc.array(
      fc.record({
        numbers: fc.array(element, { minLength: length, maxLength: length }),
        dtype: dtypes,
        skew: fc.integer({ min: 0, max: 9 }),
      }),
      { minLength: count, maxLength: count },
    ),
  );
}

export const makeAll = (specifications: readonly Specification[]) => Promise.all(specifications.map(makeTwins));
