import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeWithEngine } from '../torch/engine-available.ts';
import { soul } from './soul.ts';

describeWithEngine("the defaults of runs, on the demo's model", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-defaults-'));
    const { code, err } = await soul('demo', '--out', join(folder, 'demo'), '--quiet');
    expect([code, err]).toEqual([0, expect.anything()]);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    ['npo', 'sophia'],
    ['npo', 'adamw'],
    ['graddiff', 'sophia'],
    ['graddiff', 'adamw'],
  ])('make it forget and keep with %s and %s', async (objective, optimizer) => {
    const out = join(folder, `${objective}-${optimizer}`);
    const { code, out: printed } = await soul(
      ...['unlearn', '--model', join(folder, 'demo/original'), '--objective', objective, '--optimizer', optimizer],
      ...['--forget', join(folder, 'demo/data/forget.jsonl'), '--retain', join(folder, 'demo/data/retain.jsonl')],
      ...['--out', out, '--threads', '1', '--json'],
    );
    expect(code).toBe(0);
    const { verdict, evaluation } = JSON.parse(printed);
    expect(verdict).toMatchObject({ forgotten: 'yes', kept: 'yes' });
    expect(evaluation.target.before).toBeGreaterThan(0.95);
    expect(JSON.parse(await readFile(join(out, 'run.json'), 'utf8')).results.verdict).toEqual(verdict);
  });
});
