import { describe, expect, test } from '@jest/globals';
import { completeOptimizerSettings, completeRunSettings, type RunSettings } from '../../lib/run/index.ts';
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

  test.each(['adamw', 'sophia', 'soul-repo'] as const)('in the settings of %s', (name) => {
    const names = [
      'learningRate',
      'weightDecay',
      'betas',
      'epsilon',
      'clipNorm',
      'rho',
      'clippedFraction',
      'denominator',
    ];
    expect(completeOptimizerSettings(name, undefinedOf(names))).toEqual(completeOptimizerSettings(name, {}));
  });

  test('in curvature options, which another optimizer than sophia does not take', () => {
    const curvature = undefinedOf(['every', 'chunks', 'chunkSize', 'primingChunks', 'labels']);
    const settings = { ...least, optimizer: 'adamw' as const };
    expect(() => completeRunSettings({ ...settings, curvature }, chooseAlgorithm('graddiff'))).not.toThrow();
    expect(() => completeRunSettings({ ...settings, curvature: { every: 5 } }, chooseAlgorithm('graddiff'))).toThrow(
      'belong to the optimizer sophia',
    );
  });
});
