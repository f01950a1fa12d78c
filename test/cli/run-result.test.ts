import { expect, test } from '@jest/globals';
import { resultObject, resultText } from '../../lib/cli/perform-run.ts';
import type { RunResult } from '../../lib/run/record.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';

const last = {
  ...{ kind: 'step', step: 4, steps: 4, epoch: 2, epochs: 2, losses: { forget: 3.5, retain: 0.25 }, loss: -3.25 },
  ...{ learningRate: 1e-5, statistics: { skipped: false, clippedFraction: 0.5 }, tokens: 10, seconds: 0.5 },
} as unknown as StepEvent;
const result: RunResult = {
  out: '/models/forgotten',
  summary: { steps: 4, skippedSteps: 1, seconds: 8, measuringSeconds: 0, curvatureShare: 0.25, tokens: 40, last },
  truncated: { target: 0, retain: 0 },
  evaluation: {
    target: { examples: 3, before: 0.9277, after: 0.9247 },
    retain: { examples: 5, before: 0.9, after: 0.89 },
  },
  peakMemory: 2 ** 30,
  verdict: {
    forgotten: 'hardly',
    kept: 'yes',
    sentence: 'The forget set is hardly forgotten.',
    advice: 'Raise --learning-rate.',
  },
};

test('the text of a result ends with what the run came to, and what to do', () => {
  expect(resultText(result, 'forget', { device: 'cpu' }).split('\n')).toEqual([
    'set     examples  probability before   after',
    '------  --------  ------------------  ------',
    'forget         3              0.9277  0.9247',
    'retain         5              0.9000  0.8900',
    '',
    '4 steps in 0:08, 1 skipped (2.000 s a step, 25 % of it for curvature), peak memory 1.00 GiB',
    'written: /models/forgotten',
    '',
    'The forget set is hardly forgotten.',
    'Raise --learning-rate.',
  ]);
});

test('of a deletion by adapters it also says what would make it last', () => {
  const text = resultText({ ...result, reversible: 'a deletion that can be taken back' }, 'forget', { device: 'cpu' });
  expect(text.split('\n').slice(-2)).toEqual(['Raise --learning-rate.', 'This is a deletion that can be taken back.']);
});

test('with --json it is all there', () => {
  const { verdict, evaluation, peakMemory, out, truncated } = result;
  expect(resultObject(result, { shown: { device: 'cpu' } })).toEqual({
    ...{
      out,
      device: 'cpu',
      steps: 4,
      skippedSteps: 1,
      seconds: 8,
      measuringSeconds: 0,
      curvatureShare: 0.25,
      tokens: 40,
    },
    ...{ secondsPerStep: 2, losses: { forget: 3.5, retain: 0.25 }, evaluation, peakMemory, truncated, verdict },
  });
});
