import { describe, expect, test } from '@jest/globals';
import { FlatBuffer, Sophia, type SophiaOptions } from '../../lib/index.ts';
import { hashed } from './hashed.ts';
import { codeOf, setUp } from './set-up.ts';

const exact: SophiaOptions = { learningRate: 0.01, betas: [0.9, 0.95], rho: 0.5, weightDecay: 0.1 };

function ratios(sophia: Sophia, rho: number, correction = 1): number[] {
  const { momentum, hessian } = sophia.state;
  return [...momentum.array].map((m, i) => (Math.abs(m) * correction) / (rho * hessian.array[i]!));
}

describe('the estimate', () => {
  test('is averaged in with the batch size folded in', async () => {
    const { values, gradients } = setUp();
    const sophia = new Sophia({ values, gradients }, exact);
    await sophia.updateHessian({ batchSize: 8, prime: true });
    await sophia.updateHessian({ batchSize: 3 });
    for (const [i, h] of sophia.state.hessian.array.entries()) {
      const g2 = gradients.array[i]! ** 2;
      expect(h).toBeCloseTo(0.95 * 8 * g2 + 0.05 * 3 * g2, 5);
    }
  });

  test.each([true, false])('in parts is the mean of its parts (prime: %s)', async (prime) => {
    const parts = [3, 4, 5].map((stream) => FlatBuffer.from(hashed(stream, 37)));
    const sophia = new Sophia(setUp(), exact);
    await sophia.updateHessian({ batchSize: 2, prime: true });
    const before = (await sophia.state.hessian.toFloat32Array()).slice();
    for (const [i, from] of parts.entries()) {
      await sophia.updateHessian({ from, batchSize: 10 + i, part: [i, 3], ...(i === 0 ? { prime } : {}) });
    }
    for (const [i, h] of sophia.state.hessian.array.entries()) {
      const mean = parts.reduce((sum, part, p) => sum + (10 + p) * part.array[i]! ** 2, 0) / 3;
      expect(h).toBeCloseTo(prime ? mean : 0.95 * before[i]! + 0.05 * mean, 4.5);
    }
  });

  test('in parts must come in order, and end before a step', async () => {
    const sophia = new Sophia(setUp(), exact);
    expect(await codeOf(sophia.updateHessian({ batchSize: 1, part: [1, 2] }))).toBe('SOUL_INVALID_ARGUMENT');
    await sophia.updateHessian({ batchSize: 1, part: [0, 3] });
    const before = await sophia.state.hessian.toFloat32Array();
    expect(await codeOf(sophia.updateHessian({ batchSize: 1, part: [0, 3] }))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(sophia.updateHessian({ batchSize: 1, part: [2, 3] }))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(sophia.updateHessian({ batchSize: 1, part: [1, 4] }))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(sophia.updateHessian({ batchSize: 1, part: [1, 3], prime: true }))).toBe(
      'SOUL_INVALID_ARGUMENT',
    );
    expect(await codeOf(sophia.step())).toBe('SOUL_INVALID_ARGUMENT');
    expect(await sophia.state.hessian.toFloat32Array()).toEqual(before);
    await sophia.updateHessian({ batchSize: 1, part: [1, 3] });
    await sophia.updateHessian({ batchSize: 1, part: [2, 3] });
    expect((await sophia.step()).step).toBe(1);
  });

  test.each([false, true])('in parts that was given up leaves nothing behind (primed: %s)', async (prime) => {
    const [restarted, fresh] = [0, 1].map(() => new Sophia(setUp(), exact)) as [Sophia, Sophia];
    const other = FlatBuffer.from(hashed(8, 37));
    await restarted.updateHessian({ from: other, batchSize: 9 });
    await restarted.updateHessian({ from: other, batchSize: 9, part: [0, 3], prime });
    const message = await restarted.step().catch((error: Error) => error.message);
    expect(message).toContain('give it up with { part: [0, n], prime: true }');
    for (const sophia of [restarted, fresh]) {
      for (const part of [0, 1]) {
        await sophia.updateHessian({ batchSize: 2, part: [part, 2], ...(part === 0 ? { prime: true } : {}) });
      }
    }
    expect(restarted.state.hessian.array).toEqual(fresh.state.hessian.array);
    expect((await restarted.step()).step).toBe(1);
  });

  test('in parts that was given up for one of which every part is left out leaves no curvature', async () => {
    const sophia = new Sophia(setUp(), { ...exact, rho: { clippedFraction: 0.2 } });
    const bad = FlatBuffer.from(new Float32Array(37).fill(Number.NaN));
    await sophia.updateHessian({ batchSize: 9, prime: true });
    await sophia.updateHessian({ batchSize: 9, part: [0, 3] });
    expect(await sophia.updateHessian({ from: bad, batchSize: 9, part: [0, 1], prime: true })).toEqual({
      skipped: true,
    });
    expect(sophia.state.hessian.array.every((h) => h === 0)).toBe(true);
    expect(await codeOf(sophia.step())).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('leaves out what is not finite', async () => {
    const { values, gradients } = setUp();
    const sophia = new Sophia({ values, gradients }, exact);
    const good = FlatBuffer.from(hashed(7, 37));
    const bad = FlatBuffer.from(hashed(8, 37).fill(Number.NaN, 5, 6));
    expect(await sophia.updateHessian({ from: bad, batchSize: 4 })).toEqual({ skipped: true });
    expect(sophia.state.hessian.array.every((h) => h === 0)).toBe(true);
    expect(await sophia.updateHessian({ from: bad, batchSize: 4, part: [0, 2], prime: true })).toEqual({
      skipped: true,
    });
    expect(await sophia.updateHessian({ from: good, batchSize: 4, part: [1, 2] })).toEqual({ skipped: false });
    for (const [i, h] of sophia.state.hessian.array.entries()) expect(h).toBeCloseTo(2 * good.array[i]! ** 2, 5);
  });

  test('primed, it sets even a diagonal that is not finite', async () => {
    const sophia = new Sophia(setUp(), { ...exact, nonFinite: 'propagate' });
    const bad = FlatBuffer.from(new Float32Array(37).fill(Number.NaN));
    await sophia.updateHessian({ from: bad, batchSize: 1 });
    expect(sophia.state.hessian.array[0]).toBeNaN();
    await sophia.updateHessian({ batchSize: 1, prime: true });
    expect(sophia.state.hessian.array.every(Number.isFinite)).toBe(true);
  });
});

describe('the step', () => {
  test('is told of when its promise settles, and not while JavaScript runs', async () => {
    // Long enough for a thread of its own.
    const [values, gradients] = [FlatBuffer.alloc(60_000), FlatBuffer.alloc(60_000)];
    await gradients.fill(1);
    const sophia = new Sophia({ values, gradients }, exact);
    await sophia.updateHessian({ batchSize: 1, prime: true });
    const step = sophia.step();
    const until = performance.now() + 100;
    while (performance.now() < until && sophia.state.step === 0);
    expect(sophia.state.step).toBe(0);
    expect((await step).step).toBe(1);
    expect(sophia.state.step).toBe(1);
  });

  test('with an estimate in it is the same, to the bit, as the two calls', async () => {
    const [fused, separate] = [0, 1].map(() => new Sophia(setUp(1500), exact)) as [Sophia, Sophia];
    const from = FlatBuffer.from(hashed(6, 1500));
    for (let step = 0; step < 5; step++) {
      const one = fused.step({ hessian: { from, batchSize: 7 }, zeroGradients: step === 4 });
      separate.updateHessian({ from, batchSize: 7 });
      const two = separate.step({ zeroGradients: step === 4 });
      expect(await one).toEqual(await two);
    }
    expect(fused.parameters.values.array).toEqual(separate.parameters.values.array);
    expect(fused.state.momentum.array).toEqual(separate.state.momentum.array);
    expect(fused.state.hessian.array).toEqual(separate.state.hessian.array);
    expect(fused.parameters.gradients.array.every((g) => g === 0)).toBe(true);
  });

  test('without any curvature is sign descent', async () => {
    const { values, gradients } = setUp();
    const before = values.array.slice();
    const sophia = new Sophia({ values, gradients }, { ...exact, weightDecay: 0 });
    const stats = await sophia.step();
    expect(stats).toMatchObject({ step: 1, skipped: false, rho: 0.5, clippedFraction: 1, changedFraction: 1 });
    for (const [i, x] of values.array.entries()) {
      expect(x).toBeCloseTo(before[i]! - 0.01 * Math.sign(gradients.array[i]!), 6);
    }
  });

  test.each(['sum', 'max'] as const)('divides by the %s', async (denominator) => {
    const { values, gradients } = setUp();
    const before = values.array.slice();
    const sophia = new Sophia({ values, gradients }, { ...exact, epsilon: 0.1, denominator });
    await sophia.updateHessian({ batchSize: 1, prime: true });
    const { clippedFraction } = await sophia.step();
    let clipped = 0;
    for (const [i, x] of values.array.entries()) {
      const [g, m] = [gradients.array[i]!, 0.1 * gradients.array[i]!];
      const curvature = 0.5 * g * g;
      const ratio = Math.abs(m) / (denominator === 'sum' ? curvature + 0.1 : Math.max(curvature, 0.1));
      clipped += ratio >= 1 ? 1 : 0;
      expect(x).toBeCloseTo(before[i]! * (1 - 0.001) - 0.01 * Math.sign(m) * Math.min(1, ratio), 6);
    }
    expect(clippedFraction).toBeCloseTo(clipped / 37, 10);
  });

  test.each(['sum', 'max'] as const)('shows a curvature that is NaN (%s)', async (denominator) => {
    const sophia = new Sophia(setUp(), { ...exact, denominator });
    sophia.state.hessian.array[3] = Number.NaN;
    await sophia.step();
    expect([...sophia.parameters.values.array].map(Number.isNaN).indexOf(true)).toBe(3);
    expect([...sophia.parameters.values.array].filter(Number.isNaN)).toHaveLength(1);
  });

  test('takes overrides for one step alone', async () => {
    const { values, gradients } = setUp();
    const before = values.array.slice();
    const sophia = new Sophia({ values, gradients }, { ...exact, weightDecay: 0 });
    expect((await sophia.step({ learningRate: 0 })).changedFraction).toBe(0);
    expect(values.array).toEqual(before);
    expect(sophia.learningRate).toBe(0.01);
    await sophia.step({ learningRate: 0.5, weightDecay: 1 });
    for (const [i, x] of values.array.entries()) {
      expect(x).toBeCloseTo(before[i]! * 0.5 - 0.5 * Math.sign(gradients.array[i]!), 6);
    }
  });

  test('clips by the norm as clip_grad_norm_ does', async () => {
    const { values, gradients } = setUp();
    const norm = Math.hypot(...gradients.array);
    const sophia = new Sophia({ values, gradients }, { ...exact, clipNorm: norm / 4 });
    expect((await sophia.step()).gradientNorm).toBeCloseTo(norm, 6);
    for (const [i, m] of sophia.state.momentum.array.entries()) {
      expect(m).toBeCloseTo((0.1 * gradients.array[i]!) / 4, 6);
    }
  });

  test('reports the norm whether or not it had to look first', async () => {
    const norm = Math.hypot(...setUp(5000).gradients.array);
    for (const nonFinite of ['skip', 'propagate'] as const) {
      expect((await new Sophia(setUp(5000), { nonFinite }).step()).gradientNorm).toBeCloseTo(norm, 6);
    }
  });

  test('corrects the bias of the momentum in the ratio only', async () => {
    const { values, gradients } = setUp();
    const before = values.array.slice();
    const sophia = new Sophia(
      { values, gradients },
      { ...exact, weightDecay: 0, rho: 50, momentumBiasCorrection: true },
    );
    await sophia.updateHessian({ batchSize: 1, prime: true });
    await sophia.step();
    for (const [i, ratio] of ratios(sophia, 50, 10).entries()) {
      const expected = before[i]! - 0.01 * Math.sign(gradients.array[i]!) * Math.min(1, ratio);
      expect(values.array[i]).toBeCloseTo(expected, 6);
    }
    expect(sophia.state.momentum.array[3]).toBeCloseTo(0.1 * gradients.array[3]!, 7);
  });
});

describe('gradients that are not finite', () => {
  test.each([Number.NaN, Infinity, -Infinity])('%p: the step is skipped and nothing changes', async (bad) => {
    const { values, gradients } = setUp();
    const sophia = new Sophia({ values, gradients }, exact);
    await sophia.updateHessian({ batchSize: 5 });
    await sophia.step();
    const state = () =>
      [values, gradients, sophia.state.momentum, sophia.state.hessian].map(({ array }) => array.slice());
    gradients.array[36] = bad;
    const before = state();
    const stats = await sophia.step({ zeroGradients: true, hessian: { from: FlatBuffer.alloc(37), batchSize: 4 } });
    expect(stats).toMatchObject({ step: 1, skipped: true, clippedFraction: 0, changedFraction: 0 });
    expect(state()).toEqual(before);
    gradients.array[36] = 1;
    const from = FlatBuffer.from(new Float32Array(37).fill(bad));
    expect(await sophia.step({ hessian: { from, batchSize: 4 } })).toMatchObject({ step: 1, skipped: true });
    expect(state().slice(2)).toEqual(before.slice(2));
    expect(await sophia.step()).toMatchObject({ step: 2, skipped: false });
  });

  test('propagate when asked', async () => {
    const { values, gradients } = setUp();
    gradients.array[3] = Number.NaN;
    const sophia = new Sophia({ values, gradients }, { ...exact, nonFinite: 'propagate' });
    const stats = await sophia.step();
    expect(stats).toMatchObject({ step: 1, skipped: false });
    expect(stats.gradientNorm).toBeNaN();
    expect([...values.array].map(Number.isNaN).indexOf(true)).toBe(3);
    expect([...values.array].filter(Number.isNaN)).toHaveLength(1);
  });
});

describe('rho by the clipped fraction', () => {
  test.each([0.01, 0.1, 0.5, 0.9])('%p of the weights are clipped at the first step', async (clippedFraction) => {
    const length = 10_000;
    const sophia = new Sophia(setUp(length), { ...exact, rho: { clippedFraction } });
    const from = FlatBuffer.from(hashed(9, length));
    expect(sophia.rho).toBeNaN();
    expect(await codeOf(sophia.step())).toBe('SOUL_INVALID_ARGUMENT');
    await sophia.updateHessian({ from, batchSize: 3, prime: true });
    const stats = await sophia.step();
    expect(stats.clippedFraction).toBeCloseTo(clippedFraction, 3);
    const hessian = [...sophia.state.hessian.array];
    const least = (1e-7 * hessian.reduce((sum, h) => sum + h, 0)) / length;
    const reliable = ratios(sophia, 1, 10).filter((_, i) => hessian[i]! > least);
    const ordered = reliable.sort((a, b) => b - a);
    expect(stats.rho! / ordered[Math.round(reliable.length * clippedFraction) - 1]!).toBeCloseTo(1, 5);
    await sophia.updateHessian({ batchSize: 100 });
    expect((await sophia.step()).rho).toBe(stats.rho);
    expect(sophia.rho).toBe(stats.rho);
  });

  test('may be set by a step that brings its estimate along', async () => {
    const [fused, separate] = [0, 1].map(() => new Sophia(setUp(), { rho: { clippedFraction: 0.3 } })) as [
      Sophia,
      Sophia,
    ];
    const from = FlatBuffer.from(hashed(9, 37));
    const one = await fused.step({ hessian: { from, batchSize: 3, prime: true } });
    await separate.updateHessian({ from, batchSize: 3, prime: true });
    expect(one).toEqual(await separate.step());
  });

  test('looks at weights with a curvature, outside embeddings', async () => {
    const length = 1000;
    const { values, gradients } = setUp(length);
    const from = FlatBuffer.from(hashed(9, length));
    from.array.fill(0, 500, 700);
    const parameterGroups = [{ name: 'embedding', start: 0, length: 500 }];
    gradients.array.fill(1e6, 0, 500);
    const sophia = new Sophia({ values, gradients }, { rho: { clippedFraction: 0.2 }, parameterGroups });
    await sophia.updateHessian({ from, batchSize: 3, prime: true });
    const { groups } = await sophia.step();
    expect(groups.map(({ name, length: own }) => [name, own])).toEqual([
      ['embedding', 500],
      ['default', 500],
    ]);
    // 200 weights without curvature are clipped, and a fifth of the other 300.
    expect(groups[1]!.clippedFraction).toBeCloseTo((200 + 60) / 500, 2);
    const only = new Sophia(setUp(length), {
      rho: { clippedFraction: 0.2 },
      parameterGroups: [{ name: 'embedding', start: 0, length }],
    });
    await only.updateHessian({ batchSize: 3, prime: true });
    expect((await only.step()).clippedFraction).toBeCloseTo(0.2, 2);
  });

  test('looks past what is not finite', async () => {
    const length = 1000;
    const { values, gradients } = setUp(length);
    const from = FlatBuffer.from(hashed(9, length));
    const sophia = new Sophia({ values, gradients }, { rho: { clippedFraction: 0.2 }, nonFinite: 'propagate' });
    await sophia.updateHessian({ from, batchSize: 3, prime: true });
    sophia.state.hessian.array.fill(Number.NaN, 0, 100).fill(Infinity, 100, 200);
    gradients.array.fill(Number.NaN, 200, 300);
    const { rho } = await sophia.step();
    const part = new Sophia(
      { values: values.view(300), gradients: gradients.view(300) },
      { rho: { clippedFraction: 0.2 } },
    );
    await part.updateHessian({ from: from.view(300), batchSize: 3, prime: true });
    expect(rho).toBe((await part.step()).rho);
  });

  test('is a typed error when nothing has a curvature', async () => {
    const { values, gradients } = setUp();
    const before = values.array.slice();
    const sophia = new Sophia({ values, gradients }, { rho: { clippedFraction: 0.1 } });
    await sophia.updateHessian({ from: FlatBuffer.alloc(37), batchSize: 3 });
    expect(await codeOf(sophia.step())).toBe('SOUL_INVALID_ARGUMENT');
    expect(values.array).toEqual(before);
    expect(sophia.state.step).toBe(0);
  });
});

describe('calls that nobody awaits', () => {
  test('give the same bits as awaited ones', async () => {
    const run = async (wait: boolean) => {
      const { values, gradients } = setUp(5000);
      const sophia = new Sophia({ values, gradients }, { rho: { clippedFraction: 0.2 } });
      for (let step = 0; step < 30; step++) {
        const work = [
          gradients.copyFrom(hashed(step, 5000)),
          ...(step % 5 === 0
            ? [0, 1].map((i) => sophia.updateHessian({ batchSize: 4, part: [i, 2], prime: step === 0 }))
            : []),
          sophia.step({ zeroGradients: true }),
        ];
        if (wait) await Promise.all(work);
      }
      return { values: await values.toFloat32Array(), step: sophia.state.step, rho: sophia.rho };
    };
    const awaited = await run(true);
    expect(awaited.step).toBe(30);
    expect(await run(false)).toEqual(awaited);
  });
});

describe('the preset soulRepo', () => {
  test('makes its own estimate and takes no other', async () => {
    const sophia = Sophia.soulRepo(setUp());
    expect(sophia.estimator).toBe('gradient');
    expect(await codeOf(sophia.updateHessian({ batchSize: 3 }))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(sophia.step({ hessian: { batchSize: 3 } }))).toBe('SOUL_INVALID_ARGUMENT');
    await sophia.step();
    expect(sophia.state.hessian.array.some((h) => h > 0)).toBe(true);
  });
});
