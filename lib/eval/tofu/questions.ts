/**
 * TOFU's questions as the sequences that a model scores.
 *
 * @module
 */

import { type EncodedExample, type EncodeOptions, encodeExample } from '../../data/encode.ts';
import { type Example, withAnswer, withQuestion } from '../../data/example.ts';
import type { ExampleTemplate } from '../../data/example-template.ts';
import { tokensBefore } from '../../data/guardrail-template.ts';
import type { TextTokenizer } from '../../model/tokenizer.ts';
import { evaluationProfile, type ProfileName, type RecordingConventions } from '../profiles.ts';
import { type EvaluationLog, type EvaluationSet, evaluationSets } from './log.ts';
import type { TofuSets } from './sets.ts';

/** One question, and the sequences that are scored for it. */
export interface Asked {
  readonly set: EvaluationSet;
  /** The number in its set. */
  readonly index: number;
  readonly example: Example;
  readonly sequences: Sequences;
}

interface Sequences {
  readonly answer: EncodedExample;
  readonly paraphrased?: EncodedExample;
  readonly perturbed: readonly EncodedExample[];
  readonly whole?: EncodedExample;
}

/**
 * All questions, encoded as a profile asks them.
 *
 * @param options.maximumLength may be infinite
 * @throws SoulError SOUL_BAD_DATA for an item that cannot be encoded
 */
export function askedOf(
  tokenizer: TextTokenizer,
  sets: TofuSets,
  options: { profile: ProfileName; template: ExampleTemplate; maximumLength: number },
): Asked[] {
  const { profile, template, maximumLength } = options;
  const encode = sequenceEncoder(tokenizer, template, evaluationProfile(profile).recording, maximumLength);
  return evaluationSets.flatMap((set) =>
    examplesOf(sets, set, profile).map((example, index) => ({ set, index, example, sequences: encode(set, example) })),
  );
}

/** The examples that a profile looks at. */
function examplesOf(sets: TofuSets, set: EvaluationSet, profile: ProfileName): readonly Example[] {
  const { items } = evaluationProfile(profile);
  return (sets.examples[set] ?? []).slice(0, set === 'forget' || set === 'retain' ? items : undefined);
}

/** The log that an evaluation will give, without its figures: for checks before it. */
export function questionsOf(sets: TofuSets, profile: ProfileName): EvaluationLog {
  const asked = evaluationSets.filter((set) => sets.examples[set] !== undefined);
  const items = (set: EvaluationSet) =>
    examplesOf(sets, set, profile).map((example, index) => ({
      index: String(index),
      answer: { meanLoss: 0 },
      texts: { prompt: '', generation: '', answer: example.completion },
    }));
  return { sets: Object.fromEntries(asked.map((set) => [set, items(set)])) };
}

/** All sequences of an item. */
export function listed({ sequences }: Asked): EncodedExample[] {
  const { answer, paraphrased, perturbed, whole } = sequences;
  return [answer, paraphrased, ...perturbed, whole].filter((sequence) => sequence !== undefined);
}

function sequenceEncoder(
  tokenizer: TextTokenizer,
  template: ExampleTemplate,
  recording: RecordingConventions,
  maximumLength: number,
): (set: EvaluationSet, example: Example) => Sequences {
  const encoding: EncodeOptions = {
    template,
    appendEndOfText: recording.endOfText,
    // Other answers stand in place of the last one of a conversation.
    lastAnswerAlone: true,
    ...(maximumLength === Infinity ? {} : { maximumLength }),
  };
  const encode = (example: Example): EncodedExample => {
    const encoded = withEnd(encodeExample(tokenizer, example, encoding));
    return { ...encoded, labelsFrom: Math.max(1, encoded.labelsFrom - recording.promptTokensCounted) };
  };
  // Where the end of a text does not count, that of a turn does not either.
  const withEnd = (encoded: EncodedExample): EncodedExample => {
    const { tokens, labelsFrom } = encoded;
    const isEnded = template.endTokens.includes(tokens.at(-1)!) && labelsFrom < tokens.length - 1;
    return !recording.endOfText && isEnded ? { ...encoded, tokens: tokens.slice(0, -1) } : encoded;
  };
  // Nor is what a guardrail puts before the question a part of the text.
  const wholeFrom = 1 + tokensBefore(tokenizer, template);
  return (set, example) => {
    const { paraphrasedAnswer, paraphrasedQuestion, perturbedAnswers = [] } = example.alternatives ?? {};
    const isReworded = recording.question === 'paraphrasedQuestion' && paraphrasedQuestion !== undefined;
    const asked = isReworded ? withQuestion(example, paraphrasedQuestion) : example;
    const other = (completion: string) => encode(withAnswer(asked, completion));
    const answer = encode(example);
    return {
      answer,
      ...(paraphrasedAnswer === undefined ? {} : { paraphrased: other(paraphrasedAnswer) }),
      perturbed: set === 'holdout' ? [] : perturbedAnswers.map(other),
      ...(recording.wholeText ? { whole: { ...answer, labelsFrom: wholeFrom } } : {}),
    };
  };
}
