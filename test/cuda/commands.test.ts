import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeSmallModel } from '../cli/small-model.ts';
import { soul } from '../cli/soul.ts';
import { describeWithCudaEngine } from './engine-available.ts';

describeWithCudaEngine('a command on a GPU', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-commands-'));
    await writeSmallModel(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('names it in its result and its record: model, machine code, driver', async () => {
    const gpu = {
      model: expect.any(String),
      architecture: expect.stringMatching(/^sm_\d+$/),
      machineCode: expect.stringMatching(/^sm_\d+/),
      cuda: expect.stringMatching(/^\d+\.\d$/),
    };
    const given = ['--model', path('model'), '--data', path('data.jsonl')];
    const train = await soul('train', ...given, '--out', path('out'), '--steps', '1', '--dtype', 'bf16', '--json');
    expect(train.err).toMatch(/^device: cuda:0, [^()]+$/m);
    expect(train.code).toBe(0);
    const shown = { device: 'cuda:0', deviceReason: expect.stringMatching(/ can be used$/), gpu, dtype: 'bf16' };
    expect(JSON.parse(train.out)).toMatchObject(shown);
    const { environment } = JSON.parse(await readFile(path('out/run.json'), 'utf8'));
    expect(environment).toMatchObject({ device: 'cuda:0', gpu });

    const evaluation = await soul('eval', ...given, '--no-generate', '--device', 'cuda', '--json', '--quiet');
    expect(evaluation).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(evaluation.out)).toMatchObject({
      device: 'cuda:0',
      deviceReason: 'asked for',
      gpu,
      dtype: 'f32',
    });
  });

  test("says that the peak of memory is the host's", async () => {
    const given = ['--model', path('model'), '--data', path('data.jsonl'), '--out', path('text')];
    const { code, out } = await soul('train', ...given, '--steps', '1', '--evaluate', '0', '--quiet');
    expect(code).toBe(0);
    expect(out).toMatch(/, peak memory of the host \d+(\.\d+)? [MG]iB$/m);
  });
});
