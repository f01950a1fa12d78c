import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { AdamW, estimateHessian, FlatBuffer, Sophia, SoulError, soulRepoDefaults } from '../../lib/index.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import { completeOptimizerSettings } from '../../lib/run/index.ts';
import { codeOf, setUp } from './set-up.ts';

const bySophia = (length = 2, options = {}) => {
  const values = FlatBuffer.alloc(length);
  const gradients = FlatBuffer.alloc(length);
  return { sophia: new Sophia({ values, gradients }, options), gradients: gradients.array };
};

describe('updateHessian with zeroGradients', () => {
  test('leaves nothing of the sampled labels for the step, where backward adds as it does', async () => {
    const { sophia, gradients } = bySophia(2, { betas: [0, 0.99] });
    const backward = (gradient: number[]) => {
      for (const [i, g] of gradient.entries()) gradients[i]! += g;
    };
    backward([0.3, 0.5]);
    await sophia.updateHessian({ batchSize: 4, prime: true, zeroGradients: true });
    expect([...gradients]).toEqual([0, 0]);
    backward([0.1, -0.1]);
    await sophia.step({ zeroGradients: true });
    expect([...sophia.state.momentum.array]).toEqual([Math.fround(0.1), Math.fround(-0.1)]);
    expect([...gradients]).toEqual([0, 0]);
  });

  test('zeroes what it left out, and a source of its own, in its turn', async () => {
    const { sophia, gradients } = bySophia();
    gradients.set([Number.NaN, 1]);
    expect(await sophia.updateHessian({ batchSize: 4, zeroGradients: true })).toEqual({ skipped: true });
    expect([...gradients]).toEqual([0, 0]);
    const from = FlatBuffer.from(Float32Array.of(1, 2));
    void sophia.updateHessian({ batchSize: 1, from, prime: true, zeroGradients: true });
    await sophia.updateHessian({ batchSize: 1, from });
    expect([...from.array]).toEqual([0, 0]);
    expect(sophia.state.hessian.array[1]).toBeCloseTo(0.99 * 4, 6);
  });
});

describe('estimateHessian', () => {
  test('is the mean over parts of B g g, primes at first and averages in afterwards', async () => {
    const { sophia, gradients } = bySophia();
    gradients.fill(9);
    const seen: number[] = [];
    const estimate = () =>
      estimateHessian(sophia, {
        parts: 3,
        gradient: (part) => {
          seen.push(part, gradients[0]!);
          gradients[0]! += part + 1;
          gradients[1]! += 2;
          return 10;
        },
      });
    expect(await estimate()).toEqual({ parts: 3, skippedParts: 0, labels: 30 });
    expect(seen).toEqual([0, 0, 1, 0, 2, 0]);
    const whole = [(10 * (1 + 4 + 9)) / 3, 40];
    for (const i of [0, 1]) expect(sophia.state.hessian.array[i]).toBeCloseTo(whole[i]!, 4);
    expect([...gradients]).toEqual([0, 0]);
    await estimate();
    for (const i of [0, 1]) expect(sophia.state.hessian.array[i]).toBeCloseTo(whole[i]!, 3);
    expect(sophia.state.estimates).toBe(2);
  });

  test('takes 64 parts where it primes and 8 later', async () => {
    const { sophia, gradients } = bySophia();
    const gradient = () => {
      gradients.fill(1);
      return 1;
    };
    expect((await estimateHessian(sophia, { gradient })).parts).toBe(64);
    expect((await estimateHessian(sophia, { gradient })).parts).toBe(8);
  });

  test('that fails leaves an optimizer that can step and be primed', async () => {
    const { sophia, gradients } = bySophia();
    const failing = estimateHessian(sophia, {
      gradient: (part) => {
        gradients.fill(1);
        if (part === 2) throw new SoulError('SOUL_CANCELLED', 'enough');
        return 1;
      },
    });
    expect(await codeOf(failing)).toBe('SOUL_CANCELLED');
    expect([...gradients]).toEqual([0, 0]);
    await estimateHessian(sophia, { parts: 2, prime: true, gradient: () => gradients.fill(1).length });
    expect([...sophia.state.hessian.array]).toEqual([2, 2]);
    await sophia.step();
    expect(await codeOf(estimateHessian(sophia, { gradient: () => 0 }))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(estimateHessian(sophia, { gradient: () => gradients.fill(Number.NaN).length }))).toBe(
      'SOUL_NON_FINITE',
    );
    expect(await codeOf(estimateHessian(sophia, { gradient: 3 as never }))).toBe('SOUL_INVALID_ARGUMENT');
    for (const optimizer of [undefined, new AdamW(setUp())]) {
      expect(await codeOf(estimateHessian(optimizer as never, { gradient: () => 1 }))).toBe('SOUL_INVALID_ARGUMENT');
    }
    // One that was to prime and failed is begun anew by the next, unasked.
    const again = (fails: boolean) =>
      estimateHessian(sophia, {
        parts: 2,
        ...(fails ? { prime: true } : {}),
        gradient: (part) => {
          if (fails && part === 1) throw new SoulError('SOUL_CANCELLED', 'enough');
          return gradients.fill(3).length;
        },
      });
    expect(await codeOf(again(true))).toBe('SOUL_CANCELLED');
    await again(false);
    expect([...sophia.state.hessian.array]).toEqual([18, 18]);
  });
});

