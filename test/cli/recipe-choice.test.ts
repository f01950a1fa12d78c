import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mergeSettings } from '../../lib/cli/configuration.ts';
import { type MethodOptions, unlearningRun } from '../../lib/cli/method-choice.ts';
import { settleRun } from '../../lib/cli/perform-run.ts';
import { printedConfiguration } from '../../lib/cli/print-configuration.ts';
import { recipeOfRun } from '../../lib/cli/recipe-choice.ts';
import { parameterLayout, parseModelConfig } from '../../lib/model/index.ts';
import { type RunSettings, runSettingsFromJson } from '../../lib/run/index.ts';
import { type Recipe, recipeText } from '../../lib/run/recipes/recipe.ts';
import { smallRuns } from '../run/small-run.ts';

const model = {
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', tie_word_embeddings: true },
  ...{ hidden_size: 128, intermediate_size: 256, num_hidden_layers: 2, num_attention_heads: 4, vocab_size: 8000 },
  ...{ num_key_value_heads: 4, max_position_embeddings: 64, rms_norm_eps: 1e-5, rope_theta: 10000 },
};
const weights = parameterLayout(parseModelConfig(model)).parameterCount;

const recipe: Recipe = {
  study: 'sample',
  studied: { model: 'small', optimizer: 'sign' },
  weights: 10 * weights,
  method: 'graddiff',
  methodSettings: { forgetCoefficient: 1, retainCoefficient: 2, retainLoss: 'ce' },
  optimizer: 'sign',
  optimizerSettings: { weightDecay: 0.02 },
  learningRate: 1e-6,
  ratesOf: 'sign',
  ...{ batchSize: 4, epochs: 7, steps: 25 },
  rank: 1,
  score: { mean: 0.8, draws: 1 },
  trials: 4,
};
const second: Recipe = {
  ...{ ...recipe, rank: 2, method: 'npo', optimizer: 'sophia', ratesOf: 'sophia', optimizerSettings: {} },
  methodSettings: { beta: 0.3 },
  curvature: { every: 5, chunks: 4, chunkSize: 2, primingChunks: 32, labels: 'sampled', source: 'auto' },
  hessianData: 'both',
};
const learningRate = Number((1e-6 * Math.sqrt(7e9 / weights)).toPrecision(2));

let folder: string;
const path = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-recipe-'));
  for (const name of ['model', 'adapters']) await mkdir(path(name));
  await writeFile(path('model/config.json'), JSON.stringify(model));
  await writeFile(path('adapters/adapter_config.json'), '{}');
  // Some hold what their base is, too.
  await writeFile(path('adapters/config.json'), JSON.stringify(model));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Given {
  readonly options?: MethodOptions;
  readonly settings?: Partial<RunSettings>;
  readonly file?: Partial<RunSettings>;
  readonly recipes?: readonly Recipe[];
}

async function settled({ options = {}, settings = {}, file = {}, recipes = [recipe, second] }: Given) {
  const given = { model: path('model'), target: 'f.jsonl', retain: 'r.jsonl', ...settings };
  return settleRun(await unlearningRun(options, { settings: file }, given, recipes), {}, 'sophia');
}

