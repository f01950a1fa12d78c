import { afterEach, expect, jest, test } from '@jest/globals';
import { RunSummaryMeter } from '../../lib/run/run-summary.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test('what is measured on the way is no part of the time, in any process of a run', async () => {
  let clock = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => clock);
  const pass = (seconds: number) => {
    clock += 1000 * seconds;
  };
  const meter = new RunSummaryMeter();
  meter.start();
  pass(10);
  expect(
    await meter.measuring(async () => {
      pass(3);
      return 'found';
    }),
  ).toBe('found');
  pass(7);
  expect(meter.state()).toMatchObject({ seconds: 17, measuringSeconds: 3 });

  const later = RunSummaryMeter.from(meter.state());
  pass(100);
  later.start();
  pass(1);
  const failing = later.measuring(async () => {
    pass(2);
    throw new Error('broken');
  });
  await expect(failing).rejects.toThrow('broken');
  pass(4);
  expect(later.state()).toMatchObject({ seconds: 22, measuringSeconds: 5 });
});