describe('a rho that was set from few parts', () => {
  const warningAfter = async (parts: number) => {
    const { sophia, gradients } = bySophia(2, { rho: { clippedFraction: 0.5 } });
    const gradient = () => gradients.fill(1).length;
    await estimateHessian(sophia, { parts, gradient });
    gradients.fill(1);
    const first = await sophia.step();
    await estimateHessian(sophia, { parts: 64, gradient });
    expect((await sophia.step()).warning).toBe(first.warning);
    return first.warning;
  };

  test('is warned of, at every step that rests on it', async () => {
    expect(await warningAfter(1)).toMatch(/^rho was set from an estimate of 1 part: .* 64 parts or more/);
    expect(await warningAfter(15)).toMatch(/15 parts/);
    expect(await warningAfter(16)).toBeUndefined();
  });

  test('until it follows a better estimate', async () => {
    const { sophia, gradients } = bySophia(2, { rho: { clippedFraction: 0.5, follow: true } });
    const gradient = () => gradients.fill(1).length;
    for (const [parts, warned] of [
      [1, true],
      [64, false],
    ] as const) {
      await estimateHessian(sophia, { parts, prime: true, gradient });
      gradients.fill(1);
      expect('warning' in (await sophia.step())).toBe(warned);
    }
  });

  test('counts what many single estimates come to', async () => {
    const { sophia, gradients } = bySophia(2, { rho: { clippedFraction: 0.5 } });
    for (let i = 0; i < 20; i++) {
      gradients.fill(1);
      await sophia.updateHessian({ batchSize: 2 });
    }
    expect(await sophia.step()).not.toHaveProperty('warning');
    // After one that primed, they weigh next to nothing.
    const primed = bySophia(2, { rho: { clippedFraction: 0.5 } });
    for (let i = 0; i < 20; i++) {
      primed.gradients.fill(1);
      await primed.sophia.updateHessian({ batchSize: 2, prime: i === 0 });
    }
    expect((await primed.sophia.step()).warning).toMatch(/of 1 part/);
  });

  test('but not where rho is a number', async () => {
    const { sophia } = bySophia();
    await sophia.updateHessian({ batchSize: 4, prime: true });
    expect(await sophia.step()).not.toHaveProperty('warning');
  });
});

test('a layout that comes with the parameters gives the groups: norm weights do not decay, embeddings do not count', async () => {
  const layout = ParameterLayout.of([
    { name: 'embedding', shape: [4], group: 'embedding' },
    { name: 'matrix', shape: [4], group: 'matrix' },
    { name: 'norm', shape: [4], group: 'vector' },
  ]);
  for (const Optimizer of [AdamW, Sophia]) {
    const values = FlatBuffer.alloc(layout.length);
    const parameters = { values, gradients: FlatBuffer.alloc(layout.length), layout };
    values.array.fill(1);
    const { groups } = await new Optimizer(parameters, { learningRate: 0.1, weightDecay: 0.5 }).step();
    expect(groups.map(({ name }) => name)).toEqual(['embedding', 'matrix', 'vector']);
    expect([values.array[0], values.array[256], values.array[512]]).toEqual([Math.fround(0.95), Math.fround(0.95), 1]);
    const ungrouped = await new Optimizer(parameters, { parameterGroups: [] }).step();
    expect(ungrouped.groups.map(({ name }) => name)).toEqual(['default']);
  }
});

