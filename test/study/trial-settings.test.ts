import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import { createOptimizer, defaultLearningRate } from '../../lib/run/index.ts';
import { chooseAlgorithm } from '../../lib/run/run-defaults.ts';
import { type StudyFile, studyOptimizers, tasksOf, trialIdentity, trialSettings } from '../../lib/study/index.ts';
import { smallStudy } from './small-study.ts';

const size = { weights: 1e6, examples: 16 };
const all = smallStudy({
  methods: ['graddiff', { name: 'npo', settings: { beta: 0.3, retainCoefficient: 2 } }],
  optimizers: studyOptimizers.map(({ name }) => name),
  ...{ seed: 7, draws: 3 },
});
const tasks = tasksOf(all);
const taskOf = (optimizer: string, method = 'graddiff', trial = 2, draw = 1) =>
  tasks.find(
    (task) => task.optimizer === optimizer && task.method === method && task.trial === trial && task.draw === draw,
  )!;
const settingsAt = (...at: Parameters<typeof taskOf>) => trialSettings(all, taskOf(...at), size);

describe('settings of a trial', () => {
  test('the learning rate is the factor on the default of optimizer, method and size', () => {
    for (const [optimizer, own] of [
      ['adamw', 'adamw'],
      ['gnb-1', 'sophia'],
      ['sign', 'sign'],
      ['soul-repo', 'soul-repo'],
      ['sgd', 'sgd'],
      // Steps of which every weight is clipped are as long as sign descent's, and those of the control nearly.
      ['constant-h', 'sign'],
      ['all-clipped', 'sign'],
    ] as const) {
      const usual = defaultLearningRate(own, chooseAlgorithm('graddiff'), size.weights);
      const { searched } = taskOf(optimizer);
      const { learningRate } = settingsAt(optimizer).optimizerSettings;
      expect(learningRate! / (searched.learningRateFactor * usual)).toBeCloseTo(1, 3);
    }
  });

  test('the method has the retain coefficient of the task, and its other settings as the study has them', () => {
    const { searched } = taskOf('adamw', 'npo');
    expect(searched.retainCoefficient).toBeCloseTo((taskOf('adamw').searched.retainCoefficient! * 2) / 5, 2);
    const { chosen, methodSettings } = settingsAt('adamw', 'npo');
    expect(methodSettings).toMatchObject({
      beta: 0.3,
      retainCoefficient: searched.retainCoefficient,
      reduction: 'sum',
    });
    expect(chosen.method!.terms.map(({ coefficient }) => coefficient)).toEqual([1, searched.retainCoefficient]);
  });

  test('mezo runs the method inside, with the same settings', () => {
    const { chosen, methodSettings, optimizer, optimizerSettings } = settingsAt('mezo', 'npo');
    expect(chosen.algorithm.name).toBe('mezo');
    const { searched } = taskOf('mezo', 'npo');
    expect(methodSettings).toMatchObject({
      ...{ mu: 1e-3, directions: 1 },
      method: { name: 'npo', beta: 0.3, retainCoefficient: searched.retainCoefficient },
    });
    expect(optimizer).toBe('sgd');
    expect(optimizerSettings.momentum).toBe(0);
    // Without momentum a rate counts ten times as much as with 0.9.
    const usual = defaultLearningRate('sgd', chooseAlgorithm('mezo'), size.weights);
    expect(optimizerSettings.learningRate! / (10 * usual * searched.learningRateFactor)).toBeCloseTo(1, 3);
  });

  test('a rate that is that of sgd knows nothing of the momentum of another optimizer', () => {
    const own = { name: 'mine', optimizer: 'sign', ratesOf: 'sgd', settings: { momentum: 0.5 } } as const;
    const study = smallStudy({ optimizers: [own] });
    const [task] = tasksOf(study);
    const usual = defaultLearningRate('sgd', chooseAlgorithm('graddiff'), size.weights);
    const { learningRate } = trialSettings(study, task!, size).optimizerSettings;
    expect(learningRate! / (usual * task!.searched.learningRateFactor)).toBeCloseTo(1, 3);
  });

  test('estimates are as the optimizer wants them, and there are none of others', () => {
    expect(settingsAt('gnb-forget')).toMatchObject({
      hessianData: 'forget',
      curvature: { labels: 'sampled', every: 20, chunks: 4, primingChunks: 32 },
      descent: { hessianData: 'forget', curvature: { labels: 'sampled' } },
    });
    expect(settingsAt('fisher').curvature!.labels).toBe('given');
    expect(settingsAt('constant-h').curvature!.labels).toBe('none');
    expect(settingsAt('gnb').optimizerSettings.clippedFraction).toBe(taskOf('gnb').searched.clippedFraction);
    for (const name of ['adamw', 'sign', 'sgd', 'soul-repo', 'mezo']) {
      expect(settingsAt(name)).not.toHaveProperty('curvature');
      expect(settingsAt(name).descent).not.toHaveProperty('hessianData');
    }
  });

  test('batches are those of the draw, whatever the optimizer and the trial', () => {
    for (const { name } of studyOptimizers) {
      for (const draw of [0, 2]) {
        for (const trial of [0, 5]) {
          const { seed, descent } = settingsAt(name, 'graddiff', trial, draw);
          expect(seed).toBe(7n + BigInt(draw));
          expect(descent).toMatchObject({
            batchSize: 8,
            microBatchSize: 8,
            schedule: { shape: 'linear', warmup: 0.1 },
          });
        }
      }
    }
    const last = smallStudy({ seed: '18446744073709551615', draws: 2 });
    expect(trialSettings(last, tasksOf(last).at(-1)!, size).seed).toBe(0n);
  });

  test('a trial is as long as the study says, else as a run is', () => {
    const descentOf = (training: StudyFile['training'], examples: number) => {
      const study = smallStudy(training ? { training } : {});
      return trialSettings(study, tasksOf(study)[0]!, { weights: 1e6, examples }).descent;
    };
    // 2 steps an epoch: 20 epochs make the 40 steps that a run takes at least.
    expect(descentOf(undefined, 16)).toMatchObject({ epochs: 20 });
    expect(descentOf(undefined, 80)).toMatchObject({ epochs: 10 });
    expect(descentOf({ epochs: 3 }, 16)).toMatchObject({ epochs: 3 });
    const inSteps = descentOf({ steps: 25, batchSize: 4, microBatchSize: 2 }, 16);
    expect(inSteps).toMatchObject({ steps: 25, batchSize: 4, microBatchSize: 2 });
    expect(inSteps).not.toHaveProperty('epochs');
  });

  test('a task of another study is refused', () => {
    const { optimizers, ...others } = all;
    const fewer = { ...others, optimizers: optimizers.slice(0, 1) };
    expect(() => trialSettings(fewer, taskOf('sign'), size)).toThrow(/no optimizer sign.*tasksOf\(study\)/);
    expect(() => trialIdentity({ ...all, models: [] }, taskOf('sign'))).toThrow(/no model demo/);
  });
});

