/**
 * What the parts of a study must be together.
 *
 * @module
 */

import { neededSets } from '../../run/settings.ts';
import { chosenOf } from './inside.ts';
import { at, refusal } from './places.ts';
import type { Study } from './study.ts';

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
  if (all > mostTrials) throw refusal('trials', `the study has ${all} trials; lower trials or draws to ${mostTrials} in all`);
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
  const lacking = splits.findIndex((split) => !('tofu' in split));
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
      const { name, inside, optimizer: step } = optimizer;
      const place = `methods[${i}]`;
      const within = inside === undefined ? '' : `optimizers[${j}] (${name}) takes it inside ${inside}: `;
      const chosen = at(place, () => {
        if (inside === undefined) return chosenOf(method, optimizer);
        const outer = at(`${place}: ${within}`.replace(/: $/, ''), () => chosenOf(method, optimizer));
        // What can be inside is told without data.
        at(`${place}: ${within}`.replace(/: $/, ''), () =>
          outer.algorithm.checkSets?.({ target: [] }, outer.settings as never),
        );
        return outer;
      });
      if (chosen.learningRates === undefined) {
        throw refusal(place, `${method.name} takes no steps, so no optimizer is of effect on it; leave it out`);
      }
      const able = chosen.algorithm.optimizers;
      if (able !== undefined && !able.includes(step)) {
        throw refusal(place, `${method.name} cannot be stepped by ${step} (optimizers[${j}]); leave one of the two out`);
      }
      if (neededSets(chosen).includes('alternatives')) {
        throw refusal(place, `${method.name} needs other answers to the questions to forget, which a study has not; leave it out`);
      }
    }
  }
}
