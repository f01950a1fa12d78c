import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { AdamW, SoulError } from '../../lib/index.ts';
import { runTraining } from '../../lib/run/run.ts';
import { runDemo } from '../../lib/study/demo.ts';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';
import { FailingModel } from './failing-model.ts';

const failure = new SoulError('SOUL_DEVICE_FAILED', 'the device failed in a pass');
const refusal = new SoulError('SOUL_DEVICE_FAILED', 'the device failed, so nothing is released');
const release = AdamW.prototype.release;
let folder: string;
let released: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-failures-'));
  released = 0;
  jest.spyOn(AdamW.prototype, 'release').mockImplementation(async function (this: AdamW) {
    released++;
    await release.call(this);
    throw refusal;
  });
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

describe('work that fails, as does what is released then, goes on with its own error', () => {
  test('a run', async () => {
    const data = join(folder, 'data.jsonl');
    await writeFile(data, '{"question": "Who?", "answer": "Nobody."}\n');
    await writeWordTokenizer(join(folder, 'model'), ['Question: Who?\nAnswer: Nobody.']);
    const model = new FailingModel(failure);
    const settings = { model: join(folder, 'model'), target: data, out: join(folder, 'out'), evaluate: 0 };
    const run = runTraining({ ...settings, method: 'finetune', optimizer: 'adamw' }, async () => model);
    await expect(run).rejects.toBe(failure);
    expect([released, model.released]).toEqual([1, 1]);
    expect((await readdir(folder)).sort()).toEqual(['data.jsonl', 'model']);
  });

  test('the demo', async () => {
    const model = new FailingModel(failure);
    const load = async () => model;
    const demo = runDemo({ folder: join(folder, 'demo'), loadModel: load, createModel: load });
    await expect(demo).rejects.toBe(failure);
    expect([released, model.released]).toEqual([1, 1]);
  });
});
