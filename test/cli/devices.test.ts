import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deviceLine } from '../../lib/cli/model-options.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { writeSmallModel } from './small-model.ts';
import { soul, soulIn } from './soul.ts';

const withoutDriver = { SOUL_CUDA_DRIVER: '/nonexistent' };
/** What was looked for, and what to do. */
const problem = expect.stringMatching(/\/nonexistent could not be loaded .*driver 580/s);

describe('without a driver', () => {
  test('doctor says that there is none, and what runs instead', async () => {
    const { code, out } = await soulIn(withoutDriver, 'doctor', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out).devices).toEqual({
      cuda: { available: false, problem, deviceCode: expect.any(Boolean), devices: [] },
      auto: { device: 'cpu', reason: problem },
    });
    const text = await soulIn(withoutDriver, 'doctor');
    expect(text.code).toBe(0);
    expect(text.out).toMatch(/^driver +none that can be used$/m);
    expect(text.out).toMatch(/^--device auto +cpu: .*\/nonexistent could not be loaded/m);
  });

  test.each(['cuda', 'cuda:1'])('--device %s is refused with the reason, before anything is read', async (device) => {
    for (const words of [
      ['eval', '--model', 'x', '--data', 'x.jsonl'],
      ['train', '--model', 'x', '--data', 'x.jsonl', '--out', 'x'],
      ['unlearn', '--model', 'x', '--forget', 'x.jsonl', '--out', 'x'],
      ['demo'],
    ]) {
      const { code, out, err } = await soulIn(withoutDriver, ...words, '--device', device, '--json');
      expect(code).toBe(2);
      expect(JSON.parse(out).error).toMatchObject({ code: 'SOUL_UNSUPPORTED', message: problem });
      expect(err).toContain(`--device ${device === 'cuda' ? 'cuda:0' : device} cannot be used`);
    }
  });
});

test.each(['gpu', 'cuda:', 'CUDA:0', ''])('--device %p is no device', async (device) => {
  const { code, err } = await soul('eval', '--model', 'x', '--data', 'x', '--device', device);
  expect(err).toMatch(/Expected auto, cpu, cuda, or cuda:N/);
  expect(code).toBe(2);
});

test('the line above the progress speaks of a GPU that is there and was not taken, else of none', () => {
  const choice = { device: 'cpu', reason: 'its driver is too old', threads: 2 } as const;
  expect(deviceLine({ ...choice, passedOver: true })).toBe('device: cpu, 2 threads (its driver is too old)');
  expect(deviceLine({ ...choice, passedOver: false })).toBe('device: cpu, 2 threads');
});

describeWithEngine('a run', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-devices-'));
    await writeSmallModel(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('takes the CPU where there is no GPU, says why in its result and its record, and complains of nothing', async () => {
    const { code, out, err } = await soulIn(
      withoutDriver,
      ...['train', '--model', path('model'), '--data', path('data.jsonl'), '--out', path('auto'), '--steps', '1'],
      ...['--threads', '1', '--json'],
    );
    expect(code).toBe(0);
    expect(err).toMatch(/^device: cpu, 1 thread$/m);
    expect(err).not.toContain('driver');
    expect(JSON.parse(out)).toMatchObject({ device: 'cpu', deviceReason: problem });
    const { load } = JSON.parse(await readFile(path('auto/run.json'), 'utf8')).settings;
    expect(load).toMatchObject({ device: 'cpu', deviceReason: problem, dtype: 'f32' });
  });

  test('takes the device that was asked for', async () => {
    const words = [
      '--model',
      path('model'),
      '--data',
      path('data.jsonl'),
      '--no-generate',
      '--device',
      'cpu',
      '--json',
    ];
    const { code, out, err } = await soul('eval', ...words);
    expect(code).toBe(0);
    expect(err).toMatch(/^device: cpu, \d+ threads?$/m);
    expect(JSON.parse(out)).toMatchObject({ device: 'cpu', deviceReason: 'asked for' });
  });

  test('holds the weights in bf16 where it is told to', async () => {
    const words = ['train', '--model', path('model'), '--data', path('data.jsonl'), '--out', path('bf16')];
    const { code, err } = await soul(...words, '--steps', '1', '--device', 'cpu', '--dtype', 'bf16', '--quiet');
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(await readFile(path('bf16/run.json'), 'utf8')).settings.load.dtype).toBe('bf16');
    expect(JSON.parse(await readFile(path('bf16/config.json'), 'utf8'))).toMatchObject({ dtype: 'bfloat16' });
  });

  test('needs no retain set that has no weight', async () => {
    const { code, err } = await soul(
      ...['unlearn', '--model', path('model'), '--forget', path('data.jsonl'), '--out', path('forgotten')],
      ...['--objective', 'graddiff', '--retain-weight', '0', '--steps', '1', '--evaluate', '0', '--device', 'cpu'],
      '--quiet',
    );
    expect(err).toBe('');
    expect(code).toBe(0);
  });
});
