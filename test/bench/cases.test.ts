import { describe, expect, test } from '@jest/globals';
import { bytesOfPasses, type KernelCase, kernelContestant, limitContestant } from '../../bench/cases/case.ts';
import { helperCases } from '../../bench/cases/helpers.ts';
import { optimizerCases } from '../../bench/cases/optimizers.ts';
import { copiedTokenLossCase, tokenLossCases, tokenLossKernels } from '../../bench/cases/token-loss.ts';
import { type Comparison, comparisons, deviceComparisons } from '../../bench/peers/comparisons.ts';
import { hostPlace } from '../../bench/place.ts';
import type { StepStatistics } from '../../lib/index.ts';

const elements = 1000;
const place = hostPlace();
const shape = { rows: 10, vocabulary: 100 };
/** A bit for each weight, which the memory limit's pattern leaves out. */
const maskBytes = 1 / 8;

describe.each<KernelCase>([...optimizerCases, ...helperCases, ...tokenLossCases(shape), copiedTokenLossCase(shape)])(
  '$kernel, $storage',
  (kernelCase) => {
    test('runs, and its pattern moves the bytes that are counted', async () => {
      const prepared = await kernelCase.prepare(elements);
      const counted = kernelCase.bytesPerElement - (kernelCase.kernel === 'sophia-masked-step' ? maskBytes : 0);
      expect(bytesOfPasses(prepared.passes, elements)).toBe(counted);
      const buffers = new Set(prepared.passes.flatMap(({ reads, writes }) => [...reads, ...writes]));
      const resident = [...buffers].reduce((total, { byteLength }) => total + byteLength, 0);
      expect(kernelCase.residentBytesPerElement * elements).toBeGreaterThanOrEqual(resident);
      for (const contestant of [kernelContestant(prepared, place), limitContestant(prepared, place)]) {
        expect(await contestant.turn()).toBeGreaterThan(0);
      }
      await prepared.release();
    });
  },
);

test('a Sophia step clips about half of the weights once its momentum has risen', async () => {
  const prepared = await optimizerCases.find(({ kernel }) => kernel === 'sophia-step')!.prepare(elements);
  let last: unknown;
  for (let step = 0; step < 200; step++) last = await prepared.run();
  expect(Math.abs((last as StepStatistics).clippedFraction! - 0.5)).toBeLessThan(0.05);
  await prepared.release();
});

test('names of cases over logits are the known ones', () => {
  const names = tokenLossCases(shape).map(({ kernel, storage }) => `${kernel} ${storage}`);
  expect(names).toEqual(['f32', 'bf16'].flatMap((dtype) => tokenLossKernels.map((kernel) => `${kernel} ${dtype}`)));
});

test('no measurement is listed twice', () => {
  const names = [...optimizerCases, ...helperCases].map(({ kernel, storage }) => `${kernel} ${storage}`);
  expect(new Set(names).size).toBe(names.length);
  const rowOf = ({ title, other }: Comparison) => `${title} ${'title' in other ? other.title : other.kind}`;
  for (const compared of [comparisons(elements, [shape]), deviceComparisons(elements, [shape])]) {
    expect(new Set(compared.map(rowOf)).size).toBe(compared.length);
  }
});

test('on a device the goals hold from 2^28 weights on, and come first', () => {
  const withGoal = (size: number) => deviceComparisons(size, [shape]).map(({ goal }) => goal !== undefined);
  const [large, small] = [withGoal(2 ** 28), withGoal(2 ** 27)];
  expect(large.filter(Boolean).length).toBeGreaterThan(small.filter(Boolean).length);
  expect(large.lastIndexOf(true)).toBe(large.filter(Boolean).length - 1);
});