test('soul-repo is the same in a run and as a class', () => {
  const { estimator, ...settings } = soulRepoDefaults;
  const estimateBatchSize = estimator.squaredGradient.batchSize;
  expect(completeOptimizerSettings('soul-repo', {})).toEqual({ ...settings, estimateBatchSize, nonFinite: 'skip' });
  expect(settings.weightDecay).toBe(0.1);
  const sophia = Sophia.soulRepo(setUp());
  expect([sophia.weightDecay, sophia.learningRate, sophia.rho]).toEqual([0.1, 1e-5, 0.04]);
});

describe('a rho that follows its fraction', () => {
  const length = 64;
  /** Gradients that differ from weight to weight, and shrink. */
  const shrinking = async (follow: boolean) => {
    const { sophia, gradients } = bySophia(length, { betas: [0, 0.5], rho: { clippedFraction: 0.25, follow } });
    const fill = (size: number) => {
      for (let i = 0; i < length; i++) gradients[i] = size * (1 + ((i * 37) % length));
    };
    const figures: { rho: number; clippedFraction: number }[] = [];
    for (let step = 0; step < 6; step++) {
      if (step % 2 === 0)
        await estimateHessian(sophia, { parts: 16, prime: true, gradient: () => gradients.fill(1).length });
      fill(10 ** -step);
      const { rho, clippedFraction } = await sophia.step({ zeroGradients: true });
      figures.push({ rho: rho!, clippedFraction: clippedFraction! });
    }
    return { sophia, gradients, figures };
  };

  test('clips the same share after each estimate, and keeps rho between', async () => {
    const { figures } = await shrinking(true);
    for (const step of [0, 2, 4]) expect(figures[step]!.clippedFraction).toBe(0.25);
    for (const step of [1, 3, 5]) {
      expect(figures[step]!.rho).toBe(figures[step - 1]!.rho);
      expect(figures[step]!.clippedFraction).toBeLessThan(0.25);
    }
    // m shrank a hundredfold between estimates, and with it the rho that clips as many.
    expect(figures[2]!.rho / figures[0]!.rho).toBeCloseTo(0.01, 5);
  });

  test('is otherwise kept, and the share falls', async () => {
    const { figures } = await shrinking(false);
    expect(new Set(figures.map(({ rho }) => rho)).size).toBe(1);
    expect(figures.map(({ clippedFraction }) => clippedFraction)).toEqual([0.25, 0, 0, 0, 0, 0]);
  });

  test('waits for a step that is not skipped, and holds where none can be found', async () => {
    const { sophia, gradients, figures } = await shrinking(true);
    await estimateHessian(sophia, { parts: 16, prime: true, gradient: () => gradients.fill(1).length });
    gradients[0] = Number.NaN;
    expect((await sophia.step()).skipped).toBe(true);
    gradients.fill(0);
    // m is 0 everywhere: no rho would clip a quarter.
    expect((await sophia.step()).rho).toBe(figures.at(-1)!.rho);
  });

  test('goes on from a state file: an estimate that no step has followed yet is known', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'soul-follow-')), 'state.safetensors');
    const { sophia, gradients } = await shrinking(true);
    await estimateHessian(sophia, { parts: 16, prime: true, gradient: () => gradients.fill(10).length });
    await sophia.saveState(path);
    const other = (await shrinking(true)).sophia;
    await other.loadState(path);
    for (const each of [sophia, other]) (each.parameters.gradients.array as Float32Array).fill(1);
    const rho = (await sophia.step()).rho;
    expect((await other.step()).rho).toBe(rho);
    // And one that is followed is not waited for.
    await sophia.saveState(path);
    await estimateHessian(other, { parts: 16, prime: true, gradient: () => 1 }).catch(() => {});
    await other.loadState(path);
    (other.parameters.gradients.array as Float32Array).fill(3);
    expect((await other.step()).rho).toBe(rho);
    await rm(dirname(path), { recursive: true });
  });

  test('is true or false', () => {
    expect(() => bySophia(2, { rho: { clippedFraction: 0.1, follow: 1 } })).toThrow('rho.follow must be true or false');
  });
});
