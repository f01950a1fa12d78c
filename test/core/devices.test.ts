import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import {
  checkCudaDevice,
  checkDevice,
  checkSameDevice,
  ordinalOf,
  parseNvidiaDriver,
  recordDevice,
} from '../../lib/core/devices.ts';
import { packageRoot } from '../../lib/core/package.ts';
import { anything, codeOf } from './failures.ts';

/** What a program says in a process of its own, where no driver can be found. */
function withoutDriver(program: string): unknown {
  const prelude = `
    import * as soul from './lib/index.ts';
    import { fromPointer, useStream } from './lib/unsafe.ts';
    const { FlatBuffer } = soul;
    const failure = async (call) => {
      try { return { result: await call() }; } catch ({ code, message }) { return { code, message }; }
    };
    const say = (value) => console.log(JSON.stringify(value));
  `;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', prelude + program],
    { cwd: packageRoot, encoding: 'utf8', timeout: 60_000, env: { ...process.env, SOUL_CUDA_DRIVER: '/nonexistent' } },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** What was looked for, and what to do. */
const problem = expect.stringMatching(/\/nonexistent could not be loaded .*driver 580/s);

describe('a machine without a driver', () => {
  test('says so when it is asked, and does all else on the CPU', () => {
    const said = withoutDriver(`
      const buffer = FlatBuffer.alloc(3);
      await buffer.fill(2);
      say({ devices: soul.describeDevices(), first: soul.defaultDevice(), sum: await soul.squaredNorm(buffer) });
    `);
    expect(said).toEqual({
      devices: { cuda: { available: false, problem, deviceCode: expect.any(Boolean), devices: [] } },
      first: 'cpu',
      sum: 12,
    });
  });

  test('refuses every use of a GPU with that sentence', () => {
    const said = withoutDriver(`say(await Promise.all([
      () => FlatBuffer.alloc(3, { device: 'cuda' }),
      () => FlatBuffer.alloc(0, { device: 'cuda:3', dtype: 'u8' }),
      () => fromPointer({ pointer: 4096n, length: 1, device: 'cuda:0' }),
      () => soul.machineCode('cuda'),
      () => useStream({ device: 'cuda:0', stream: 0n }),
    ].map(failure)))`) as object[];
    expect(said).toHaveLength(5);
    for (const failure of said) expect(failure).toEqual({ code: 'SOUL_UNSUPPORTED', message: problem });
  });
});

describe('names of devices', () => {
  test('are given in full', () => {
    expect(checkDevice('device', 'cuda')).toBe('cuda:0');
    expect(checkDevice('device', 'cuda:12')).toBe('cuda:12');
    expect(checkDevice('device', 'cpu')).toBe('cpu');
    expect(['cpu', 'cuda:0', 'cuda:12'].map((name) => ordinalOf(anything(name)))).toEqual([-1, 0, 12]);
    expect(codeOf(() => checkCudaDevice('device', 'cpu'))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('are both in the error where two buffers lie apart', () => {
    expect(() => checkSameDevice('b', { device: 'cuda:1' }, 'a', { device: 'cpu' })).toThrow(
      /b must lie on cpu, where a lies, but lies on cuda:1/,
    );
    checkSameDevice('b', { device: 'cuda:1' }, 'a', { device: 'cuda:1' });
  });
});

describe("NVIDIA's version of the driver", () => {
  test.each([
    [
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n' +
        'GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)\n',
      '535.104.05',
    ],
    [
      'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder@U22)  Sun Jul 27\n',
      '580.65.06',
    ],
    ['NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95  Release Build\n', '580.95'],
    ['GCC version:  gcc version 12.3.0\n', undefined],
    ['', undefined],
  ])('is read from %j', (text, version) => {
    expect(parseNvidiaDriver(text)).toBe(version);
  });
});

test('the CPU has no record of a CUDA device', () => {
  expect(recordDevice('cpu')).toBeUndefined();
});