test('every optimizer that studies know can be made, and takes a step that clips as it says', async () => {
  const layout = ParameterLayout.of([{ name: 'w', shape: [512], group: 'matrix' }]);
  for (const { name } of studyOptimizers) {
    const values = FlatBuffer.alloc(512);
    const gradients = FlatBuffer.from(Float32Array.from({ length: 512 }, (_, i) => 1e-3 * (i + 1) * (-1) ** i));
    const { optimizer, optimizerSettings } = settingsAt(name);
    const made = createOptimizer(optimizer, { values, gradients, layout }, { ...optimizerSettings, weightDecay: 0 });
    if ('updateHessian' in made && made.estimator === 'external') {
      const from = FlatBuffer.alloc(512);
      await from.fill(1);
      await made.updateHessian({ from, batchSize: 1, prime: true });
    }
    const { clippedFraction } = await made.step();
    const wanted = { 'gnb-1': 0.01, 'gnb-10': 0.1, 'gnb-50': 0.5, 'constant-h': 0.1, 'all-clipped': 1 }[name];
    if (wanted !== undefined) expect(Math.abs(clippedFraction! - wanted)).toBeLessThanOrEqual(1 / 512);
    if (name !== 'all-clipped') continue;
    // The sign of the momentum, times the learning rate.
    const { learningRate } = optimizerSettings;
    for (const [i, value] of values.array.entries()) expect(value / learningRate!).toBeCloseTo(i % 2 === 0 ? -1 : 1, 5);
  }
});
