import { afterAll, describe, expect, test } from '@jest/globals';
import { nativeAddon } from '../../lib/core/addon.ts';
import { describeDevices, FlatBuffer, Sophia } from '../../lib/index.ts';
import { fromPointer, pointerOf, useStream } from '../../lib/unsafe.ts';
import { codeOf } from '../core/failures.ts';
import { emulated } from './set-up.ts';

const device = 'cuda:0';
/** CU_STREAM_LEGACY, the default stream under a name, and two streams that the emulated driver has. */
const streams = [1n, ...(emulated ? [0x1000n, 0x1001n] : [])];

describe('pointers to memory of a device', () => {
  test('are read and written in place', async () => {
    const owner = FlatBuffer.alloc(6, { device });
    const pointer = pointerOf(owner);
    const buffer = fromPointer({ pointer, length: 6, device: 'cuda', owner });
    expect(buffer).toMatchObject({ length: 6, dtype: 'f32', device });
    expect(pointerOf(buffer.view(1))).toBe(pointer + 4n);
    await buffer.view(2, 3).fill(5);
    expect([...(await owner.toFloat32Array())]).toEqual([0, 0, 5, 5, 5, 0]);
    expect(codeOf(() => buffer.array)).toBe('SOUL_UNSUPPORTED');
    // Not at the start of the allocation, and of another dtype.
    const halves = fromPointer({ pointer: pointer + 8n, length: 2, dtype: 'bf16', device, owner });
    await halves.copyFrom(Float32Array.of(1, 2));
    const bits = new Uint32Array((await owner.toFloat32Array()).buffer);
    expect(bits[2]).toBe(0x40003f80);
  });

  test('leave the memory to its owner when they are released, in turn', async () => {
    const owner = FlatBuffer.alloc(100_000, { device });
    const buffer = fromPointer({ pointer: pointerOf(owner), length: owner.length, device });
    buffer.fill(3);
    const view = buffer.view(5);
    await buffer.release();
    expect(view.released).toBe(true);
    expect(codeOf(() => buffer.view(0))).toBe('SOUL_RELEASED');
    expect((await owner.toFloat32Array()).every((x) => x === 3)).toBe(true);
    await owner.fill(4);
  });

  test('are refused where the driver knows better', () => {
    const owner = FlatBuffer.alloc(6, { device });
    const pointer = pointerOf(owner);
    const onHost = FlatBuffer.alloc(6);
    const wrong = {
      'past the allocation': { pointer: pointer + 4n, length: 2 ** 40 },
      'memory of the host': { pointer: pointerOf(onHost), length: 1 },
      null: { pointer: 0n, length: 1 },
      misaligned: { pointer: pointer + 2n, length: 1 },
    };
    for (const options of Object.values(wrong)) {
      expect(codeOf(() => fromPointer({ ...options, device }))).toBe('SOUL_INVALID_ARGUMENT');
    }
    expect(() => fromPointer({ ...wrong['memory of the host'], device })).toThrow(/cuda:0.*driver/);
    if (describeDevices().cuda.devices.length > 1) {
      expect(() => fromPointer({ pointer, length: 1, device: 'cuda:1' })).toThrow(/cuda:1.*driver/);
    }
    expect(codeOf(() => fromPointer({ pointer, length: 1, device: 'cuda:63' }))).toBe('SOUL_UNSUPPORTED');
  });
});

describe("a caller's stream", () => {
  afterAll(() => useStream({ device, stream: 0n }));

  test('takes over after what was called before, and keeps the order', async () => {
    const buffer = FlatBuffer.alloc(5000, { device });
    const copies: Promise<Float32Array>[] = [];
    for (const [i, stream] of [...streams, 0n, ...streams, ...streams, 0n].entries()) {
      buffer.fill(i);
      useStream({ device, stream });
      copies.push(buffer.toFloat32Array());
      buffer.fill(-1);
    }
    for (const [i, copy] of (await Promise.all(copies)).entries()) expect(copy.every((x) => x === i)).toBe(true);
  });

  test('carries optimizers as the default stream does', async () => {
    const results: Float32Array[] = [];
    for (const stream of [0n, ...streams]) {
      await useStream({ device, stream });
      const values = FlatBuffer.alloc(1003, { device });
      const gradients = FlatBuffer.alloc(1003, { device });
      values.fill(0.5);
      gradients.copyFrom(Float32Array.from({ length: 1003 }, (_, i) => Math.sin(i)));
      const sophia = new Sophia({ values, gradients }, { learningRate: 0.01, clipNorm: 1 });
      sophia.updateHessian({ batchSize: 4, prime: true });
      sophia.step();
      sophia.step();
      results.push(await values.toFloat32Array());
      sophia.release();
    }
    for (const result of results) expect(result).toEqual(results[0]);
    expect(results[0]![1]).not.toBe(0.5);
  });

  test('is one that the device has', async () => {
    await expect(useStream({ device: 'cuda:63', stream: 0n })).rejects.toMatchObject({ code: 'SOUL_UNSUPPORTED' });
    await expect(useStream({ device, stream: 2n })).rejects.toThrow(/CU_STREAM_PER_THREAD/);
  });
});

test('what the machine has is described, and which code runs there', async () => {
  const { cuda } = describeDevices();
  expect(cuda).toMatchObject({ available: true, problem: undefined, deviceCode: true });
  expect(cuda.driverVersion).toMatch(/^\d+\.\d+$/);
  const { name, architecture, memory, multiprocessors } = cuda.devices[0]!;
  expect(name).toBe(device);
  expect(architecture).toMatch(/^sm_\d+$/);
  expect(memory).toBeGreaterThan(0);
  expect(multiprocessors).toBeGreaterThan(0);
  const [milliseconds] = await nativeAddon().deviceTime(0);
  expect(milliseconds).toBeGreaterThanOrEqual(0);
});