describe('a run that leaves open how it forgets', () => {
  test('takes the recipe, says where it comes from, and records it', async () => {
    const { settings, notes } = await settled({});
    expect(settings).toMatchObject({
      ...{ method: 'graddiff', methodSettings: recipe.methodSettings, optimizer: 'sign', epochs: 7, batchSize: 4 },
      optimizerSettings: { weightDecay: 0.02, learningRate },
      recipe: recipeText(recipe),
    });
    expect(notes).toEqual([
      `how it forgets is what was best in the ${recipeText(recipe)} (docs/study.md); learning rate ${learningRate} for 1.4 million weights. Another: --method, --optimizer, --learning-rate`,
    ]);
  });

  test('with a method or an optimizer takes what was studied of these', async () => {
    const expected = { method: 'npo', optimizer: 'sophia', hessianData: 'both', curvature: { every: 5 } };
    for (const given of [
      { options: { method: 'npo' } },
      { options: { objective: 'npo' } },
      { settings: { optimizer: 'sophia' } },
      { file: { method: 'npo' } },
      { file: { optimizer: 'sophia' } },
    ] as const) {
      expect((await settled(given)).settings).toMatchObject({ ...expected, methodSettings: { beta: 0.3 } });
    }
  });

  test.each<[string, Given, string, string]>([
    ['with another method', { options: { method: 'wga' } }, 'wga', 'sophia'],
    ['with another optimizer', { settings: { optimizer: 'adamw' } }, 'npo', 'adamw'],
    ['with a learning rate', { settings: { optimizerSettings: { learningRate: 1e-5 } } }, 'npo', 'sophia'],
    ['with a learning rate in the file', { file: { optimizerSettings: { learningRate: 1e-5 } } }, 'npo', 'sophia'],
    ['with a setting of the method', { options: { set: ['retainCoefficient=3'] } }, 'npo', 'sophia'],
    ['with a weight', { options: { retainWeight: 3 } }, 'npo', 'sophia'],
    ['with estimates', { settings: { curvature: { every: 3 } } }, 'npo', 'sophia'],
    ['with adapters', { settings: { lora: {} } }, 'npo', 'sophia'],
    ['without recipes', { recipes: [] }, 'npo', 'sophia'],
    ['of a model of another kind', { recipes: [{ ...recipe, weights: 7e9 }] }, 'npo', 'sophia'],
  ])('%s takes the defaults', async (_, given, method, optimizer) => {
    const { settings, notes } = await settled(given);
    expect(settings).toMatchObject({ method, optimizer });
    expect(settings).not.toHaveProperty('recipe');
    expect(notes).toEqual([]);
  });

  test('takes the defaults on adapters, and where no model is named yet', async () => {
    expect((await settled({ settings: { model: path('adapters') } })).settings).not.toHaveProperty('recipe');
    const run = await unlearningRun({}, { settings: {} }, {}, [recipe]);
    expect(run.given).toEqual({ method: 'npo' });
  });

  test('takes no recipe with an algorithm of its own, unless a method is named in its place', async () => {
    const given = { model: path('model') };
    const own = { algorithmFile: 'mine.ts' } as const;
    expect(await recipeOfRun({ algorithm: 'mine.ts' }, {}, given, [recipe])).toBeUndefined();
    expect(await recipeOfRun({}, own, given, [recipe])).toBeUndefined();
    expect((await recipeOfRun({ method: 'graddiff' }, own, given, [recipe]))?.settings.recipe).toBe(recipeText(recipe));
  });

  test('keeps what numbers are held in, which decides memory and not how it forgets', async () => {
    const precision = { states: 'bf16' } as const;
    for (const given of [
      { settings: { optimizerSettings: { precision } } },
      { file: { optimizerSettings: { precision } } },
    ]) {
      const { settings } = await settled(given);
      expect(settings.optimizerSettings).toEqual({ weightDecay: 0.02, learningRate, precision });
      expect(settings.recipe).toBe(recipeText(recipe));
    }
  });

  test('takes as many steps as were studied where there are few examples', async () => {
    const target = path('one.jsonl');
    await writeFile(target, '{"question": "Who?", "answer": "Nobody."}\n'.repeat(2));
    expect((await settled({ settings: { target } })).settings).toMatchObject({ epochs: 25, batchSize: 4 });
    expect((await settled({ settings: { target, batchSize: 1 } })).settings).toMatchObject({
      epochs: 12.5,
      batchSize: 1,
    });
    expect((await settled({ settings: { target, targetFilter: ['line=1'], batchSize: 1 } })).settings.epochs).toBe(25);
    await writeFile(target, '{');
    expect((await settled({ settings: { target } })).settings.epochs).toBe(7);
  });

  test('keeps the length that is given, in either form', async () => {
    const { settings } = await settled({ settings: { steps: 3 } });
    expect(settings).toMatchObject({ steps: 3, recipe: recipeText(recipe) });
    expect(settings).not.toHaveProperty('epochs');
    expect((await settled({ file: { steps: 3 } })).settings).not.toHaveProperty('epochs');
    expect((await settled({ settings: { epochs: 2 } })).settings.epochs).toBe(2);
  });

  test('leaves it to the run to tell of a model that is not there', async () => {
    const { settings, notes } = await settled({ settings: { model: path('missing') } });
    expect(settings).toMatchObject({ method: 'npo', optimizer: 'sophia' });
    expect(notes).toEqual([]);
  });

  test('refuses a model that cannot be read before anything else', async () => {
    await mkdir(path('damaged'), { recursive: true });
    await writeFile(path('damaged/config.json'), '{');
    await expect(settled({ settings: { model: path('damaged') } })).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
  });
});

describe('what it took', () => {
  test('is printed as a file that gives the same run', async () => {
    const { settings } = await settled({});
    const { result } = printedConfiguration({ ...settings, method: settings.method! }, {});
    const file = runSettingsFromJson(
      JSON.parse(JSON.stringify(result, (_, value) => (typeof value === 'bigint' ? `${value}` : value))),
    );
    const again = await settled({ file, recipes: [] });
    expect(again.settings).toMatchObject({ ...settings, recipe: recipeText(recipe) });
    expect(again.notes).toEqual([]);
  });

  test("is no more the study's where another part of it is given", () => {
    const file: Partial<RunSettings> = { method: 'npo', optimizer: 'sign', recipe: 'study sample' };
    const merged = (given: Partial<RunSettings>) => mergeSettings(file, given, true, () => {});
    expect(
      merged({ method: 'npo', batchSize: 2, optimizerSettings: { precision: { states: 'bf16' } } }),
    ).toHaveProperty('recipe', 'study sample');
    for (const given of [
      { optimizer: 'adamw' },
      { optimizerSettings: { learningRate: 1 } },
      { methodSettings: { beta: 1 } },
      { curvature: { every: 2 } },
    ] as const) {
      expect(merged({ method: 'npo', ...given })).not.toHaveProperty('recipe');
    }
    expect(merged({ method: 'graddiff' })).not.toHaveProperty('recipe');
  });

  test('stands in run.json', async () => {
    const run = await smallRuns(folder);
    await run({ recipe: 'study sample: sign with graddiff', out: path('out') });
    const { settings } = JSON.parse(await readFile(path('out/run.json'), 'utf8'));
    expect(settings.recipe).toBe('study sample: sign with graddiff');
  });
});
