import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { writeReport } from '../../lib/report/index.ts';
import { runTraining, verifyRun } from '../../lib/run/index.ts';
import { lines } from '../run/bigram-folder.ts';
import { bigramRunOfEachTest, retain } from '../run/bigram-run.ts';

const made = bigramRunOfEachTest();

function figuresOf(text: string): string[] {
  return [...text.matchAll(/<figure id="figure-([\w-]+)"/g)].map(([, name]) => name!);
}

function csvOf(text: string, name: string): string[] {
  const [, base64] = new RegExp(`download="${name}.csv" href="[^"]*base64,([^"]*)"`).exec(text)!;
  return Buffer.from(base64!, 'base64').toString().trimEnd().split('\r\n');
}

test('a run with curvature and figures on the way has them all, and its folder stays as its record says', async () => {
  await writeFile(made.path('retain.jsonl'), lines(retain.slice(0, 1)));
  const settings = made.settings({
    optimizer: 'sophia',
    optimizerSettings: { learningRate: 0.01 },
    steps: 4,
    evaluateEvery: 2,
  });
  const { summary, evaluation } = await runTraining(settings, made.load());
  const { file, steps } = await writeReport(made.path('out'));
  expect([file, steps]).toEqual([made.path('out.report.html'), summary.steps]);
  const text = await readFile(file, 'utf8');
  expect(figuresOf(text)).toEqual([
    'evaluations',
    'loss',
    'clipped',
    'gradient-norm',
    'learning-rate',
    'speed',
    'memory',
  ]);
  const after = csvOf(text, 'evaluations').filter((line) => line.includes(',after,target,probability,'));
  expect(after).toEqual([`4,after,target,probability,${evaluation!.target.after}`]);
  expect(csvOf(text, 'loss')).toContain(`4,1,what was minimised,${summary.last!.loss}`);
  expect((await verifyRun(made.path('out'))).passed).toBe(true);
});

test('a run that was cut off is shown as far as it came', async () => {
  await writeFile(made.path('retain.jsonl'), lines(retain.slice(0, 1)));
  const controller = new AbortController();
  await runTraining(made.settings({ steps: 1000 }), made.load(), {
    signal: controller.signal,
    onEvent: (event) => event.kind === 'step' && event.step === 2 && controller.abort(),
  }).catch(() => {});
  const { folder, steps, file } = await writeReport(made.path('out'), { out: made.path('cut.html') });
  expect([folder, steps]).toEqual([made.path('out.partial'), 2]);
  const text = await readFile(file, 'utf8');
  expect(text).toContain('The run was cut off; soul unlearn --resume');
  expect(text).toContain('<dd>2 of 1000</dd>');
  expect(figuresOf(text)).toContain('loss');
});
