import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import type { AdamW } from '../../lib/optim/adamw.ts';
import {
  completeOptimizerSettings,
  completeRunSettings,
  createOptimizer,
  type RunSettings,
} from '../../lib/run/index.ts';
import { chooseAlgorithm } from '../../lib/run/run-defaults.ts';

const least: RunSettings = { model: 'm', target: 't', retain: 'r', out: 'o', method: 'graddiff', optimizer: 'sophia' };
const optional = [
  ...['methodSettings', 'optimizerSettings', 'curvature', 'hessianData', 'epochs', 'steps', 'batchSize'],
  ...[
    'microBatchSize',
    'pairing',
    'schedule',
    'warmup',
    'refusals',
    'alternatives',
    'template',
    'maximumLength',
    'seed',
    'evaluate',
  ],
  ...['allowTruncation', 'allowOverlap', 'overwrite', 'load'],
];
const undefinedOf = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, undefined]));

describe('undefined means absent', () => {
  test('in the settings of a run', () => {
    const given = { ...least, ...undefinedOf(optional) } as RunSettings;
    const complete = completeRunSettings(given, chooseAlgorithm('graddiff'));
    expect(complete).toEqual(completeRunSettings(least, chooseAlgorithm('graddiff')));
    expect(complete).toMatchObject({ maximumLength: 512, batchSize: 8, evaluate: 100 });
  });

  test.each(['adamw', 'sophia', 'soul-repo', 'sign', 'sgd'] as const)('in the settings of %s', (name) => {
    const names = [
      'learningRate',
      'weightDecay',
      'betas',
      'epsilon',
      'clipNorm',
      'rho',
      'clippedFraction',
      'denominator',
      'momentum',
    ];
    expect(completeOptimizerSettings(name, undefinedOf(names))).toEqual(completeOptimizerSettings(name, {}));
  });

  test('in curvature options, which another optimizer than sophia does not take', () => {
    const curvature = undefinedOf(['every', 'chunks', 'chunkSize', 'primingChunks', 'labels', 'source']);
    const settings = { ...least, optimizer: 'adamw' as const };
    expect(() => completeRunSettings({ ...settings, curvature }, chooseAlgorithm('graddiff'))).not.toThrow();
    expect(() => completeRunSettings({ ...settings, curvature: { every: 5 } }, chooseAlgorithm('graddiff'))).toThrow(
      'belong to the optimizer sophia',
    );
  });
});

describe('precision', () => {
  const bf16 = () => FlatBuffer.alloc(256, { dtype: 'bf16' });
  const layout = ParameterLayout.of([{ name: 'a', shape: [256], group: 'matrix' }]);

  test.each(['adamw', 'sophia', 'soul-repo', 'sign', 'sgd'] as const)('is that of the optimizer %s', (name) => {
    const given = { precision: { master: 'none', states: 'bf16' } } as const;
    const optimizer = createOptimizer(
      name,
      { values: bf16(), gradients: bf16(), layout },
      completeOptimizerSettings(name, given),
    ) as AdamW;
    expect(optimizer.state.momentum.dtype).toBe('bf16');
    expect(optimizer.state.master).toBeUndefined();
  });

  test('draws of its rounding are those of the seed', async () => {
    const values = async (seed: bigint) => {
      const parameters = { values: bf16(), gradients: bf16(), layout };
      await parameters.values.fill(1);
      await parameters.gradients.fill(1);
      const precision = { master: 'none' } as const;
      const optimizer = createOptimizer('adamw', parameters, { learningRate: 1e-3, precision }, { seed });
      await optimizer.step();
      return [...(await parameters.values.toFloat32Array())];
    };
    expect(await values(1n)).toEqual(await values(1n));
    expect(await values(1n)).not.toEqual(await values(2n));
  });

  test('of weights that are their own master is refused before a model is loaded', () => {
    const settings = { ...least, optimizerSettings: { precision: { master: 'f32' } } } as const;
    const complete = (dtype: string) =>
      completeRunSettings({ ...settings, load: { dtype } }, chooseAlgorithm('graddiff'));
    expect(() => complete('bf16')).not.toThrow();
    expect(() => complete('f32')).toThrow(/precision\.master must be 'none' for values of dtype f32/);
  });
});

describe('what is kept', () => {
  const { retain: _, ...without } = least;
  const complete = (more: Partial<RunSettings>) =>
    completeRunSettings({ ...without, ...more }, chooseAlgorithm('graddiff'));

  test('may be the rest of the files whose examples are chosen', () => {
    const settings = complete({ targetFilter: 'author=a', retainRest: true });
    expect(settings).toMatchObject({ retainRest: true, hessianData: 'retain' });
    // As the record of a run with a file says it.
    expect(complete({ retain: 'r', retainRest: false })).toMatchObject({ retain: 'r', retainRest: false });
  });

  test.each<[string, Partial<RunSettings>, RegExp]>([
    ['nothing', { targetFilter: 'a=b' }, /name its file \(--retain\), keep the rest of the files \(--retain-rest\)/],
    ['the rest of whole files', { retainRest: true }, /where a filter leaves something \(--forget-filter\)/],
    ['both', { retain: 'r', retainRest: true, targetFilter: 'a=b' }, /give retainRest or retain, not both/],
    ['what a filter chooses of nothing', { retainFilter: 'a=b' }, /nothing to keep for the filter/],
  ])('%s is refused', (_, more, problem) => {
    expect(() => complete(more)).toThrow(problem);
  });
});
