/**
 * What the parts of a study must be together.
 *
 * @module
 */

import { neededSets } from '../../run/settings.ts';
import { chosenOf } from './inside.ts';
import { at, refusal } from './places.ts';
import type { Study, StudyMethod, StudyOptimizer } from './study.ts';

const mostTrials = 1_000_000;

/**
 * Refuses parts that do not fit each other.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_UNSUPPORTED for a method that cannot be inside
 */
export function checkTogether(study: Study): void {
  checkMade(study);
  checkTofu(study);
  checkMethods(study);
  const { models, splits, methods, optimizers, trials, draws } = study;
  const all = [models, splits, methods, optimizers].reduce((product, list) => product * list.length, trials * draws);
  if (all > mostTrials)
    throw refusal('trials', `the study has ${all} trials; lower trials or draws to ${mostTrials} in all`);
}

function checkMade({ models, splits }: Study): void {
  const all = [
    ...models.map((model, i) => ({ place: `models[${i}]`, isMade: 'made' in model })),
    ...splits.map((split, i) => ({ place: `splits[${i}]`, isMade: 'made' in split })),
  ];
  const other = all.find(({ isMade }) => isMade !== all[0]!.isMade);
  if (other === undefined) return;
  throw refusal(
    other.place,
    `the demo's model knows the demo's data alone, and no other does: make all models and splits with made: demo, or none (models[0] ${all[0]!.isMade ? 'is made' : 'is not'})`,
  );
}

function checkTofu({ splits, evaluation }: Study): void {
  if (evaluation.tofu === 0) return;
  // What the demo makes has them.
  const lacking = splits.findIndex((split) => !('tofu' in split) && !('made' in split));
  if (lacking < 0) return;
  throw refusal(
    'evaluation.tofu',
    `splits[${lacking}] names no folder of TOFU's evaluation sets; give it one (tofu), or set this to 0`,
  );
}

/** Every method with every optimizer. */
function checkMethods({ methods, optimizers }: Study): void {
  for (const [i, method] of methods.entries()) {
    for (const [j, optimizer] of optimizers.entries()) {
      const { inside } = optimizer;
      const within = inside === undefined ? '' : ` inside ${inside}`;
      checkPair(`methods[${i}] with optimizers[${j}]`, `${method.name}${within}`, method, optimizer);
    }
  }
}

function checkPair(place: string, what: string, method: StudyMethod, optimizer: StudyOptimizer): void {
  const chosen = at(place, () => chosenOf(method, optimizer));
  const { algorithm, learningRates, settings } = chosen;
  if (learningRates === undefined) {
    throw refusal(place, `${what} takes no steps, so that no optimizer is of effect; leave it out`);
  }
  if (algorithm.optimizers !== undefined && !algorithm.optimizers.includes(optimizer.optimizer)) {
    throw refusal(
      place,
      `${what} cannot be stepped by ${optimizer.optimizer}; leave one of the two out, or take ${algorithm.optimizers.join(' or ')}`,
    );
  }
  if (at(place, () => neededSets(chosen)).includes('alternatives')) {
    throw refusal(place, `${what} needs other answers to the questions to forget, which a study has not; leave it out`);
  }
  // What differences of losses cannot be taken of is told by the method alone.
  if (optimizer.inside !== undefined) at(place, () => algorithm.checkSets?.({ target: [] }, settings as never));
}
