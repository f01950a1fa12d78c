import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { axpy, type Device, describeDevices, FlatBuffer, Sophia, scale, squaredNorm } from '../../lib/index.ts';
import { useStream } from '../../lib/unsafe.ts';
import { emulated } from './set-up.ts';

const ordinals = describeDevices()
  .cuda.devices.slice(0, 2)
  .map(({ name }) => name);
const places: Device[] = ['cpu', 'cuda:0', 'cuda:0', 'cpu', ordinals[1] ?? 'cuda:0'];
/** Streams that the stand-in driver makes when they are named; on a GPU only the default one is at hand. */
const streams = emulated ? [0n, 0x1000n, 0x1001n] : [0n, 1n];
const resetStreams = () => Promise.all(ordinals.map((device) => useStream({ device, stream: 0n })));
afterAll(resetStreams);

const place = fc.nat(places.length - 1);
const operation = fc.oneof(
  fc.record({ name: fc.constant('fill' as const), to: place, value: fc.integer({ min: -9, max: 9 }) }),
  fc.record({ name: fc.constant('copy' as const), from: place, to: place }),
  fc.record({ name: fc.constant('scale' as const), to: place, factor: fc.constantFrom(2, 0.5, -3) }),
  fc.record({ name: fc.constant('add' as const), from: place, to: place, factor: fc.constantFrom(1, -2) }),
  fc.record({ name: fc.constant('part' as const), from: place, to: place, skew: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ name: fc.constant('write' as const), to: place, value: fc.integer({ min: -9, max: 9 }) }),
  fc.record({ name: fc.constant('read' as const), from: place }),
  fc.record({ name: fc.constant('stream' as const), to: place, stream: fc.constantFrom(...streams) }),
);
type Operation = typeof operation extends fc.Arbitrary<infer Kind> ? Kind : never;

/** The same on arrays, one after the other; undefined where the call is not one for these buffers. */
function onArrays(arrays: readonly Float32Array[], step: Operation): Float32Array | undefined {
  const to = 'to' in step ? arrays[step.to]! : new Float32Array();
  const from = 'from' in step ? arrays[step.from]! : to;
  if (step.name === 'fill' || step.name === 'write') to.fill(step.value);
  if (step.name === 'copy') to.set(from);
  if (step.name === 'scale') for (const [i, x] of to.entries()) to[i] = x * step.factor;
  if (step.name === 'add') for (const [i, x] of from.entries()) to[i] = Math.fround(step.factor * x) + to[i]!;
  if (step.name === 'part') to.set(from.slice(step.skew));
  return step.name === 'read' ? from.slice() : undefined;
}

/** Calls without awaiting; a read resolves to what it found. */
function onBuffers(buffers: readonly FlatBuffer<'f32'>[], step: Operation): Promise<unknown> {
  const to = buffers['to' in step ? step.to : 0]!;
  const from = buffers['from' in step ? step.from : 0]!;
  switch (step.name) {
    case 'fill':
      return to.fill(step.value);
    case 'copy':
      return to.copyFrom(from);
    case 'scale':
      return scale(to, step.factor);
    case 'add':
      return axpy(step.factor, from, to);
    case 'part':
      return to.view(0, to.length - step.skew).copyFrom(from.view(step.skew));
    case 'write': {
      const array = new Float32Array(to.length).fill(step.value);
      const promise = to.copyFrom(array);
      // It was read, or copied, at the call.
      array.fill(99);
      return promise;
    }
    case 'read':
      return from.toFloat32Array();
    case 'stream':
      return to.device === 'cpu' ? Promise.resolve() : useStream({ device: to.device, stream: step.stream });
  }
}

const isPossible = (step: Operation) =>
  step.name !== 'add' || (step.from !== step.to && places[step.from] === places[step.to]);

describe('calls on the CPU and on devices', () => {
  test('take effect in their order, awaited or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        // Done at once where nothing is pending; by the dispatcher.
        fc.constantFrom(7, 300, 9001),
        fc.array(operation, { minLength: 1, maxLength: 40 }),
        async (length, steps) => {
          const possible = steps.filter(isPossible);
          const arrays = places.map((_, i) => new Float32Array(length).fill(i + 1));
          const buffers = places.map((device) => FlatBuffer.alloc(length, { device }));
          for (const [i, buffer] of buffers.entries()) buffer.fill(i + 1);
          const pending = possible.map((step) => onBuffers(buffers, step));
          const last = buffers.map((buffer) => buffer.toFloat32Array());
          // Takes its turn after what was called before.
          const released = buffers.map((buffer) => buffer.release());
          const wanted = possible.map((step) => onArrays(arrays, step));
          const found = await Promise.all(pending);
          for (const [i, array] of wanted.entries()) if (array) expect(found[i]).toEqual(array);
          expect(await Promise.all(last)).toEqual(arrays);
          await Promise.all(released);
          await resetStreams();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('an optimizer on each, fed from the other', async () => {
    const length = 9001;
    const run = async (devices: readonly Device[], wait: boolean) => {
      const optimizers = devices.map((device) => {
        const [values, gradients] = [0, 1].map(() => FlatBuffer.alloc(length, { device }));
        return new Sophia({ values: values!, gradients: gradients! }, { learningRate: 0.01, clipNorm: 1 });
      });
      const [first, second] = optimizers as [Sophia, Sophia];
      const norms: Promise<number>[] = [];
      const done = async (promise: Promise<unknown>) => {
        if (wait) await promise;
      };
      await done(first.parameters.gradients.fill(0.5));
      for (let i = 0; i < 5; i++) {
        for (const [one, other] of [
          [first, second],
          [second, first],
        ] as const) {
          await done(one.updateHessian({ batchSize: 2, prime: true }));
          await done(one.step());
          await done(other.parameters.gradients.copyFrom(one.parameters.values));
          norms.push(squaredNorm(one.parameters.values));
        }
      }
      return {
        norms: await Promise.all(norms),
        values: await Promise.all(optimizers.map(({ parameters }) => parameters.values.toFloat32Array())),
      };
    };
    const places: Device[][] = [
      ['cpu', 'cuda:0'],
      ['cuda:0', 'cuda:0'],
      ['cuda:0', ordinals[1] ?? 'cpu'],
    ];
    for (const devices of places) {
      const awaited = await run(devices, true);
      // The same sums: the shapes of launches are the same.
      expect(await run(devices, false)).toEqual(awaited);
      expect(awaited.norms.every((norm) => norm > 0)).toBe(true);
    }
  });
});
