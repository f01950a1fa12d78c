import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KernelResults, PeerResults } from '../../bench/results.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const positive = { count: expect.any(Number), median: expect.any(Number) };

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-cuda-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs a benchmark as a machine without npm would. */
function bench<Results>(script: string, ...words: string[]): { results: Results; stderr: string } {
  const json = join(folder, `${script}.json`);
  const given = ['--device', 'cuda', '--seconds', '0', '--flush', '0', '--json', json, ...words];
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', `bench/${script}.ts`, ...given], {
    cwd: root,
    encoding: 'utf8',
  });
  expect({ status, failure: status === 0 ? '' : stderr }).toEqual({ status: 0, failure: '' });
  return { results: JSON.parse(readFileSync(json, 'utf8')) as Results, stderr };
}

describe('kernels', () => {
  const kernels = 'sophia-step,sophia-guarded-step,hessian-update,gram,quantile,cast,sampled-token-loss';
  const words = ['--sizes', '8,10', '--shapes', '4x64', '--storage', 'f32,bf16', '--kernels', kernels];

  test('every case has its time beside the limit and the copy, on a device that is described', () => {
    const { results } = bench<KernelResults>('kernels', ...words);
    expect(results.machine.gpu).toMatchObject({
      name: expect.any(String),
      architecture: expect.stringMatching(/^sm_\d+$/),
      machineCode: expect.any(String),
      cuda: expect.stringMatching(/^\d+\.\d+$/),
    });
    expect(results.copy).toMatchObject({ bytes: 8 * 2 ** 10, loop: positive, driver: positive });
    expect(results.leftOut).toBeUndefined();
    expect(results.kernels).toHaveLength(2 * 2 * 6 + 2);
    for (const measured of results.kernels) {
      expect(measured.time.minimum).toBeGreaterThan(0);
      expect(measured).toMatchObject({ limit: positive, fractionOfLimit: positive, fractionOfCopy: positive });
      expect(measured.goal).toBeUndefined();
    }
  });

  test('what the host spends on a step is held against its goal', () => {
    const { results } = bench<KernelResults>('kernels', '--kernels', 'calls', '--sizes', '8');
    expect(results.kernels).toEqual([]);
    const barred = results.calls.filter(({ goal }) => goal);
    expect(barred.length).toBeGreaterThan(0);
    for (const { title, goal, time } of barred) {
      expect(title).toContain('150 tensors');
      expect(goal).toEqual({ bound: 'at most', value: 50_000 });
      expect(time.minimum).toBeGreaterThan(0);
    }
  });

  test('what is over the budget is named', () => {
    const { results, stderr } = bench<KernelResults>('kernels', ...words, '--budget', '0');
    expect(results.kernels).toEqual([]);
    expect(results.leftOut).toHaveLength(2 * 2 * 6 + 2);
    expect(results.leftOut![0]).toMatch(/^sophia-step f32 2\^10: the 0 seconds of --budget were over/);
    expect(stderr).toContain('left out: sophia-step f32 2^10');
  });
});

test('peers take turns with ours on the device', () => {
  const python = join(folder, 'python');
  const worker = join(root, 'test', 'bench', 'scripted-worker.mjs');
  writeFileSync(python, `#!/bin/sh\nshift\nexec '${process.execPath}' '${worker}' "$@"\n`);
  chmodSync(python, 0o755);
  const { results } = bench<PeerResults>('peers', '--size', '1000', '--shapes', '4x64', '--python', python);
  expect(results.machine.gpu).toBeDefined();
  expect(results.peer.instructionSet).toBe('cuda:0'); // the worker says what it was started with
  expect(results.elements).toBe(1000);
  expect(results.rows.filter(({ missing }) => missing !== undefined)).toEqual([]);
  const beside = results.rows.map(({ theirs }) => theirs ?? 'alone');
  expect(beside).toEqual(expect.arrayContaining([expect.stringContaining('copy'), expect.stringContaining('fused')]));
  // What PyTorch compiles comes last.
  expect(beside.at(-1)).toContain('torch.compile');
});
