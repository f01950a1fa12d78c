import { describe, expect, test } from '@jest/globals';
import { nativeAddon } from '../../lib/core/addon.ts';
import { describeDevices, FlatBuffer, machineCode, scale } from '../../lib/index.ts';
import { codeOf } from '../core/failures.ts';
import { emulated, onEmulatedDevices, printed } from './set-up.ts';

describe('a device', () => {
  test('is described without being taken up', () => {
    const { cuda } = describeDevices();
    expect(cuda).toMatchObject({ available: true, problem: undefined });
    expect(Number(cuda.driverVersion)).toBeGreaterThanOrEqual(13);
    for (const [i, device] of cuda.devices.entries()) {
      expect(device.name).toBe(`cuda:${i}`);
      expect(device.model).not.toBe('');
      expect(device.architecture).toMatch(/^sm_\d{2,3}$/);
      expect(device.memory).toBeGreaterThan(2 ** 20);
      expect(device.multiprocessors).toBeGreaterThan(0);
    }
    // The answer holds for the process.
    expect(describeDevices()).toEqual({ cuda });
    const program = 'describeDevices(); print(describeDevices().cuda.devices.length);';
    const variables = { ...onEmulatedDevices, SOUL_EMULATED_FAIL: 'cuDevicePrimaryCtxRetain:1+:999' };
    expect(printed(program, { variables })).toEqual([2]);
  });

  test('runs code of this package', () => {
    expect(machineCode('cuda')).toBe(machineCode('cuda:0'));
    expect(machineCode('cuda')).toMatch(emulated ? /^sm_90$/ : /^sm_\d+(, compiled .*compute_\d+)?$/);
    expect(codeOf(() => machineCode('cpu'))).toBe('SOUL_INVALID_ARGUMENT');
    expect(codeOf(() => machineCode('cuda:63'))).toBe('SOUL_UNSUPPORTED');
  });

  test('has a clock that goes on with its work', async () => {
    const buffer = FlatBuffer.alloc(100_000, { device: 'cuda' });
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      scale(buffer, 2);
      times.push((await nativeAddon().deviceTime(0))[0]!);
    }
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(0);
  });

  test('is the one that is asked for, whatever else is set', () => {
    for (const wrong of ['cuda:-1', 'cuda:01', 'gpu', 'cuda:', 0, null]) {
      expect(codeOf(() => FlatBuffer.alloc(4, { device: wrong as never }))).toBe('SOUL_INVALID_ARGUMENT');
    }
  });
});

describe('many buffers', () => {
  test('come and go without taking more memory', async () => {
    for (let round = 0; round < 20; round++) {
      const buffers = Array.from({ length: 8 }, () => FlatBuffer.alloc(1 << 20, { device: 'cuda' }));
      const released = buffers.map((buffer) => {
        buffer.fill(round);
        return buffer.release();
      });
      if (round % 4 === 3) await Promise.all(released);
    }
  });

  test('are zeroed, also where others have been', async () => {
    for (let i = 0; i < 10; i++) {
      const buffer = FlatBuffer.alloc(50_000, { device: 'cuda' });
      expect((await buffer.toFloat32Array()).every((x) => x === 0)).toBe(true);
      buffer.fill(i + 1);
      await buffer.release();
    }
  });
});
