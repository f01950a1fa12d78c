import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { algorithms } from '../../lib/unlearn/index.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { soul } from './soul.ts';

describeWithEngine("the defaults of runs, on the demo's model", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-defaults-'));
    const { code, err } = await soul('demo', '--out', join(folder, 'demo'), '--methods', '', '--quiet');
    expect([code, err]).toEqual([0, expect.anything()]);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function run(method: string, optimizer: string, ...more: string[]) {
    const out = join(folder, `${method}-${optimizer}`);
    const { code, out: printed } = await soul(
      ...['unlearn', '--model', join(folder, 'demo/original'), '--method', method, '--optimizer', optimizer],
      ...['--forget', join(folder, 'demo/data/forget.jsonl'), '--retain', join(folder, 'demo/data/retain.jsonl')],
      ...['--out', out, '--threads', '1', '--json', ...more],
    );
    expect(code).toBe(0);
    return { out, ...JSON.parse(printed) };
  }

  test.each([
    ['npo', 'sophia'],
    ['npo', 'adamw'],
    ['graddiff', 'sophia'],
    ['graddiff', 'adamw'],
  ])('make it forget and keep with %s and %s', async (method, optimizer) => {
    const { out, verdict, evaluation } = await run(method, optimizer);
    expect(verdict).toMatchObject({ forgotten: 'yes', kept: 'yes' });
    expect(evaluation.target.before).toBeGreaterThan(0.95);
    expect(JSON.parse(await readFile(join(out, 'run.json'), 'utf8')).results.verdict).toEqual(verdict);
  });

  const bounded = algorithms.flatMap(({ name, promises }) => ('forget' in promises ? [[name, promises] as const] : []));
  test.each(bounded)('make %s keep its promises', async (name, promises) => {
    const { evaluation } = await run(name, 'adamw');
    expect(evaluation.target.after).toBeLessThanOrEqual(promises.forget);
    expect(evaluation.retain.after).toBeGreaterThanOrEqual(promises.retain);
  });
});
