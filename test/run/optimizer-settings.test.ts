import { describe, expect, test } from '@jest/globals';
import { AdamW, FlatBuffer, type Optimizer, Sophia } from '../../lib/index.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import {
  completeOptimizerSettings,
  createOptimizer,
  type OptimizerName,
  type OptimizerSettings,
} from '../../lib/run/index.ts';

const layout = ParameterLayout.of([
  { name: 'embed', shape: [256], group: 'embedding' },
  { name: 'mlp', shape: [256], group: 'matrix' },
  { name: 'norm', shape: [256], group: 'vector' },
]);

function parameters() {
  const values = FlatBuffer.from(Float32Array.from({ length: layout.length }, (_, i) => Math.sin(i)));
  const gradients = FlatBuffer.from(Float32Array.from({ length: layout.length }, (_, i) => Math.cos(3 * i)));
  return { values, gradients, layout };
}

/** The values after two steps with the same gradient, and a skipped one. */
async function stepped(make: (over: ReturnType<typeof parameters>) => Optimizer): Promise<Float32Array> {
  const over = parameters();
  const optimizer = make(over);
  for (let step = 0; step < 2; step++) {
    if (optimizer instanceof Sophia && optimizer.estimator === 'external') {
      await optimizer.updateHessian({ batchSize: 64, prime: step === 0 });
    }
    await optimizer.step();
    await over.gradients.fill(step + 0.25);
  }
  await optimizer.release();
  return over.values.array.slice();
}

const ofRun = (name: OptimizerName, given: OptimizerSettings) =>
  stepped((over) => createOptimizer(name, over, completeOptimizerSettings(name, given)));

const common = { learningRate: 0.1, weightDecay: 0.5, clipNorm: 1 };
const groups = layout.ranges();

describe('settings of a run give the optimizer the options of the library', () => {
  test('groups of weights have rates and decays of their own, and keep the others', async () => {
    const learningRateScales = { embedding: 0.25, vector: 0 };
    const weightDecays = { matrix: 0.125 };
    const own = [
      { ...groups[0]!, learningRateScale: 0.25 },
      { ...groups[1]!, weightDecay: 0.125 },
      { ...groups[2]!, learningRateScale: 0 },
    ];
    const byRun = await ofRun('adamw', { ...common, learningRateScales, weightDecays });
    expect(byRun).toEqual(await stepped((over) => new AdamW(over, { ...common, parameterGroups: own })));
    expect(byRun.slice(512)).toEqual(parameters().values.array.slice(512));
    expect(byRun).not.toEqual(await ofRun('adamw', common));
  });

  test.each<[OptimizerSettings, ConstructorParameters<typeof Sophia>[1]]>([
    [{}, { rho: { clippedFraction: 0.1 } }],
    [{ followClippedFraction: true }, { rho: { clippedFraction: 0.1, follow: true } }],
    [{ momentumBiasCorrection: false }, { rho: { clippedFraction: 0.1 }, momentumBiasCorrection: false }],
    [
      { rho: 0.5, momentumBiasCorrection: true, momentumUpdates: 2 },
      { rho: 0.5, momentumBiasCorrection: true, momentumUpdates: 2 },
    ],
    [
      { rho: 0.5, denominator: 'max' },
      { rho: 0.5, denominator: 'max' },
    ],
  ])('of sophia: %j', async (settings, options) => {
    const own = await stepped((over) => new Sophia(over, { ...common, ...options }));
    expect(await ofRun('sophia', { ...common, ...settings })).toEqual(own);
  });

  test("of soul-repo, whose defaults are the repository's", async () => {
    const { learningRate } = common;
    const plain = await stepped((over) => Sophia.soulRepo(over, { learningRate }));
    expect(await ofRun('soul-repo', { learningRate })).toEqual(plain);
    const estimator = { squaredGradient: { batchSize: 0.5 } };
    const small = await stepped((over) => Sophia.soulRepo(over, { learningRate, estimator }));
    expect(await ofRun('soul-repo', { learningRate, estimateBatchSize: 0.5 })).toEqual(small);
    expect(small).not.toEqual(plain);
  });

  test.each(['adamw', 'sophia', 'soul-repo', 'sign', 'sgd'] as const)('nonFinite, of %s', async (name) => {
    const { values, gradients } = parameters();
    gradients.array[3] = Number.NaN;
    const given: OptimizerSettings = name === 'sophia' ? { rho: 1 } : {};
    for (const nonFinite of ['skip', 'propagate'] as const) {
      const settings = completeOptimizerSettings(name, { ...given, nonFinite });
      const optimizer = createOptimizer(name, { values, gradients, layout }, settings);
      expect([nonFinite, (await optimizer.step()).skipped]).toEqual([nonFinite, nonFinite === 'skip']);
      await optimizer.release();
    }
  });
});

test.each<[OptimizerName, object, RegExp]>([
  [
    'adamw',
    { learningRateScales: { embeding: 1 } },
    /learningRateScales has no option embeding; did you mean embedding\?/,
  ],
  ['adamw', { weightDecays: { matrix: -1 } }, /optimizerSettings\.weightDecays\.matrix must be a number of at least 0/],
  ['adamw', { momentumUpdates: 2 }, /momentumUpdates is a setting of sophia and soul-repo, not of adamw/],
  ['soul-repo', { followClippedFraction: true }, /followClippedFraction is a setting of sophia, not of soul-repo/],
  ['sophia', { estimateBatchSize: 1 }, /estimateBatchSize is a setting of soul-repo, not of sophia/],
])('%s refuses %j', (name, given, message) => {
  expect(() => completeOptimizerSettings(name, given)).toThrow(message);
});

test('what the optimizer itself refuses', () => {
  const make = (given: OptimizerSettings) => () =>
    createOptimizer('sophia', parameters(), completeOptimizerSettings('sophia', given));
  expect(make({ momentumUpdates: 3 })).toThrow(/momentumUpdates must be 1 or 2/);
  expect(make({ rho: 1, followClippedFraction: true })).toThrow(
    /followClippedFraction is of a rho that is chosen by clippedFraction/,
  );
});
