/**
 * The recipe that a run takes where its command line and its configuration leave open how it forgets.
 *
 * @module
 */

import { isAdapterFolder } from '../model/adapter/adapter-folder.ts';
import { readModelConfig } from '../model/config.ts';
import { parameterLayout } from '../model/decoder-weights.ts';
import { askedAdapter } from '../run/adapter-choice.ts';
import { type Recipe, recipeFor, recipeSettings, weightsInWords } from '../run/recipes/recipe.ts';
import type { RunSettings } from '../run/settings.ts';
import { isLeftOpen } from './configuration.ts';
import type { MethodOptions } from './method-choice.ts';

export interface RecipeOfRun {
  readonly settings: ReturnType<typeof recipeSettings>;
  /** Where they come from, to be told. */
  readonly note: string;
}

/**
 * What a study recommends for the model of a run, where no learning rate is given and no setting of a method or an optimizer. A method or
 * optimizer that is given counts: then a recipe is what was studied of these. undefined where there is none, and for adapters, whose
 * rates no study has.
 *
 * @throws SoulError of {@link readModelConfig}
 */
export async function recipeOfRun(
  { method, objective, algorithm, set = [], forgetWeight, retainWeight, beta, reduction }: MethodOptions,
  file: Partial<RunSettings>,
  given: Partial<RunSettings>,
  recipes: readonly Recipe[],
): Promise<RecipeOfRun | undefined> {
  const named = method ?? objective ?? file.method;
  const ownAlgorithm = algorithm ?? ((method ?? objective) === undefined ? file.algorithmFile : undefined);
  if (recipes.length === 0 || ownAlgorithm !== undefined || set.length > 0) return undefined;
  const shortcuts = [forgetWeight, retainWeight, beta, reduction];
  const settings = [file, given].flatMap(({ methodSettings, optimizerSettings, curvature, hessianData }) => [
    ...[methodSettings, optimizerSettings, curvature, hessianData],
  ]);
  if (![...shortcuts, ...settings].every(isLeftOpen)) return undefined;
  const merged = { ...file, ...given };
  const model = given.model ?? file.model;
  if (model === undefined || askedAdapter(merged) || (await isAdapterFolder(model))) return undefined;
  const weights = parameterLayout(await readModelConfig(model)).parameterCount;
  const optimizer = given.optimizer ?? file.optimizer;
  const recipe = recipeFor({ weights, method: named as string | undefined, optimizer }, recipes);
  if (recipe === undefined) return undefined;
  const { epochs, ...own } = recipeSettings(recipe, weights);
  const hasLength = [given, file].some((each) => each.epochs !== undefined || each.steps !== undefined);
  return {
    settings: { ...own, ...(epochs === undefined || hasLength ? {} : { epochs }) },
    note:
      `how it forgets is what was best in the ${own.recipe} (docs/study.md); learning rate ${own.optimizerSettings.learningRate} ` +
      `for ${weightsInWords(weights)} weights. Another: --method, --optimizer, --learning-rate`,
  };
}
