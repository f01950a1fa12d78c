import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cast, describeDevices, FlatBuffer, type RoundingOptions } from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape, launchShapes } from './launch-shapes.ts';
import { anyNumbers, bitsOf, type Floating, makeAll, type Twins, vectors } from './twins.ts';

const shapes = fc.constantFrom(...launchShapes);
const roundings = fc.constantFrom<RoundingOptions>({}, { rounding: 'stochastic', seed: 2n ** 63n, count: 7 });
const last = describeDevices().cuda.devices.at(-1)!.name;

describe('casts have the bits of the CPU', () => {
  test('between vectors of one device, however they lie', async () => {
    await fc.assert(
      fc.asyncProperty(vectors(2, anyNumbers), roundings, shapes, async (specifications, rounding, shape) => {
        const [source, target] = (await makeAll(specifications)) as [Twins, Twins];
        await inShape(shape, async () => {
          for (const device of ['cpu', 'cuda'] as const) await cast(source[device], target[device], rounding);
          expect(await bitsOf(target.cuda)).toEqual(await bitsOf(target.cpu));
        });
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  const dtypes: [Floating, Floating][] = [
    ['f32', 'bf16'],
    ['bf16', 'f32'],
    ['f32', 'f32'],
  ];
  // The last device is the first where there is one alone.
  const ways = (['cpu', 'cuda:0', last] as const).flatMap((from) =>
    (['cpu', 'cuda:0', last] as const).flatMap((to) => dtypes.map((kinds) => [from, to, ...kinds] as const)),
  );

  test.each(ways)('from %s to %s, %s to %s', async (from, to, sourceType, targetType) => {
    const length = 5003;
    const numbers = hashed(1, length);
    for (const rounding of [{}, { rounding: 'stochastic', seed: 9n } as const]) {
      const host = FlatBuffer.alloc(length, { dtype: sourceType });
      await host.copyFrom(numbers);
      const wanted = FlatBuffer.alloc(length, { dtype: targetType });
      await cast(host, wanted, rounding);
      const source = FlatBuffer.alloc(length + 3, { dtype: sourceType, device: from }).view(3);
      await source.copyFrom(host);
      const target = FlatBuffer.alloc(length + 5, { dtype: targetType, device: to });
      await cast(source, target.view(1, length), rounding);
      expect(await bitsOf(target.view(1, length))).toEqual(await bitsOf(wanted));
      expect(Array.from(await target.view(length + 1).toFloat32Array())).toEqual([0, 0, 0, 0]);
    }
  });
});

test('within one dtype the two may overlap', async () => {
  for (const dtype of ['f32', 'bf16'] as const) {
    for (const [from, to] of [
      [0, 1],
      [1, 0],
      [0, 0],
    ] as const) {
      const buffer = FlatBuffer.alloc(4, { dtype, device: 'cuda' });
      await buffer.copyFrom(Float32Array.of(1, 2, 3, 4));
      const wanted = [1, 2, 3, 4];
      wanted.splice(to, 3, ...[1, 2, 3, 4].slice(from, from + 3));
      await cast(buffer.view(from, 3), buffer.view(to, 3));
      expect(Array.from(await buffer.toFloat32Array())).toEqual(wanted);
    }
  }
});

test('casts across devices that nobody awaits keep their turn', async () => {
  const narrow = FlatBuffer.alloc(2000, { dtype: 'bf16', device: 'cuda' });
  const host = FlatBuffer.alloc(2000);
  const results: Promise<Float32Array>[] = [];
  for (let i = 1; i <= 20; i++) {
    host.fill(i);
    cast(host, narrow);
    host.fill(0);
    cast(narrow, host);
    results.push(host.toFloat32Array());
  }
  for (const [i, found] of (await Promise.all(results)).entries()) {
    expect(found.every((x) => x === i + 1)).toBe(true);
  }
});

test('more than one piece crosses over, with the random bits of its place', async () => {
  const length = 2 ** 24 + 1003;
  const host = FlatBuffer.alloc(length);
  for (let i = 0; i < length; i++) host.array[i] = 1 + (i % 1013) / 1013;
  const rounding: RoundingOptions = { rounding: 'stochastic', seed: 3n };
  const wanted = FlatBuffer.alloc(length, { dtype: 'bf16' });
  await cast(host, wanted, rounding);
  const up = FlatBuffer.alloc(length, { dtype: 'bf16', device: 'cuda' });
  await cast(host, up, rounding);
  const wide = FlatBuffer.alloc(length, { device: 'cuda' });
  await wide.copyFrom(host);
  const down = FlatBuffer.alloc(length, { dtype: 'bf16' });
  const bytes = ({ array }: FlatBuffer<Floating>) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  await up.copyTo(down);
  expect(bytes(down).equals(bytes(wanted))).toBe(true);
  await down.fill(0);
  await cast(wide, down, rounding);
  expect(bytes(down).equals(bytes(wanted))).toBe(true);
  await Promise.all([up.release(), wide.release()]);
});
