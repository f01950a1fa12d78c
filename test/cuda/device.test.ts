import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

describe('a guarded step', () => {
  /** Calls of the driver that a program makes while it awaits what it marks, without those that change nothing. */
  function callsDuring(program: string): string[] {
    const folder = mkdtempSync(join(tmpdir(), 'soul-trace-'));
    try {
      const trace = join(folder, 'calls.txt');
      printed(
        `import { appendFileSync } from 'node:fs'; const mark = () => appendFileSync(process.env.SOUL_EMULATED_TRACE, '---\\n');\n${program}`,
        {
          variables: { ...onEmulatedDevices, SOUL_EMULATED_TRACE: trace },
        },
      );
      const [, between] = readFileSync(trace, 'utf8').split('---\n');
      const lines = between!.split('\n').map((line) => line.trim().split(' ')[0]!);
      return lines.filter((line) => line !== '' && line !== 'cuCtxSetCurrent' && line !== 'cuLaunchKernel');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  test.each([
    ["{ dtype: 'f32' }", 'sophia_f32_f32_none'],
    ["{ dtype: 'bf16' }", 'sophia_\\w+'],
  ])('is enqueued whole, with no word from the device before its end: %s', (options, kernel) => {
    const calls = callsDuring(`
      const [values, gradients] = [0, 1].map(() => FlatBuffer.alloc(20_000, { device: 'cuda', ...${options} }));
      const sophia = new Sophia({ values, gradients }, { clipNorm: 1, rho: { clippedFraction: 0.1 } });
      for (let i = 0; i < 2; i++) {
        gradients.fill(0.5);
        sophia.updateHessian({ batchSize: 1, prime: true });
        await sophia.step();
      }
      mark();
      await sophia.step();
      mark();
    `);
    expect(calls.slice(0, 2)).toEqual(['soul_scan_gradients', 'soul_plan_sophia']);
    expect(calls[2]).toMatch(new RegExp(`^soul_${kernel}$`));
    // What was counted goes to pinned memory, and an event says when it is there.
    expect(calls.slice(3)).toEqual(['cuMemcpyDtoHAsync_v2', 'cuEventRecord', 'cuEventSynchronize']);
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
