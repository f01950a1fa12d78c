import { describe, expect, test } from '@jest/globals';
import { completeRunSettings } from '../../../lib/run/index.ts';
import { recipeSettings } from '../../../lib/run/recipes/recipe.ts';
import { chooseAlgorithm } from '../../../lib/run/run-defaults.ts';
import { recipesOf } from '../../../lib/study/analysis/recipes.ts';
import type { Study } from '../../../lib/study/definition/study.ts';
import { mezo, sgd, sign } from '../../../lib/study/optimizers/first-order.ts';
import { trialSettings } from '../../../lib/study/search/trial-settings.ts';
import type { TrialRecord, TrialTask } from '../../../lib/study/trial/record.ts';
import { sampleRecords, sampleStudy } from './sample-study.ts';

const study = sampleStudy();
const weights = 135e6;

/** As trials are run: with the settings that the study gives them. */
function recordsOf(own: Study, retainOf: (task: TrialTask) => number | undefined): TrialRecord[] {
  const records = sampleRecords(own, (task) => {
    const retain = retainOf(task);
    return retain === undefined ? undefined : { forget: 0, retain };
  });
  return records.map((record) => {
    const settings = trialSettings(own, record, { weights, examples: 20 });
    const { optimizer, curvature, hessianData } = settings;
    return {
      ...record,
      optimizerSettings: {
        ...{ optimizer, ...settings.optimizerSettings },
        ...(curvature === undefined ? {} : { curvature, hessianData }),
      },
      methodSettings: { algorithm: settings.chosen.algorithm.name, ...settings.methodSettings },
    };
  });
}

describe('what a study recommends', () => {
  // GNB is the better; its second setting is best in one draw of three, its first on the whole.
  const retainOf = ({ optimizer, trial, draw }: TrialTask) => {
    if (optimizer === 'adamw') return 0.4;
    return trial === 0 ? 0.6 : [0.7, 0.3, 0.3][draw]!;
  };
  const records = recordsOf(study, retainOf);
  const recipes = recipesOf(study, records);

  test('is one setting for all draws, the best optimizer first', () => {
    expect(recipes.map(({ rank, studied, method }) => ({ rank, ...studied, method }))).toEqual([
      { rank: 1, model: 'small', optimizer: 'gnb-10', method: 'graddiff' },
      { rank: 2, model: 'small', optimizer: 'adamw', method: 'graddiff' },
    ]);
    const [best] = recipes;
    const chosen = records.find(({ optimizer, trial }) => optimizer === 'gnb-10' && trial === 0)!;
    expect(best).toMatchObject({
      ...{
        study: 'sample',
        weights,
        optimizer: 'sophia',
        ratesOf: 'sophia',
        hessianData: 'retain',
        epochs: 5,
        trials: 2,
      },
      methodSettings: { retainCoefficient: chosen.searched.retainCoefficient },
      curvature: { labels: 'sampled', every: 20 },
      optimizerSettings: { clippedFraction: 0.1 },
      score: { mean: expect.closeTo((2 * 0.75) / 1.75, 12), draws: 3 },
    });
    expect(best!.optimizerSettings).not.toHaveProperty('learningRate');
  });

  test('gives a model of the same size the learning rate that was studied', () => {
    for (const recipe of recipes) {
      const { learningRate } = recipeSettings(recipe, { weights }).optimizerSettings;
      const studied = records.find(({ optimizer, trial }) => optimizer === recipe.studied.optimizer && trial === 0)!;
      expect(learningRate).toBe(Number((studied.optimizerSettings.learningRate as number).toPrecision(2)));
    }
  });

  test('has settings that runs take', () => {
    const own = sampleStudy({ optimizers: [...study.optimizers, mezo] });
    const all = recipesOf(
      own,
      recordsOf(own, () => 0.5),
    );
    expect(all.map(({ method }) => method)).toEqual(['graddiff', 'graddiff', 'mezo']);
    for (const recipe of all) {
      const settings = { model: 'm', target: 'f', retain: 'r', out: 'o', ...recipeSettings(recipe, { weights: 7e9 }) };
      expect(() =>
        completeRunSettings(settings, chooseAlgorithm(settings.method, settings.methodSettings)),
      ).not.toThrow();
    }
  });

  test('is by the validation half alone', () => {
    const turned = records.map((record) => ({
      ...record,
      path: record.path.map((point) => ({ ...point, test: { ...point.test, retain: 0.8 - point.test.retain } })),
    }));
    expect(recipesOf(study, turned).map(({ studied }) => studied)).toEqual(recipes.map(({ studied }) => studied));
  });

  test("is a rate of sgd's that knows nothing of another optimizer's momentum", () => {
    const mine = { ...sign, name: 'mine', ratesOf: 'sgd', settings: { momentum: 0.5 } } as const;
    const own = sampleStudy({ optimizers: [mine] });
    const some = recordsOf(own, () => 0.5);
    const [recipe] = recipesOf(own, some);
    expect(some.map(({ optimizerSettings }) => optimizerSettings.learningRate)).toContain(recipe!.learningRate);
  });

  test('is a rate of sgd that does not go with the size', () => {
    const own = sampleStudy({ optimizers: [sgd] });
    const [recipe] = recipesOf(
      own,
      recordsOf(own, () => 0.5),
    );
    const rate = recipeSettings(recipe!, { weights }).optimizerSettings.learningRate;
    expect(recipeSettings(recipe!, { weights: 7e9 }).optimizerSettings.learningRate).toBe(rate);
  });
});

describe('a study recommends nothing', () => {
  const records = recordsOf(study, () => 0.5);

  test.each([
    ['without a draw that counts', study, records.slice(0, 3)],
    ['without trials', study, []],
    ['of a model that is made for it', sampleStudy({ models: [{ name: 'small', made: 'demo' }] }), records],
    ['where the records do not tell the size', study, records.map((record) => ({ ...record, made: {} }))],
    [
      'of a split of which no draw is done',
      sampleStudy({ splits: [...study.splits, { name: 'others', forget: ['f'], retain: ['r'] }] }),
      records,
    ],
    ['where all trials diverged', study, recordsOf(study, () => undefined)],
  ] as const)('%s', (_, own, some) => expect(recipesOf(own, some)).toEqual([]));

  test('of an optimizer all of whose trials diverged, but of the other', () => {
    const half = recordsOf(study, ({ optimizer }) => (optimizer === 'adamw' ? undefined : 0.5));
    expect(recipesOf(study, half).map(({ studied }) => studied.optimizer)).toEqual(['gnb-10']);
  });
});
