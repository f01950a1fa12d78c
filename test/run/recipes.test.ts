import { describe, expect, test } from '@jest/globals';
import { defaultLearningRate } from '../../lib/run/index.ts';
import { type Recipe, recipeFor, recipeSettings, recipeText, weightsInWords } from '../../lib/run/recipes/recipe.ts';
import { algorithm } from '../../lib/unlearn/registry.ts';

const recipe: Recipe = {
  study: 'sample',
  studied: { model: 'small', optimizer: 'gnb-10' },
  weights: 135e6,
  method: 'graddiff',
  methodSettings: { retainCoefficient: 3 },
  optimizer: 'sophia',
  optimizerSettings: { clippedFraction: 0.1 },
  learningRate: 1e-5,
  ratesOf: 'sophia',
  ...{ batchSize: 4, epochs: 2.5, steps: 25 },
  rank: 1,
  score: { mean: 0.9, low: 0.85, high: 0.95, draws: 5 },
  trials: 4,
};
const second: Recipe = {
  ...recipe,
  method: 'npo',
  optimizer: 'adamw',
  optimizerSettings: {},
  ratesOf: 'adamw',
  rank: 2,
};
const large: Recipe = { ...recipe, weights: 7e9, rank: 2 };
const all = [second, recipe, large];

describe('a recipe is chosen', () => {
  test('of the nearest size by the ratio, and of one size the best', () => {
    expect(recipeFor({ weights: 135e6 }, all)).toBe(recipe);
    expect(recipeFor({ weights: 900e6 }, all)).toBe(recipe);
    expect(recipeFor({ weights: 1.1e9 }, all)).toBe(large);
  });

  test('among what was studied of the method and the optimizer that are given', () => {
    expect(recipeFor({ weights: 1e9, method: 'npo' }, all)).toBe(second);
    expect(recipeFor({ weights: 1e9, optimizer: 'adamw' }, all)).toBe(second);
    expect(recipeFor({ weights: 1e9, method: 'npo', optimizer: 'sophia' }, all)).toBeUndefined();
    expect(recipeFor({ weights: 1e9, method: 'wga' }, all)).toBeUndefined();
  });

  test('up to a hundred times the size, and down to a hundredth', () => {
    expect(recipeFor({ method: 'graddiff', weights: 135e8 }, [recipe])).toBe(recipe);
    expect(recipeFor({ method: 'graddiff', weights: 136e8 }, [recipe])).toBeUndefined();
    expect(recipeFor({ method: 'graddiff', weights: 135e4 }, [recipe])).toBe(recipe);
    expect(recipeFor({ method: 'graddiff', weights: 134e4 }, [recipe])).toBeUndefined();
  });

  test('for a run without a method of a study that tried the default one alone', () => {
    expect(recipeFor({ weights: 135e6 }, [recipe])).toBeUndefined();
    expect(recipeFor({ weights: 135e6 }, [recipe, { ...second, study: 'another' }])).not.toBe(recipe);
    expect(recipeFor({ weights: 135e6 }, [recipe, second])).toBe(recipe);
  });

  test('of none where there is none', () => expect(recipeFor({ weights: 1e9 }, [])).toBeUndefined());

  test.each([0, -1, 1.5, Number.NaN])('not for %f weights', (weights) => {
    expect(() => recipeFor({ weights }, all)).toThrow(/weights must be/);
  });
});

describe('the learning rate of a recipe', () => {
  test('that is that of sgd knows nothing of the momentum of another optimizer', () => {
    const rate = (momentum: number) => {
      const own = { optimizer: 'sign', ratesOf: 'sgd', optimizerSettings: { momentum } } as const;
      return recipeSettings({ ...recipe, ...own }, { weights: 1e9 }).optimizerSettings.learningRate;
    };
    expect(rate(0.5)).toBe(1e-5);
    expect(rate(0.9)).toBe(1e-5);
  });

  const rateAt = (weights: number, own: Recipe = recipe) =>
    recipeSettings(own, { weights }).optimizerSettings.learningRate;

  test('goes with the square root of the size', () => {
    expect(rateAt(7e9)).toBe(1e-5);
    expect(rateAt(7e9 / 4)).toBe(2e-5);
  });

  test('is that of sgd whatever the size, as its default is', () => {
    const sgd: Recipe = { ...second, optimizer: 'sgd', ratesOf: 'sgd', learningRate: 0.5 };
    expect(rateAt(1e6, sgd)).toBe(rateAt(1e9, sgd));
  });

  test.each(['adamw', 'sophia', 'sign', 'sgd', 'soul-repo'] as const)(
    'scales as the default of %s does',
    (optimizer) => {
      const own: Recipe = { ...second, optimizer, ratesOf: optimizer };
      const usual = (weights: number) => defaultLearningRate(optimizer, algorithm('npo'), weights);
      const ratio = rateAt(2e6, own) / rateAt(5e8, own);
      // Both are rounded to two digits.
      expect(ratio / (usual(2e6) / usual(5e8))).toBeCloseTo(1, 0);
    },
  );
});

test('a recipe says where it comes from, and what it sets', () => {
  expect(recipeText(recipe)).toBe(
    'study sample: gnb-10 with graddiff on small (135 million weights), the best of 4 settings, score 0.900 [0.850, 0.950] over 5 draws',
  );
  expect(recipeText({ ...recipe, trials: 1, score: { mean: 0.5, draws: 1 } })).toMatch(
    /the best of 1 setting, score 0.500 over 1 draw$/,
  );
  expect(recipeSettings(recipe, { weights: 7e9 })).toEqual({
    method: 'graddiff',
    methodSettings: { retainCoefficient: 3 },
    optimizer: 'sophia',
    optimizerSettings: { clippedFraction: 0.1, learningRate: 1e-5 },
    epochs: 2.5,
    batchSize: 4,
    recipe: recipeText(recipe),
  });
});

test.each([
  ['as many epochs as were studied', 40, undefined, 2.5],
  ['as many, however many steps these are', 4000, undefined, 2.5],
  ['as many steps as were studied, of few examples', 12, undefined, 25 / 3],
  ['as many steps, of one example', 1, undefined, 25],
  ['as many steps of other batches', 40, 20, 12.5],
])('a recipe takes %s', (_, examples, batchSize, epochs) => {
  const settings = recipeSettings(recipe, { weights: 7e9, examples, batchSize });
  expect(settings.epochs).toBeCloseTo(epochs, 12);
  expect(settings.batchSize).toBe(batchSize ?? 4);
});

test('a number of weights is said as one says it', () => {
  expect([8e5, 134_515_008, 1.24e9, 7e9, 70e9].map(weightsInWords)).toEqual([
    ...['0.8 million', '135 million', '1.2 billion', '7 billion', '70 billion'],
  ]);
});
