import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type RunSettings, runTraining } from '../../lib/run/index.ts';
import { RunCurves, StepLog } from '../../lib/run/step-log.ts';
import type { RunEvent, StepEvent } from '../../lib/unlearn/index.ts';
import { bigramRunOfEachTest } from './bigram-run.ts';
import { readEvents } from './event-records.ts';

const made = bigramRunOfEachTest();

async function perform(more: Partial<RunSettings>) {
  const steps: StepEvent[] = [];
  const onEvent = (event: RunEvent) => void (event.kind === 'step' && steps.push(event));
  const result = await runTraining(made.settings(more), made.load(), { onEvent });
  const text = await readFile(made.path('out/metrics.jsonl'), 'utf8');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { steps, lines, result };
}

async function eventsIn(folder: string) {
  const names = (await readdir(folder)).sort();
  const read = await Promise.all(names.map((name) => readFile(join(folder, name))));
  return read.map(readEvents);
}

test('a step leaves a line with what it told, its speed, the memory and the time', async () => {
  const { steps, lines } = await perform({ optimizer: 'sophia' });
  expect(lines).toHaveLength(3);
  for (const [i, line] of lines.entries()) {
    const { kind: _, ...told } = JSON.parse(JSON.stringify(steps[i]));
    const { descent, tokensPerSecond, memory, time, ...figures } = line;
    expect(figures).toEqual(told);
    expect(figures).toMatchObject({
      losses: { forget: expect.any(Number), retain: expect.any(Number) },
      learningRate: expect.any(Number),
      statistics: { clippedFraction: expect.any(Number), gradientNorm: expect.any(Number) },
    });
    expect([descent, tokensPerSecond]).toEqual([1, told.tokens / told.seconds]);
    expect(memory).toBeGreaterThan(2 ** 20);
    expect(new Date(time).toISOString()).toBe(time);
  }
});

test('steps of several descents are counted on in curves, and each in its own in lines', async () => {
  const { steps, lines, result } = await perform({ method: 'task-arithmetic', tensorboard: made.path('curves') });
  expect(lines.map(({ descent, step }) => [descent, step])).toEqual([1, 2, 3].map((step) => [1, step]));
  const split = await perform({ method: 'spunge', overwrite: true, tensorboard: made.path('curves') });
  const [first, second] = await eventsIn(made.path('curves/out'));
  const all = [first!, second!].sort((a, b) => a.length - b.length);
  const stepsOf = (events: ReturnType<typeof readEvents>) =>
    events.filter(({ scalars }) => scalars?.loss !== undefined).map(({ step }) => step);
  expect(all.map(stepsOf)).toEqual([steps.map((_, i) => i + 1), split.steps.map((_, i) => i + 1)]);
  expect(split.lines.at(-1).descent).toBeGreaterThan(1);
  expect(all[0]!.slice(0, 2)).toMatchObject([{ version: 'brain.Event:2' }, { step: 0, sessionStatus: 1 }]);
  const { losses, loss, learningRate, statistics } = steps[2]!;
  const last = all[0]!.find(({ step, scalars }) => step === 3 && scalars?.loss !== undefined)!.scalars!;
  expect(last).toMatchObject({
    loss: Math.fround(loss),
    'losses/train': Math.fround(losses.train!),
    learningRate: Math.fround(learningRate),
    gradientNorm: Math.fround(statistics.gradientNorm),
  });
  expect(last['memory/resident']).toBeGreaterThan(2 ** 20);
  const { target, retain } = result.evaluation!;
  expect(all[0]!.slice(-2)).toMatchObject([
    {
      step: 0,
      scalars: { 'probability/target': Math.fround(target.before), 'probability/retain': Math.fround(retain!.before) },
    },
    { step: 3, scalars: { 'probability/target': Math.fround(target.after) } },
  ]);
});

test('of a run that goes on, steps have the places of the whole run, in curves too', async () => {
  const { steps } = await perform({});
  const added: { descent: number; step: number }[] = [];
  const out = { openLog: () => (line: object) => void added.push(line as never) };
  const log = new StepLog(out, new RunCurves(made.path('curves'), 'other', made.path('other')));
  log.step(steps.at(-1)!, { descent: 2, step: 9 });
  log.step(steps[0]!, { descent: 3, step: 10 });
  expect(added.map((line) => [line.descent, line.step])).toEqual([
    [2, steps.length],
    [3, 1],
  ]);
  const [curves] = await eventsIn(made.path('curves/other'));
  expect(curves!.map(({ step }) => step)).toEqual([0, 9, 9, 10]);
  expect(curves![1]).toMatchObject({ sessionStatus: 1 });
});

test('figures of a run that took no more steps leave the curves of its steps', async () => {
  const curves = new RunCurves(made.path('curves'), 'other', made.path('other'));
  curves.measured({ target: { examples: 1, before: 0.5, after: 0.25 } }, 3);
  const [events] = await eventsIn(made.path('curves/other'));
  expect(events!.slice(1)).toMatchObject([
    { step: 4, sessionStatus: 1 },
    { step: 0, scalars: { 'probability/target': 0.5 } },
    { step: 3, scalars: { 'probability/target': 0.25 } },
  ]);
});

test('figures after a run of no steps stand behind those before it', async () => {
  const curves = new RunCurves(made.path('curves'), 'other', made.path('other'));
  for (const [moment, probability] of [
    ['before', 0.5],
    ['after', 0.25],
  ] as const) {
    curves.evaluated({ step: 0, moment, seconds: 1, sets: { held: { examples: 1, probability, seconds: 1 } } });
  }
  const [events] = await eventsIn(made.path('curves/other'));
  expect(events!.slice(-2)).toMatchObject([
    { step: 0, scalars: { 'probability/held': 0.5 } },
    { step: 1, scalars: { 'probability/held': 0.25 } },
  ]);
  expect(Object.keys(events!.at(-1)!.scalars!)).toEqual(['probability/held']);
});

test.each(['out', 'out/curves', 'out.partial', '.'])('curves in the run’s own output are refused: %s', async (name) => {
  const run = runTraining(made.settings({ tensorboard: made.path(name) }), made.load());
  await expect(run).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT', details: { argument: 'tensorboard' } });
  expect((await readdir(made.folder)).filter((each) => each.startsWith('out'))).toEqual([]);
});
