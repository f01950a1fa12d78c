import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { StudyPlan } from '../../lib/study/plan-study.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { authorsModel } from './authors-model.ts';
import { outcomeOf, soul, soulWords, startNode } from './soul.ts';

describe('soul study', () => {
  test('prints a study to begin with', async () => {
    const { code, out } = await soul('study', '--example');
    expect(code).toBe(0);
    expect(out).toMatch(/^models:$/m);
  });

  test.each([
    [[], /name the file of a study; soul study --example/],
    [['nowhere.yaml'], /nowhere\.yaml does not exist/],
    [['a.yaml', '--part', '3/2'], /Expected a part of several, as 2\/4/],
    [['a.yaml', '--part', '0/2'], /Expected a part of several/],
    [['a.yaml', '--jobs', '0'], /integer/],
  ])('refuses %j', async (words, problem) => {
    const { code, err } = await soul('study', ...words);
    expect(code).toBe(2);
    expect(err).toMatch(problem);
  });
});

describeWithEngine('soul study of a small model', () => {
  const { path } = authorsModel();

  const write = (changes: object = {}) =>
    writeFile(
      path('small.json'),
      JSON.stringify({
        models: [{ name: 'small', model: 'model', retrained: 'model' }],
        splits: [{ name: 'authors', forget: 'forget.jsonl', retain: 'retain.jsonl' }],
        methods: ['graddiff'],
        optimizers: ['adamw', 'gnb-10'],
        ...{ trials: 2, draws: 2, training: { steps: 3, batchSize: 4 } },
        evaluation: { points: 2, forget: 4, retain: 8, utility: 0 },
        ...changes,
      }),
    );

  afterEach(() => rm(path('small'), { recursive: true, force: true }));

  test('says what it takes, and does nothing, where it is asked to', async () => {
    await write();
    const { code, out } = await soul('study', path('small.json'), '--plan', '--json', '--quiet');
    expect(code).toBe(0);
    const plan = JSON.parse(out) as StudyPlan & { seconds: number; jobs: number };
    expect(plan).toMatchObject({ cells: 2, trials: 8, done: 0 });
    expect(plan.seconds).toBeGreaterThan(0);
    expect(plan.memory).toBeGreaterThan(2 ** 20);
    await expect(readdir(path('small'))).rejects.toThrow('ENOENT');
  });

  test('starts no more processes than there are trials', async () => {
    await write();
    const { out } = await soul('study', path('small.json'), '--plan', '--json', '--quiet', '--jobs', '1000');
    expect(JSON.parse(out)).toMatchObject({ jobs: 8, limitedBy: 'asked' });
  });

  test('a title does nothing to the terminal', async () => {
    await write({ title: 'a\u001b[2Jb' });
    const { code, out } = await soul('study', path('small.json'), '--plan', '--quiet');
    expect([code, out]).toEqual([0, expect.stringMatching(/^a\\u001b\[2Jb: 2 optimizers in 2 cells/)]);
  });

  test('does its trials in worker processes, each once, and has the same figures with one', async () => {
    await write();
    const run = (out: string, ...words: string[]) =>
      outcomeOf(startNode([...soulWords, 'study', path('small.json'), '--out', path(out), '--json', ...words]));
    const { code, out, err } = await run('small', '--jobs', '2');
    expect([code, err]).toEqual([0, expect.stringContaining('2 at a time')]);
    const result = JSON.parse(out);
    expect(result).toMatchObject({ done: 8, left: 0, summary: { done: 8, total: 8 } });
    expect(JSON.parse(await readFile(path('small/summary.json'), 'utf8'))).toEqual(result.summary);
    const names = await readdir(path('small/trials'));
    expect(names).toHaveLength(8);
    expect(await readdir(path('small/claims'))).toEqual([]);
    await run('alone', '--jobs', '1');
    for (const name of names) {
      const [own, other] = await Promise.all(
        ['small', 'alone'].map(async (folder) => {
          const { cost, made, ...figures } = JSON.parse(await readFile(path(`${folder}/trials/${name}`), 'utf8'));
          expect(cost.seconds).toBeGreaterThan(0);
          expect(made.engine).toMatch(/^libtorch 2\./);
          return figures;
        }),
      );
      expect(own).toEqual(other);
    }
    await rm(path('alone'), { recursive: true });
  });

  test('does a part, which has every optimizer, and says how the parts come together', async () => {
    await write({ training: { steps: 1, batchSize: 4 } });
    const run = (...words: string[]) => soul('study', path('small.json'), '--quiet', '--jobs', '1', ...words);
    const first = await run('--part', '1/2');
    expect(first.code).toBe(0);
    expect(first.out).toMatch(
      /Part 1 of 2 is done; the folder has 4 of 8 trials\. Copy those of the other parts to .*trials/,
    );
    const names = await readdir(path('small/trials'));
    for (const optimizer of ['adamw', 'gnb-10']) {
      expect(names.filter((name) => name.split('.')[3] === optimizer)).toHaveLength(2);
    }
    const second = await run('--part', '2/2');
    expect(second.out).not.toContain('Copy those');
    expect(second.out).toMatch(/soul report/);
  });

  test('refuses a set of one example, by which a trial would be chosen and judged', async () => {
    const forget = (await readFile(path('forget.jsonl'), 'utf8')).split('\n')[0]!;
    await writeFile(path('one.jsonl'), `${forget}\n`);
    await write({ splits: [{ name: 'single', forget: 'one.jsonl', retain: 'retain.jsonl' }] });
    const { code, err } = await soul('study', path('small.json'), '--plan', '--quiet');
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/the split single takes one example of .*one\.jsonl alone; .* two/),
    ]);
  });

  test('refuses a file in place of its folder', async () => {
    await write();
    const { code, err } = await soul('study', path('small.json'), '--out', path('small.json'));
    expect([code, err]).toEqual([2, expect.stringMatching(/--out must name a folder, but .*small\.json is a file/)]);
  });

  test('ends in order by Ctrl-C, keeps what is done, and goes on from there', async () => {
    await write({ trials: 60, draws: 1 });
    const child = startNode([...soulWords, 'study', path('small.json'), '--jobs', '2', '--progress', 'json']);
    const ended = outcomeOf(child);
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (text) => {
        if (String(text).includes('"kind":"trial"')) resolve();
      });
    });
    child.kill('SIGINT');
    const { code, err } = await ended;
    expect(code).toBe(130);
    expect(err).toMatch(/finished trials are kept/);
    const kept = await readdir(path('small/trials'));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(120);
    expect(await readdir(path('small/claims'))).toEqual([]);
    const { out } = await soul('study', path('small.json'), '--plan', '--json', '--quiet');
    expect(JSON.parse(out)).toMatchObject({ trials: 120, done: kept.length });
  });

  // Its children are found by what Linux says of it.
  (existsSync('/proc/self/task') ? test : test.skip)(
    'tells of a worker that dies, whose trial another does',
    async () => {
      await write({ trials: 20, draws: 1 });
      const child = startNode([...soulWords, 'study', path('small.json'), '--jobs', '2', '--progress', 'json']);
      const ended = outcomeOf(child);
      await new Promise<void>((resolve) => {
        child.stderr.on('data', (text) => {
          if (String(text).includes('"kind":"trial"')) resolve();
        });
      });
      const children = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim().split(' ');
      // tsx may have a helper of its own; workers are those that were told which module to run.
      const workers = children.filter((id) => readFileSync(`/proc/${id}/cmdline`, 'utf8').includes('study/worker.ts'));
      expect(workers).toHaveLength(2);
      process.kill(Number(workers[0]), 'SIGKILL');
      const { code, out, err } = await ended;
      expect(err).toMatch(/a worker process ended \(SIGKILL/);
      expect(code).toBe(0);
      expect(out).toContain(`soul report ${path('small')}`);
      expect(await readdir(path('small/trials'))).toHaveLength(40);
    },
  );
});
