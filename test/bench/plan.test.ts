import { describe, expect, test } from '@jest/globals';
import { tokenLossKernels } from '../../bench/cases/token-loss.ts';
import { byImportance, kernelNames, labelOf, measurements, wantsCalls } from '../../bench/plan.ts';

describe('on a device', () => {
  const all = measurements({ device: 'cuda:0' });

  test('every kernel, storage, helper and token loss is measured', () => {
    const kernels = new Set(all.map(({ kernelCase }) => kernelCase.kernel));
    expect([...kernels, 'calls'].toSorted()).toEqual(kernelNames.toSorted());
    expect(wantsCalls({ device: 'cuda:0' })).toBe(true);
    const storages = new Set(all.map(({ kernelCase }) => kernelCase.storage));
    expect([...storages].toSorted()).toEqual(['bf16', 'bf16-f32-states', 'bf16-master', 'f32', 'f32-bf16-states']);
    for (const shape of ['512 x 49152', '4096 x 2048', '2048 x 151936']) {
      const ofShape = all.filter((one) => labelOf(one).endsWith(shape)).map(({ kernelCase }) => kernelCase.kernel);
      expect(ofShape).toEqual([...tokenLossKernels, ...tokenLossKernels]);
    }
  });

  test('the goal of the copy is for bare steps in float32 and bfloat16 from 2^28 weights on', () => {
    const withGoal = all.filter(({ goal }) => goal);
    expect(withGoal.map(labelOf)).toContain('sophia-step f32 2^28');
    expect(withGoal.map(labelOf)).toContain('sophia-step bf16 2^28');
    expect(new Set(withGoal.map(({ elements }) => elements))).toEqual(new Set([2 ** 28]));
    expect(measurements({ device: 'cpu' }).some(({ goal }) => goal)).toBe(false);
  });

  test('the most important come first, and nothing is lost', () => {
    const ordered = byImportance(all);
    expect(ordered.map(labelOf).toSorted()).toEqual(all.map(labelOf).toSorted());
    expect(labelOf(ordered[0]!)).toBe('sophia-step f32 2^28');
    const last = ordered.at(-1)!;
    expect([last.kernelCase.subject, last.elements]).toEqual(['Helpers', 2 ** 20]);
    const withGoal = ordered.map(({ goal }) => goal !== undefined);
    const unwithGoalSmall = ordered.findIndex(({ elements, kernelCase }) => !kernelCase.shape && elements < 2 ** 28);
    expect(withGoal.lastIndexOf(true)).toBeLessThan(unwithGoalSmall);
  });
});

test('quick is less, and what is chosen goes before it', () => {
  const sizes = (quick: boolean, chosen?: number[]) =>
    new Set(
      measurements({ device: 'cpu', quick, ...(chosen ? { sizes: chosen } : {}) }).map(({ elements }) => elements),
    );
  expect(sizes(true).size).toBeLessThan(sizes(false).size);
  expect(sizes(true, [1024]).has(1024)).toBe(true);
});
