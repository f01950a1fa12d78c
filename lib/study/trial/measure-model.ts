/**
 * What is measured of a model in memory: answers' probabilities by halves, before and under attacks, utility, and TOFU's figures.
 *
 * @module
 */

import { split } from '../../attack/relearn.ts';
import { whileAttacked } from '../../attack/under-attack.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { measureLog } from '../../eval/figures/measure-log.ts';
import { generateAnswers } from '../../eval/generation.ts';
import { mean, probability } from '../../eval/probability.ts';
import { evaluateTofu } from '../../eval/tofu/evaluate-tofu.ts';
import type { EvaluationLog } from '../../eval/tofu/log.ts';
import type { TokenSequence } from '../../model/token-batch.ts';
import { rateForSize } from '../../run/optimizer-choice.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import type { Study } from '../definition/study.ts';
import { evenly, type Half, type MeasuredItems } from '../worlds/halves.ts';
import type { StudyWorld } from '../worlds/world.ts';
import type { HalfFigures, PathPoint, TrialRecord } from './record.ts';

/** A model, and what is asked of it. */
export interface Measuring {
  readonly study: Study;
  readonly world: StudyWorld;
  readonly model: RunnableModel;
  readonly signal?: AbortSignal | undefined;
}

/** Examples that a model sees at once. */
const batchSize = 16;

/** Mean probability of the answers of both sets, by halves. */
export async function measureHalves({ world, model, signal }: Measuring): Promise<Omit<PathPoint, 'step' | 'epoch'>> {
  const forget = await halvesOf(model, world.measured.forget, signal);
  const retain = await halvesOf(model, world.measured.retain, signal);
  return {
    validation: { forget: forget.validation, retain: retain.validation },
    test: { forget: forget.test, retain: retain.test },
  };
}

/** Mean probability of the answers of each utility set. */
export async function measureUtility({ world, model, signal }: Measuring): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const [name, sequences] of Object.entries(world.utility)) {
    figures[name] = mean(await probabilities(model, sequences, signal));
  }
  return figures;
}

/**
 * Mean probability of the answers under each attack of the study; of relearning, of the examples to forget that it was not shown. The
 * model is afterwards what it was, to the bit.
 */
export async function measureAttacked(measuring: Measuring): Promise<NonNullable<TrialRecord['attacks']>> {
  const { study, world, model, signal } = measuring;
  const options = relearning(study, model.parameters.layout.parameterCount);
  const forget: readonly TokenSequence[] = world.sets.target;
  const figures: Record<string, { forget: HalfFigures; retain: HalfFigures }> = {};
  for (const name of study.evaluation.attacks) {
    const shown = name === 'relearn' ? split(forget, options.share, options.seed, 0).seen : [];
    const unseen = without(world.measured.forget, new Set(shown));
    figures[name] = await whileAttacked(
      { model, forget, ...withoutUndefined({ signal }) },
      name,
      options,
      async () => ({
        forget: await halvesOf(model, unseen, signal),
        retain: await halvesOf(model, world.measured.retain, signal),
      }),
    );
  }
  return figures;
}

/** At the share of `soul attack`, and at a rate that is scaled to the model's size as those of runs are. */
function relearning(study: Study, weights: number) {
  return { share: 0.2, steps: 10, batchSize: 8, learningRate: rateForSize('adamw', 1e-5, weights), seed: study.seed };
}

/** A model's answers to TOFU's questions; undefined where the study asks none. */
export async function askTofu({ world, model, signal }: Measuring): Promise<EvaluationLog | undefined> {
  const { tofu, tokenizer, template, maximumLength } = world;
  if (tofu === undefined) return undefined;
  return evaluateTofu(model, tokenizer, tofu, { template, maximumLength, ...withoutUndefined({ signal }) });
}

/** TOFU's figures of a log, beside the retrained model's, by `metric` or `metric/set`. */
export function tofuFigures(log: EvaluationLog, reference: EvaluationLog | undefined): Record<string, number> {
  // Of the intervals over items, which take most of its time, none is kept.
  const { figures } = measureLog(log, { resamples: 1, ...withoutUndefined({ reference }) });
  return Object.fromEntries(
    figures.flatMap(({ metric, set, value, layer }) =>
      !Number.isFinite(value) || layer !== undefined ? [] : [[set === undefined ? metric : `${metric}/${set}`, value!]],
    ),
  );
}

/** Questions of each set whose answers are shown. */
const textsShown = 3;

/** The longest answer that is shown, in tokens. */
const longestAnswer = 64;

/** What the model answers to a few questions of each set. */
export async function answersShown({
  world,
  model,
  signal,
}: Measuring): Promise<Record<'forget' | 'retain', string[]>> {
  const answer = (name: 'forget' | 'retain') =>
    generateAnswers(model, world.tokenizer, shownItems(world, name), {
      maxNewTokens: longestAnswer,
      template: world.template,
      ...withoutUndefined({ signal }),
    });
  return { forget: await answer('forget'), retain: await answer('retain') };
}

/** The examples whose answers are shown: of those that are measured, questions alone. */
export function shownItems({ measured }: Pick<StudyWorld, 'measured'>, name: 'forget' | 'retain') {
  const questions = measured[name].items.filter(({ kind }) => kind === 'question-answer');
  return evenly(questions.length, textsShown).map((place) => questions[place]!);
}

function without({ items, sequences, halves }: MeasuredItems, left: ReadonlySet<TokenSequence>): MeasuredItems {
  const places = [...sequences.keys()].filter((place) => !left.has(sequences[place]!));
  const unseen = places.length > 0 ? places : [...sequences.keys()];
  return {
    items: unseen.map((place) => items[place]!),
    sequences: unseen.map((place) => sequences[place]!),
    halves: unseen.map((place) => halves[place]!),
  };
}

async function halvesOf(
  model: RunnableModel,
  { sequences, halves }: MeasuredItems,
  signal: AbortSignal | undefined,
): Promise<HalfFigures> {
  const all = await probabilities(model, sequences, signal);
  const of = (half: Half) => {
    const own = all.filter((_, i) => halves[i] === half);
    // Relearning may have been shown all of one half.
    return mean(own.length > 0 ? own : all);
  };
  return { validation: of('validation'), test: of('test') };
}

async function probabilities(
  model: RunnableModel,
  sequences: readonly TokenSequence[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const items = await probability(model, sequences, { batchSize, ...withoutUndefined({ signal }) });
  return items.map((item) => item.probability);
}
