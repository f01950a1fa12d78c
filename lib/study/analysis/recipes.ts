/**
 * What a study recommends, as recipes of runs.
 *
 * @module
 */

import { withoutUndefined } from '../../core/optional.ts';
import { sizeFactor } from '../../run/optimizer-choice.ts';
import type { Recipe } from '../../run/recipes/recipe.ts';
import type { Study, StudyMethod, StudyOptimizer } from '../definition/study.ts';
import type { TrialRecord } from '../trial/record.ts';
import { checkRecords, rowKey } from './check-records.ts';
import { type ScoredTrial, scoredTrial } from './choose.ts';
import { estimateOf, meanOf } from './student-t.ts';

/** What a record says of its optimizer. */
type RecordedOptimizer = Recipe['optimizerSettings'] &
  Pick<Recipe, 'optimizer' | 'curvature' | 'hessianData'> & { readonly learningRate: number };

/** One setting of an optimizer with a method on a model, in all splits and draws. */
interface Candidate {
  readonly optimizer: StudyOptimizer;
  readonly scored: readonly ScoredTrial[];
  /** Mean score of the validation half. */
  readonly value: number;
}

/**
 * A recipe for each optimizer with each method on each model: the one setting with the best mean score at the end over all splits and the
 * draws that count, by the validation half; the test half says how good that is. Models that are made for a study give none: what they learn
 * says little of models that people have. Nor do those of which the records do not tell the size, or some split has fewer than three draws.
 *
 * @throws SoulError SOUL_BAD_FILE of {@link checkRecords}
 */
export function recipesOf(study: Study, records: readonly TrialRecord[]): Recipe[] {
  checkRecords(study, records);
  return study.models.flatMap((model) => {
    if ('made' in model) return [];
    const own = records.filter((record) => record.model === model.name);
    const weights = own.map(({ made }) => made.weights).find((size) => typeof size === 'number');
    if (weights === undefined) return [];
    const ranked = study.methods
      .flatMap((method) =>
        study.optimizers.flatMap((optimizer) => bestOf(study, own, model.name, method, optimizer) ?? []),
      )
      // Of equal ones the first of the study.
      .sort((a, b) => b.value - a.value);
    return ranked.map((candidate, i) => recipeOf(study, model.name, weights, candidate, i + 1));
  });
}

/** Of fewer draws an interval says next to nothing, and what is taken unasked should have more than one to stand on. */
const leastDraws = 3;

/** The best setting; undefined where some split has too few draws that count, or all trials diverged. */
function bestOf(
  study: Study,
  records: readonly TrialRecord[],
  model: string,
  method: StudyMethod,
  optimizer: StudyOptimizer,
): Candidate | undefined {
  const counted = study.splits.map(({ name: split }) => {
    const row = rowKey({ model, split, method: method.name });
    const ofRow = records.filter((record) => rowKey(record) === row);
    const isWhole = (draw: number) =>
      ofRow.filter((record) => record.draw === draw).length === study.optimizers.length * study.trials;
    return ofRow.filter((record) => record.optimizer === optimizer.name && isWhole(record.draw));
  });
  const drawsOf = (ofSplit: readonly TrialRecord[]) => new Set(ofSplit.map(({ draw }) => draw)).size;
  if (counted.some((ofSplit) => drawsOf(ofSplit) < leastDraws)) return undefined;
  const candidates = Array.from({ length: study.trials }, (_, trial) => {
    const scored = counted
      .flat()
      .filter((record) => record.trial === trial)
      .map(scoredTrial);
    return { optimizer, scored, value: meanOf(scored.map(({ validation }) => validation.score)) };
  }).filter(({ scored }) => scored.some(({ record }) => record.outcome === 'done'));
  if (candidates.length === 0) return undefined;
  return candidates.reduce((best, candidate) => (candidate.value > best.value ? candidate : best));
}

function recipeOf(
  study: Study,
  model: string,
  weights: number,
  { optimizer: own, scored }: Candidate,
  rank: number,
): Recipe {
  const { record } = scored.find((each) => each.record.outcome === 'done')!;
  const { algorithm, ...methodSettings } = record.methodSettings as { algorithm: Recipe['method'] };
  const { optimizer, learningRate, curvature, hessianData, ...optimizerSettings } =
    record.optimizerSettings as RecordedOptimizer;
  const { ratesOf = optimizer } = own;
  const factor = sizeFactor(ratesOf, weights, ratesOf === optimizer ? optimizerSettings : {});
  return {
    study: study.name,
    studied: { model, optimizer: own.name },
    weights,
    method: algorithm,
    methodSettings,
    optimizer,
    optimizerSettings,
    ...withoutUndefined({ curvature, hessianData }),
    learningRate: Number((learningRate / factor).toPrecision(4)),
    ratesOf,
    batchSize: study.training.batchSize,
    epochs: Number(record.path.at(-1)!.epoch.toPrecision(4)),
    steps: record.steps,
    rank,
    score: scoreOver(scored),
    trials: study.trials,
  };
}

/** Over draws; of several splits the mean of each draw's. */
function scoreOver(scored: readonly ScoredTrial[]): Recipe['score'] {
  const draws = [...new Set(scored.map(({ record }) => record.draw))].sort((a, b) => a - b);
  const values = draws.map((draw) =>
    meanOf(scored.filter(({ record }) => record.draw === draw).map(({ test }) => test.score)),
  );
  return estimateOf(values)!;
}
