/**
 * What projects understand by the same names of figures.
 *
 * Figures of one name differ by these conventions more than methods differ by the figure, so each belongs to a profile, and figures of
 * two profiles are never set side by side.
 *
 * @module
 */

import { checkChoice } from '../core/checks.ts';
import type { TruthRatioOptions } from './metrics/truth-ratio.ts';

/** How a model is asked, which decides what a log holds. */
export interface RecordingConventions {
  /** Whether the end-of-text token behind an answer counts in its probability. */
  readonly endOfText: boolean;
  /** Tokens of the prompt, the last ones, that count as the answer's. */
  readonly promptTokensCounted: number;
  /** Which question is asked for paraphrased and wrong answers, where there are two. */
  readonly question: 'question' | 'paraphrasedQuestion';
  /** Which question is answered where sentence embeddings compare the answer with right and wrong ones. */
  readonly accuracyQuestion: 'question' | 'paraphrasedQuestion';
  /** Longest prompt with its answer, in tokens, when probabilities are taken. */
  readonly maximumLength?: number;
  /** Longest generated answer, in tokens. */
  readonly maximumNewTokens: number;
  /** Longest prompt with its generated answer, in tokens. */
  readonly maximumTotalTokens?: number;
  /** Whether prompt and answer are scored as one text, too, for membership inference. */
  readonly wholeText: boolean;
}

export interface Profile {
  readonly name: ProfileName;
  readonly recording: RecordingConventions;
  /** The first items alone of the forget and retain set, so many. */
  readonly items?: number;
  readonly truthRatio: Required<TruthRatioOptions>;
  /** Added to the sum of probabilities of right and wrong answers. */
  readonly optionsEpsilon: number;
  /** What the truth ratios of the forget set are compared with. */
  readonly forgetQuality: 'the retrained model' | "the model's own retain set";
  /** Tokens of an answer that are left out where its tokens are looked at one by one. */
  readonly tokens: { readonly skipFirst: number; readonly skipLast: number };
  /** See `extractionStrength`. */
  readonly extractionAtLeastOneToken: boolean;
  readonly membership: {
    /** Texts that the model never saw: a file of the user's, or sets that are no part of the fine-tuning. */
    readonly nonMembers: 'holdout' | 'realAuthors and worldFacts';
    /** What is scored: the answer, or the whole text, prompt included. */
    readonly text: 'answer' | 'whole';
    /** Share of the tokens that min-k and min-k++ look at. */
    readonly k: number;
  };
}

export const profileNames = ['tofu', 'open-unlearning', 'soul'] as const;
export type ProfileName = (typeof profileNames)[number];

/** Of what TOFU itself does not define, `tofu` has what open-unlearning, its successor, defines. */
const openUnlearningTokens = {
  tokens: { skipFirst: 0, skipLast: 1 },
  extractionAtLeastOneToken: true,
  membership: { nonMembers: 'holdout', text: 'answer', k: 0.4 },
} as const;

const profiles: Readonly<Record<ProfileName, Profile>> = {
  // locuslab/tofu: evaluate_util.py, aggregate_eval_stat.py.
  tofu: {
    name: 'tofu',
    recording: {
      endOfText: true,
      promptTokensCounted: 0,
      question: 'question',
      accuracyQuestion: 'question',
      maximumLength: 200,
      maximumNewTokens: 200,
      maximumTotalTokens: 200,
      wholeText: false,
    },
    items: 300,
    truthRatio: { mean: 'geometric', epsilon: 0 },
    optionsEpsilon: 0,
    forgetQuality: 'the retrained model',
    ...openUnlearningTokens,
  },
  // locuslab/open-unlearning: src/evals.
  'open-unlearning': {
    name: 'open-unlearning',
    recording: {
      endOfText: true,
      promptTokensCounted: 0,
      question: 'question',
      accuracyQuestion: 'question',
      maximumNewTokens: 200,
      wholeText: false,
    },
    truthRatio: { mean: 'geometric', epsilon: 1e-10 },
    optionsEpsilon: 1e-10,
    forgetQuality: 'the retrained model',
    ...openUnlearningTokens,
  },
  // OPTML-Group/SOUL: src/metrics/Tofu.py, with the labels of its membership inference put right.
  soul: {
    name: 'soul',
    recording: {
      endOfText: false,
      promptTokensCounted: 1,
      question: 'paraphrasedQuestion',
      accuracyQuestion: 'paraphrasedQuestion',
      maximumNewTokens: 200,
      maximumTotalTokens: 200,
      wholeText: true,
    },
    truthRatio: { mean: 'arithmetic', epsilon: 1e-12 },
    optionsEpsilon: 0,
    forgetQuality: "the model's own retain set",
    tokens: { skipFirst: 1, skipLast: 0 },
    extractionAtLeastOneToken: false,
    membership: { nonMembers: 'realAuthors and worldFacts', text: 'whole', k: 0.5 },
  },
};

/**
 * The conventions of a project.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a name that is none of {@link profileNames}
 */
export function evaluationProfile(name: ProfileName): Profile {
  return profiles[checkChoice('profile', name, profileNames)];
}
