import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { BatchSampler, PartnerSampler, refusals } from '../../lib/data/index.ts';

const sampler = (size: number, batchSize: number, seed = 1n, purpose = 'order') =>
  new BatchSampler({ size, batchSize, seed, purpose });

describe('BatchSampler', () => {
  it('shows every example once an epoch', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 0, max: 3 }),
        (size, batchSize, epoch) => {
          const batches = sampler(size, batchSize);
          const steps = Array.from({ length: batches.stepsPerEpoch }, (_, i) => epoch * batches.stepsPerEpoch + i);
          const seen = steps.flatMap((step) => [...batches.indices(step)]);
          expect(seen).toEqual([...batches.epochOrder(epoch)]);
          expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i));
          expect(steps.every((step) => batches.epochOf(step) === epoch)).toBe(true);
        },
      ),
    );
  });

  it('keeps the smaller last batch', () => {
    const batches = sampler(10, 4);
    expect(batches.stepsPerEpoch).toBe(3);
    expect([0, 1, 2, 3].map((step) => batches.indices(step).length)).toEqual([4, 4, 2, 4]);
  });

  it('is a function of seed, purpose and step, whatever was asked before', () => {
    const [first, second] = [sampler(100, 7), sampler(100, 7)];
    first.indices(0);
    first.indices(40);
    expect(first.indices(3)).toEqual(second.indices(3));
    expect(sampler(100, 100, 2n).indices(0)).not.toEqual(sampler(100, 100).indices(0));
    expect(sampler(100, 100, 1n, 'other').indices(0)).not.toEqual(sampler(100, 100).indices(0));
    expect(sampler(100, 100).indices(1)).not.toEqual(sampler(100, 100).indices(0));
  });

  it('gives arrays of its own', () => {
    const batches = sampler(5, 5);
    const before = [...batches.indices(0)];
    batches.indices(0).fill(9);
    batches.epochOrder(0).fill(9);
    expect([...batches.indices(0)]).toEqual(before);
  });

  it.each([[{ size: 0 }], [{ size: 1.5 }], [{ batchSize: 0 }], [{ batchSize: Number.NaN }], [{ seed: 1 as never }]])(
    'refuses %p',
    (wrong) => {
      const options = { size: 4, batchSize: 2, seed: 0n, purpose: 'order', ...wrong };
      expect(() => new BatchSampler(options)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
    },
  );

  it.each([-1, 0.5, Number.NaN])('refuses step %p', (step) => {
    expect(() => sampler(4, 2).indices(step)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
  });
});

describe('PartnerSampler', () => {
  const partners = (pairing: 'fresh' | 'fixed', size = 50) =>
    new PartnerSampler({ size, pairing, seed: 3n, purpose: 'retain partner' });
  const epoch = (pairing: 'fresh' | 'fixed', number: number) =>
    Array.from({ length: 200 }, (_, index) => partners(pairing).partner(number, index));

  it('keeps partners when fixed and changes them when fresh', () => {
    expect(epoch('fixed', 0)).toEqual(epoch('fixed', 7));
    expect(epoch('fresh', 1)).toEqual(epoch('fresh', 1));
    const same = epoch('fresh', 0).filter((partner, index) => partner === epoch('fresh', 1)[index]).length;
    expect(same).toBeLessThan(20);
  });

  it('reaches every partner about equally often', () => {
    const counts = new Array(10).fill(0);
    const ten = partners('fresh', 10);
    for (let number = 0; number < 50; number++) {
      for (let index = 0; index < 40; index++) counts[ten.partner(number, index)]++;
    }
    // Chi-squared with 9 degrees of freedom: 27.9 is passed once in a thousand.
    expect(counts.reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0)).toBeLessThan(27.9);
  });

  it('refuses an unknown pairing and no partners', () => {
    expect(() => partners('other' as never)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
    expect(() => partners('fresh', 0)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
    expect(() => partners('fresh').partner(0, -1)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
  });
});

describe('refusals', () => {
  it('are different sentences', () => {
    expect(new Set(refusals).size).toBe(refusals.length);
    expect(refusals.length).toBeGreaterThanOrEqual(30);
    for (const refusal of refusals) expect(refusal).toMatch(/^[A-Z][^\n]+\.$/);
  });
});
