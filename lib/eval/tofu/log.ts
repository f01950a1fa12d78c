/**
 * What an evaluation on TOFU's sets found, item by item.
 *
 * @module
 */

import type { ProfileName } from '../profiles.ts';

/** The sets, under the names that TOFU's logs give them; `holdout` is ours. */
export const logSections = {
  forget: 'eval_log_forget.json',
  retain: 'eval_log.json',
  realAuthors: 'eval_real_author_wo_options.json',
  worldFacts: 'eval_real_world_wo_options.json',
  holdout: 'eval_log_holdout.json',
} as const;

export type EvaluationSet = keyof typeof logSections;

export const evaluationSets = Object.keys(logSections) as readonly EvaluationSet[];

/** The sets whose answers are read from each layer. */
export const lensSets = ['forget', 'retain'] as const satisfies EvaluationSet[];

/** What a model thinks of one answer. */
export interface AnswerLoss {
  /** Mean of -log p over its tokens, in nats; infinite where a token has no probability. */
  readonly meanLoss: number;
  /** How many tokens there are; absent in logs that do not say. */
  readonly tokens?: number;
}

/** Figures of the tokens of one text. */
export interface TokenFigures {
  /** log p, in nats. */
  readonly logProbability: readonly number[];
  /** 1 where the token is the model's most likely one. */
  readonly isArgmax: readonly number[];
  /** Mean of log p over the vocabulary under the model's own distribution. */
  readonly mean: readonly number[];
  /** Variance of log p likewise. */
  readonly variance: readonly number[];
}

/** Fields of tokens, which TOFU does not have, and of which figure. */
export const tokenFields = {
  log_probability: 'logProbability',
  is_argmax: 'isArgmax',
  mean: 'mean',
  variance: 'variance',
} as const satisfies Record<string, keyof TokenFigures>;

/** One question of a set. What a log does not hold is absent. */
export interface LogItem {
  /** The item's number in its set, from 0, as text. */
  readonly index: string;
  readonly answer: AnswerLoss;
  /** The right answer in other words; of real authors and world facts the answer itself. */
  readonly paraphrased?: AnswerLoss;
  /** Wrong answers. */
  readonly perturbed?: readonly AnswerLoss[];
  readonly texts?: ItemTexts;
  readonly rouge1Recall?: number;
  readonly rougeLRecall?: number;
  /** Of the answer's tokens. */
  readonly answerTokens?: TokenFigures;
  /** For each layer the mean log p of the answer's tokens, in nats, read through the final norm and head; the last is the model's own. */
  readonly layerLogProbability?: readonly number[];
  /** Figures of tokens that a log gives in place of the tokens'; null where there is no token to look at. */
  readonly given?: Readonly<Partial<Record<'exactMemorization' | 'extractionStrength', number | null>>>;
  /** Of all tokens of prompt and answer but the first. */
  readonly wholeTokens?: TokenFigures;
  /** The question in other words, what was generated for it, and the right answer in other words, where a profile asks so. */
  readonly paraphrasedTexts?: ItemTexts;
  /** Of a generated answer to the right answer in other words and to wrong ones. */
  readonly similarities?: Similarities;
}

export interface ItemTexts {
  readonly prompt: string;
  readonly generation: string;
  readonly answer: string;
}

/** Cosines of sentence embeddings, from -1 to 1. */
export interface Similarities {
  readonly paraphrased: number;
  readonly perturbed: readonly number[];
}

/** By which conventions a log was made, and what of it is worth knowing. */
export interface Recording {
  readonly profile: ProfileName;
  /** The name of what embedded sentences; absent where nothing did. */
  readonly embedder?: string;
  readonly [fact: string]: unknown;
}

/** The attacks of membership inference, under the names of their figures. */
export type MembershipAttack =
  | 'membershipLoss'
  | 'membershipZlib'
  | 'membershipMinK'
  | 'membershipMinKPlusPlus'
  | 'membershipReference';

/** A figure that a log states beside its items. */
export interface StatedFigure {
  /** The log's name of it. */
  readonly name: string;
  readonly metric: string;
  readonly set?: EvaluationSet;
  readonly value: number;
}

export interface EvaluationLog {
  /** Absent in logs of other projects, which do not say. */
  readonly recorded?: Recording;
  /** Scores of texts, in logs that have them in place of tokens: lower for what was more likely seen. */
  readonly membership?: Readonly<
    Partial<Record<MembershipAttack, Readonly<Record<'forget' | 'holdout', readonly number[]>>>>
  >;
  /** What the log says of figures that its items give as well. */
  readonly stated?: readonly StatedFigure[];
  readonly sets: Readonly<Partial<Record<EvaluationSet, readonly LogItem[]>>>;
}
