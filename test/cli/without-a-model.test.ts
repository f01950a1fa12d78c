import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { exists } from '../../lib/core/files.ts';
import { soul, soulIn } from './soul.ts';

describe('without a model', () => {
  test('--help lists every command, and every command has its own', async () => {
    const { code, out } = await soul('--help');
    expect(code).toBe(0);
    for (const command of ['train', 'unlearn', 'methods', 'eval', 'demo', 'doctor', 'engine', 'addon']) {
      expect(out).toContain(command);
    }
    for (const words of [
      ['unlearn'],
      ['methods'],
      ['train'],
      ['eval'],
      ['demo'],
      ['engine', 'install'],
      ['addon', 'build'],
    ]) {
      const help = await soul(...words, '--help');
      expect(help.code).toBe(0);
      expect(help.out).toContain('--json');
    }
  });

  test.each([
    [['unlearn'], /required options '--model/],
    [['forget-it-all'], /unknown command/],
    [['unlearn', '--model', 'x', '--forget', 'x', '--out', 'x', '--batch-size', '0'], /integer of at least 1/],
    [['unlearn', '--model', 'x', '--forget', 'x', '--out', 'x', '--learning-rate', 'fast'], /Expected a number/],
    [
      ['unlearn', '--model', 'x', '--forget', 'x', '--out', 'x', '--rho', '1', '--clipped-fraction', '0.1'],
      /cannot be used with/,
    ],
    [
      ['unlearn', '--model', 'x', '--forget', 'x', '--out', 'x', '--objective', 'graddiff', '--beta', '1'],
      /beta is of no effect on graddiff; it belongs to npo/,
    ],
    [['unlearn', '--model', 'x', '--forget', 'x', '--out', 'x', '--objective', 'magic'], /Allowed choices are/],
  ])('%p is refused with exit code 2', async (words, message) => {
    const { code, err } = await soul(...words);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });

  test('with --json an error is one JSON object', async () => {
    const usage = await soul('train', '--json');
    expect(usage.code).toBe(2);
    expect(JSON.parse(usage.out).error).toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: expect.stringContaining('--model'),
    });
  });

  test.each([
    [['train', '--model', 'x', '--data', '/nowhere.jsonl', '--out', 'x']],
    [['eval', '--model', 'x', '--data', '/nowhere.jsonl']],
    [['demo', '--out', 'x']],
  ])('%p without an engine says so before anything is read or made', async (words) => {
    const cache = await mkdtemp(join(tmpdir(), 'soul-no-engine-'));
    const { code, out } = await soulIn({ SOUL_CACHE: cache, SOUL_LIBTORCH: '' }, ...words, '--device', 'cpu', '--json');
    expect(JSON.parse(out).error).toMatchObject({ code: 'SOUL_ENGINE_MISSING' });
    expect(code).toBe(3);
    expect(await exists('x')).toBe(false);
    await rm(cache, { recursive: true, force: true });
  });

  test('doctor says what is there', async () => {
    const { code, out } = await soul('doctor', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out);
    expect(report.addon.loaded).toBe(true);
    expect(report.engine).toHaveProperty('installed');
  });

  describe('addon build leaves', () => {
    const withoutDriver = { SOUL_CUDA_DRIVER: '/nonexistent' };
    const addon = async () => JSON.parse((await soul('doctor', '--json')).out).addon.path as string;

    test('an addon with code for GPUs', async () => {
      const path = await addon();
      const variables = { ...withoutDriver, SOUL_DEVICE_CODE: 'none' };
      const { code, out, err } = await soulIn(variables, 'addon', 'build', '--json');
      expect([code, err]).toEqual([0, '']);
      const reason = `an addon with code for GPUs is there already (${path}), and what is built is for the CPU alone`;
      expect(JSON.parse(out)).toEqual({ built: false, path, reason });
      const text = await soulIn(variables, 'addon', 'build');
      expect(text).toEqual({ code: 0, out: `nothing was built: ${reason}; --force builds all the same\n`, err: '' });
    });

    test("the package's prebuilt addon", async () => {
      const folder = await mkdtemp(join(tmpdir(), 'soul-prebuilt-'));
      try {
        const place = join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
        const path = join(place, 'soul-unlearn.node');
        await mkdir(place, { recursive: true });
        await copyFile(await addon(), path);
        const variables = { ...withoutDriver, SOUL_UNLEARN_PREBUILD: folder };
        const { code, out, err } = await soulIn(variables, 'addon', 'build', '--json');
        expect([code, err]).toEqual([0, '']);
        const reason = expect.stringMatching(/^the package's prebuilt addon .*loads here .*would take its place$/);
        expect(JSON.parse(out)).toEqual({ built: false, path, reason });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  });
});
