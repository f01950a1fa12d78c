/**
 * The recipe that a run takes where its command line and its configuration leave open how it forgets.
 *
 * @module
 */

import { join } from 'node:path';
import { exists } from '../core/files.ts';
import { readExampleSet } from '../data/read-example-set.ts';
import { isAdapterFolder } from '../model/adapter/adapter-folder.ts';
import { readModelConfig } from '../model/config.ts';
import { parameterLayout } from '../model/decoder-weights.ts';
import { askedAdapter } from '../run/adapter-choice.ts';
import { type Recipe, recipeFor, recipeSettings, weightsInWords } from '../run/recipes/recipe.ts';
import type { RunSettings } from '../run/settings.ts';
import { isLeftOpen, isSettingsOpen } from './configuration.ts';

/** Options that say how a run forgets, and more or less of what. */
interface GivenOptions {
  readonly method?: string;
  readonly objective?: string;
  readonly algorithm?: string;
  readonly set?: readonly string[];
  readonly forgetWeight?: number;
  readonly retainWeight?: number;
  readonly beta?: number;
  readonly reduction?: string;
}

export interface RecipeOfRun {
  readonly settings: Omit<ReturnType<typeof recipeSettings>, 'epochs'> & { readonly epochs?: number };
  /** Where they come from, to be told. */
  readonly note: string;
}

/**
 * What a study recommends for the model of a run, where no learning rate is given and no setting of a method or an optimizer. A method or
 * optimizer that is given counts: then a recipe is what was studied of these. undefined where there is none, and for adapters, whose
 * rates no study has. A model that is not there is left to the run to tell.
 *
 * @throws SoulError of {@link readModelConfig}
 */
export async function recipeOfRun(
  { method, objective, algorithm, set = [], forgetWeight, retainWeight, beta, reduction }: GivenOptions,
  file: Partial<RunSettings>,
  given: Partial<RunSettings>,
  recipes: readonly Recipe[],
): Promise<RecipeOfRun | undefined> {
  const named = method ?? objective ?? file.method;
  const ownAlgorithm = algorithm ?? ((method ?? objective) === undefined ? file.algorithmFile : undefined);
  if (recipes.length === 0 || ownAlgorithm !== undefined || set.length > 0) return undefined;
  const shortcuts = [forgetWeight, retainWeight, beta, reduction];
  if (!shortcuts.every(isLeftOpen) || !isSettingsOpen(file) || !isSettingsOpen(given)) return undefined;
  const merged = { ...file, ...given };
  const { model } = merged;
  if (model === undefined || askedAdapter(merged) || (await isAdapterFolder(model))) return undefined;
  if (!(await exists(join(model, 'config.json')))) return undefined;
  const weights = parameterLayout(await readModelConfig(model)).parameterCount;
  const optimizer = given.optimizer ?? file.optimizer;
  const recipe = recipeFor({ weights, method: named as string | undefined, optimizer }, recipes);
  if (recipe === undefined) return undefined;
  const { batchSize, epochs: givenEpochs, steps } = merged;
  const examples = await countExamples(merged);
  const { epochs, ...own } = recipeSettings(recipe, { weights, examples, batchSize });
  const hasLength = givenEpochs !== undefined || steps !== undefined;
  return {
    settings: { ...own, ...(hasLength ? {} : { epochs }) },
    note:
      `how it forgets is what was best in the ${own.recipe} (docs/study.md); learning rate ${own.optimizerSettings.learningRate} ` +
      `for ${weightsInWords(weights)} weights. Another: --method, --optimizer, --learning-rate`,
  };
}

/** How many examples are to be forgotten; undefined where they are not named yet, or cannot be read, which the run tells. */
async function countExamples({ target, targetFilter }: Partial<RunSettings>): Promise<number | undefined> {
  if (target === undefined) return undefined;
  const set = await readExampleSet(target, targetFilter).catch(() => undefined);
  return set?.items.length || undefined;
}
