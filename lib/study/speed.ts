/**
 * How fast a model is, and how long what a study does with it takes.
 *
 * @module
 */

import type { TofuSets } from '../eval/tofu/sets.ts';
import { TokenBatch, type TokenSequence } from '../model/token-batch.ts';
import type { RunnableModel } from '../run/runnable-model.ts';
import type { Study } from './definition/study.ts';
import type { TrialSettings } from './search/trial-settings.ts';

/** Seconds that a model takes, in one process. */
export interface Speed {
  /** Of a sequence, forward and backward. */
  readonly pull: number;
  /** Of scoring a sequence. */
  readonly score: number;
  /** Of generating a token of one of several answers. */
  readonly token: number;
}

const generated = 8;

/** Measures a model that is loaded, on a few sequences. */
export async function probe(model: RunnableModel, sequences: readonly TokenSequence[]): Promise<Speed> {
  const batch = TokenBatch.of(sequences);
  const pull = async () => {
    const pass = await model.nll(batch);
    await pass.backward(new Float32Array(batch.labelCount).fill(1 / batch.labelCount));
  };
  const score = () => model.score(batch);
  const prompts = sequences.map(({ tokens }) => [...tokens.slice(0, Math.ceil(tokens.length / 2))]);
  const generate = () => model.generate(prompts, { maxNewTokens: generated, stopTokens: [] });
  // The first of each takes memory, and is slower.
  for (const once of [pull, score]) await once();
  return {
    pull: (await secondsOf(pull)) / sequences.length,
    score: (await secondsOf(score)) / sequences.length,
    token: (await secondsOf(generate)) / sequences.length / generated,
  };
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

/** Of a training on so many sequences, each epoch's counted. */
export function secondsOfTraining(sequences: number, { pull }: Speed): number {
  return sequences * pull;
}

/** Sequences that TOFU's evaluation scores for an item: the answer, its paraphrase and the wrong ones; and the tokens of an answer. */
const [tofuSequences, answerTokens] = [7, 40];

/** Examples a step of relearning, and its steps. */
const relearned = 80;

/** Of a trial from its start to its end. */
export function secondsOfTrial(
  { evaluation, training }: Study,
  { descent, curvature }: TrialSettings,
  sets: { readonly examples: number; readonly tofu?: TofuSets | undefined },
  { pull, score, token }: Speed,
): number {
  const { batchSize } = training;
  const steps = descent.steps ?? Math.ceil((descent.epochs ?? 1) * Math.ceil(sets.examples / batchSize));
  // An estimate that rides on the step's own passes takes less.
  const estimated = curvature
    ? curvature.chunkSize * (curvature.primingChunks + Math.floor((steps - 1) / curvature.every) * curvature.chunks)
    : 0;
  const both = Math.min(evaluation.forget, sets.examples) + evaluation.retain;
  const items = Object.values(sets.tofu?.examples ?? {}).reduce((sum, examples) => sum + (examples?.length ?? 0), 0);
  const attacked =
    evaluation.attacks.length * both * score + (evaluation.attacks.includes('relearn') ? relearned * pull : 0);
  return (
    (2 * steps * batchSize + estimated) * pull +
    (Math.min(evaluation.points, steps) * both + 2 * evaluation.utility) * score +
    items * (tofuSequences * score + answerTokens * token) +
    attacked
  );
}
