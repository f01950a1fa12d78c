import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { emulatorTrials } from './set-up.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Lines that a trial (test/native/trials) printed, and what the emulator said of it. */
function trial(name: string, variables: Record<string, string> = {}) {
  const { status, signal, stdout, stderr } = spawnSync(emulatorTrials, [name], {
    encoding: 'utf8',
    env: { ...process.env, SOUL_EMULATED_FAIL: '', ...variables },
    timeout: 30_000,
  });
  return { status, signal, lines: stdout.trimEnd().split('\n'), stderr };
}

const orders = ['0', '1', '2', '3', '4', '5', '6', '7'];

describe('an emulated block', () => {
  test.each(orders)('adds up over lanes, warps and blocks, in order %s', (order) => {
    const { status, lines } = trial('sum', { SOUL_EMULATED_ORDER: order });
    expect(status).toBe(0);
    // 0 1 2 3 4 5 6 and so on, 100,001 of them: 14,285 times 21, and what is left over.
    expect(lines).toEqual(new Array(6).fill(String(14_285 * 21 + 15)));
  });

  test.each(orders)('shows that a barrier is missing, in order %s', (order) => {
    const { lines, stderr } = trial('race', { SOUL_EMULATED_ORDER: order });
    // One warp needs none.
    expect(lines.slice(0, 2)).toEqual(['300000', 'read CUDA_ERROR_LAUNCH_FAILED']);
    expect(stderr).toMatch(
      /thread \d+ of 96: (reads|writes) 0x\w+, which thread \d+ of its block (wrote|read) with nothing to order/,
    );
  });

  test('exchanges values within warps', () => {
    const { lines } = trial('lanes');
    // Value of lane + 3 or its own; lane ^ 16; every third thread of a warp.
    expect(lines.slice(1)).toEqual([
      'lane 0: 4 16 49249249',
      'lane 28: 32 12 49249249',
      'lane 29: 30 13 49249249',
      'lane 31: 32 15 49249249',
      'lane 32: 36 48 92492492',
      'lane 63: 64 47 92492492',
      'counter 128',
    ]);
  });

  test.each([
    ['ends', 'LAUNCH_FAILED', /block 1 of 3, thread \d+ of 64: waits at Barrier.*thread 9 ended without/],
    ['collective', 'LAUNCH_FAILED', /(thread 9 at Ballot|waits at Ballot)/],
    ['misaligned', 'MISALIGNED_ADDRESS', /thread 9 of 64: accesses 16 bytes at 0x\w+, which is not aligned/],
    ['wide', 'ILLEGAL_ADDRESS', /thread 9 of 64: reads 16 bytes .* do not lie in one allocation/],
    ['past', 'ILLEGAL_ADDRESS', /thread 9 of 64: writes 4 bytes .* do not lie in one allocation/],
    ['before', 'ILLEGAL_ADDRESS', /thread 9 of 64: (reads|writes) 4 bytes .* do not lie in one allocation/],
    ['far', 'ILLEGAL_ADDRESS', /thread 9 of 64: (reads|writes) 4 bytes .* do not lie in one allocation/],
    ['freed', 'ILLEGAL_ADDRESS', /thread 9 of 64: (reads|writes) 4 bytes .* do not lie in one allocation/],
    ['foreign', 'ILLEGAL_ADDRESS', /thread 9 of 64: (reads|writes) 4 bytes .* do not lie in one allocation/],
    ['shared', 'ILLEGAL_INSTRUCTION', /thread 9 of 64: undefined behaviour/],
  ])('ends a kernel that does wrong, and its device alone: %s', (name, error, sentence) => {
    for (const order of orders) {
      const { status, lines, stderr } = trial(name, { SOUL_EMULATED_ORDER: order });
      expect(status).toBe(0);
      expect(lines.slice(2)).toEqual([
        'launch CUDA_SUCCESS',
        `synchronize CUDA_ERROR_${error}`,
        `then allocate CUDA_ERROR_${error}`,
        'other device CUDA_SUCCESS',
      ]);
      expect(stderr).toMatch(sentence);
    }
  });

  test('lets a kernel be that does nothing wrong', () => {
    expect(trial('nothing').lines.slice(2)).toEqual([
      'launch CUDA_SUCCESS',
      'synchronize CUDA_SUCCESS',
      'then allocate CUDA_SUCCESS',
      'other device CUDA_SUCCESS',
    ]);
  });
});

describe('the stand-in driver', () => {
  test('does work when its turn comes, and has events', () => {
    expect(trial('events', { SOUL_EMULATED_DELAY: '50' }).lines.slice(1)).toEqual([
      'wait for what was not recorded CUDA_SUCCESS',
      'synchronize what was not recorded CUDA_SUCCESS',
      'elapsed at once CUDA_ERROR_NOT_READY',
      'pinned at once 0',
      'pinned at last 2',
      'elapsed CUDA_SUCCESS',
      'took the delay 1',
      'elapsed without timing CUDA_ERROR_INVALID_HANDLE',
      'destroy CUDA_SUCCESS',
      'destroy again CUDA_ERROR_INVALID_HANDLE',
      'free pinned CUDA_SUCCESS',
    ]);
  });

  test('knows its memory, and gives none that reads as zeros', () => {
    expect(trial('pointers').lines.slice(1)).toEqual([
      'type 2 device 0 start 1 size 1000 aligned 1',
      'ordinary memory CUDA_ERROR_INVALID_VALUE',
      'beyond CUDA_ERROR_INVALID_VALUE',
      'copy beyond CUDA_ERROR_INVALID_VALUE',
      'copy onto itself CUDA_ERROR_INVALID_VALUE',
      'free within CUDA_ERROR_INVALID_VALUE',
      'free CUDA_SUCCESS',
      'free again CUDA_ERROR_INVALID_VALUE',
      'allocate CUDA_SUCCESS',
      'not written: 1',
    ]);
  });

  test('lets no host read the memory of a device', () => {
    expect(trial('host')).toMatchObject({ status: null, signal: 'SIGSEGV' });
  });
});

/** Where CUDA's headers are; undefined on a machine without them. */
function findHeaders(): string | undefined {
  const { stdout } = spawnSync('sh', ['-c', 'readlink -f "$(command -v nvcc)"'], { encoding: 'utf8' });
  const places = [join(dirname(stdout.trim()), '..', 'include'), '/usr/local/cuda/include'];
  return places.find((place) => existsSync(join(place, 'cuda.h')));
}

const headers = findHeaders();
const whereHeadersAre = headers === undefined ? test.skip : test;
whereHeadersAre('the driver is declared as cuda.h declares it', () => {
  const words = ['-std=c++20', '-fsyntax-only', '-Inative', `-I${headers}`, 'test/native/driver_declarations.cpp'];
  const { status, stderr } = spawnSync('g++', words, { cwd: root, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
