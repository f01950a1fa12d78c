/**
 * What a study found to be best, as settings of a run.
 *
 * @module
 */

import { checkInteger } from '../../core/checks.ts';
import { SoulError } from '../../core/errors.ts';
import type { CurvatureOptions, HessianData } from '../../unlearn/curvature.ts';
import type { AlgorithmName } from '../../unlearn/registry.ts';
import { type OptimizerName, type OptimizerSettings, sizeFactor } from '../optimizer-choice.ts';
import type { RunSettings } from '../settings.ts';

/** The best settings of one optimizer with one method in a study. */
export interface Recipe {
  /** Name of the study, in docs/study.md. */
  readonly study: string;
  /** What the study calls model and optimizer. */
  readonly studied: { readonly model: string; readonly optimizer: string };
  /** Of the model that was studied. */
  readonly weights: number;
  readonly method: AlgorithmName;
  readonly methodSettings: Readonly<Record<string, unknown>>;
  readonly optimizer: OptimizerName;
  /** In full, but for the learning rate. */
  readonly optimizerSettings: OptimizerSettings;
  readonly curvature?: Required<CurvatureOptions>;
  readonly hessianData?: HessianData;
  /** For 7 billion weights, to be scaled with the size as rates of `ratesOf` are. */
  readonly learningRate: number;
  readonly ratesOf: OptimizerName;
  readonly batchSize: number;
  /** How long the study's runs were. */
  readonly epochs: number;
  readonly steps: number;
  /** 1 for the best of its study and model by the validation half, 2 for the next. */
  readonly rank: number;
  /** Score at the end on the half that is reported, over draws and splits, of these settings in all of them. */
  readonly score: { readonly mean: number; readonly low?: number; readonly high?: number; readonly draws: number };
  /** Settings that every optimizer tried. */
  readonly trials: number;
}

/** What a recipe is asked for. */
export interface RecipeRequest {
  /** Of the model. */
  readonly weights: number;
  /** Where they are given. */
  readonly method?: string | undefined;
  readonly optimizer?: string | undefined;
}

/** A study says nothing of models that are more times smaller or larger than its own. */
const farthest = 100;

/**
 * The recipe of the study whose model is nearest in size, by the ratio, of those with the method and the optimizer that are given; of one
 * model the best. Where no method is given, a study counts that tried the default one, too: another cannot tell that its own is better.
 * undefined where none was studied, or the nearest model is more than 100 times smaller or larger.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a number of weights that cannot be
 */
export function recipeFor(
  { weights, method, optimizer }: RecipeRequest,
  recipes: readonly Recipe[],
): Recipe | undefined {
  checkInteger('weights', weights, { low: 1 });
  const distance = (recipe: Recipe) => Math.abs(Math.log(recipe.weights / weights));
  const [nearest] = recipes
    .filter((recipe) => (method === undefined ? triedDefault(recipe, recipes) : recipe.method === method))
    .filter((recipe) => optimizer === undefined || recipe.optimizer === optimizer)
    .sort((a, b) => distance(a) - distance(b) || a.rank - b.rank);
  return nearest && distance(nearest) <= Math.log(farthest) ? nearest : undefined;
}

/** What a run forgets by where neither its user nor a study says. */
export const defaultMethod = 'npo' satisfies AlgorithmName;

function triedDefault({ study, studied: { model } }: Recipe, recipes: readonly Recipe[]): boolean {
  return recipes.some(
    (other) => other.study === study && other.studied.model === model && other.method === defaultMethod,
  );
}

/** The run that takes a recipe. */
export interface RecipeRun {
  readonly weights: number;
  /** How many examples are to be forgotten, where that is known. */
  readonly examples?: number | undefined;
  /** Where it is given. */
  readonly batchSize?: number | undefined;
}

/**
 * The settings of a run by a recipe, and where they come from: the learning rate scaled to the model's size, and as many epochs as were
 * studied, or more where these make fewer steps than were studied.
 */
export function recipeSettings(recipe: Recipe, { weights, examples, batchSize = recipe.batchSize }: RecipeRun) {
  const { method, methodSettings, optimizer, optimizerSettings, curvature, hessianData, epochs, steps } = recipe;
  const stepsPerEpoch = examples === undefined ? Number.POSITIVE_INFINITY : Math.ceil(examples / batchSize);
  return {
    method,
    methodSettings,
    optimizer,
    optimizerSettings: { ...optimizerSettings, learningRate: learningRateOf(recipe, weights) },
    ...(curvature === undefined ? {} : { curvature }),
    ...(hessianData === undefined ? {} : { hessianData }),
    epochs: Math.max(epochs, steps / stepsPerEpoch),
    batchSize,
    recipe: recipeText(recipe),
  } satisfies Partial<RunSettings>;
}

/** In two digits, as default rates are. */
function learningRateOf({ learningRate, ratesOf, optimizer, optimizerSettings }: Recipe, weights: number): number {
  // A rate that belongs to another optimizer knows nothing of this one's settings.
  const factor = sizeFactor(ratesOf, weights, ratesOf === optimizer ? optimizerSettings : {});
  const rate = Number((learningRate * factor).toPrecision(2));
  if (rate > 0 && Number.isFinite(rate)) return rate;
  throw new SoulError('SOUL_INTERNAL', `a recipe's learning rate cannot be ${rate}`, { learningRate, weights });
}

/** Where a recipe comes from, in a line. */
export function recipeText({ study, studied, weights, method, score, trials }: Recipe): string {
  const { mean, low, high, draws } = score;
  const interval = low === undefined || high === undefined ? '' : ` [${low.toFixed(3)}, ${high.toFixed(3)}]`;
  return (
    `study ${study}: ${studied.optimizer} with ${method} on ${studied.model} (${weightsInWords(weights)} weights), the best of ${trials} ${trials === 1 ? 'setting' : 'settings'}, ` +
    `score ${mean.toFixed(3)}${interval} over ${draws} ${draws === 1 ? 'draw' : 'draws'}`
  );
}

/** A number of weights as one says it: 0.8 million, 135 million, 7 billion. */
export function weightsInWords(weights: number): string {
  const [size, word] = weights >= 1e9 ? [weights / 1e9, 'billion'] : [weights / 1e6, 'million'];
  return `${Number(size >= 10 ? size.toFixed(0) : size.toPrecision(2))} ${word}`;
}
