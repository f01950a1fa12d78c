/**
 * A model asked TOFU's questions.
 *
 * @module
 */

import { checkInteger } from '../../core/checks.ts';
import { SoulError } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { withoutUndefined } from '../../core/optional.ts';
import type { EncodedExample } from '../../data/encode.ts';
import { whereIs } from '../../data/example.ts';
import type { ExampleTemplate } from '../../data/example-template.ts';
import { tokensBefore } from '../../data/guardrail-template.ts';
import { PromptTemplate } from '../../data/prompt-template.ts';
import { checkVocabulary } from '../../data/vocabulary.ts';
import { batchParts } from '../../model/batch-parts.ts';
import type { DifferentiableLM, TextGenerator } from '../../model/contract.ts';
import type { TextTokenizer } from '../../model/tokenizer.ts';
import { checkEmbedder, type Embedder } from '../embedding/embedder.ts';
import { logitLens } from '../logit-lens.ts';
import { likelihood } from '../probability.ts';
import { evaluationProfile, type ProfileName, type RecordingConventions } from '../profiles.ts';
import type { BatchedOptions } from '../progress.ts';
import { type SequenceScores, scoreTokens } from '../token-scores.ts';
import { type Answering, answerQuestions, type Generated, generatedOf } from './answer-questions.ts';
import { compareAnswers } from './compare-answers.ts';
import { inJournal } from './in-journal.ts';
import type { EvaluationJournal } from './journal.ts';
import {
  type AnswerLoss,
  type EvaluationLog,
  type EvaluationSet,
  type LogItem,
  lensSets,
  type TokenFigures,
} from './log.ts';
import { type Asked, askedOf, listed } from './questions.ts';
import type { TofuSets } from './sets.ts';

export interface EvaluateTofuOptions extends Omit<BatchedOptions, 'what'> {
  /** By whose conventions the model is asked; 'tofu' by default. */
  profile?: ProfileName;
  /** How a question becomes a prompt; the plain template by default. */
  template?: ExampleTemplate;
  /**
   * Longest prompt with its answer, in tokens; what is longer loses its end. The profile's where that is smaller, to which comes what a
   * guardrail puts before the question.
   */
  maximumLength?: number;
  /** Compares answers with right and wrong ones, for SOUL's accuracy; without one the log has none. */
  embedder?: Embedder;
  /** Whether the answers of forget and retain set are also read from each layer; false by default. */
  logitLens?: boolean;
  /** Where what was found is kept on the way, and taken from. */
  journal?: EvaluationJournal;
  /** What of the evaluation is worth knowing, for the log. */
  facts?: Readonly<Record<string, unknown>>;
}

const optionNames = [
  'batchSize',
  'batchTokens',
  'onProgress',
  'signal',
  'profile',
  'template',
  'maximumLength',
  'embedder',
  'logitLens',
  'journal',
  'facts',
] as const satisfies readonly (keyof EvaluateTofuOptions)[];

/** What of an item scoring gives. */
type Scored = Pick<
  LogItem,
  'answer' | 'paraphrased' | 'perturbed' | 'answerTokens' | 'layerLogProbability' | 'wholeTokens'
>;

/**
 * Asks a model all questions of TOFU's sets: the losses of right, paraphrased and wrong answers, greedy answers, and,
 * with an embedder, how near these are to right and wrong ones. Batches are of
 * sequences of like length and the same ones however often the evaluation is interrupted.
 *
 * Maini et al., "TOFU: A Task of Fictitious Unlearning for LLMs", 2024, section 2.2.
 *
 * @returns the log, from which `measureLog` computes figures
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_BAD_DATA for an item that cannot be encoded or has a token beyond the model's
 *   vocabulary; SOUL_NON_FINITE for a broken model or embedder; SOUL_CANCELLED by `options.signal`
 */
export async function evaluateTofu(
  model: Pick<DifferentiableLM, 'score' | 'vocabularySize' | 'hiddenStates'> & TextGenerator,
  tokenizer: TextTokenizer,
  sets: TofuSets,
  options: EvaluateTofuOptions = {},
): Promise<EvaluationLog> {
  checkNames('options', options, optionNames);
  const { profile = 'tofu', template = PromptTemplate.plain, embedder, facts = {} } = options;
  if (embedder !== undefined) checkEmbedder('embedder', embedder);
  const { recording } = evaluationProfile(profile);
  if (options.maximumLength !== undefined) checkInteger('maximumLength', options.maximumLength, { low: 2 });
  const before = tokensBefore(tokenizer, template);
  const maximumLength = Math.min(options.maximumLength ?? Infinity, (recording.maximumLength ?? Infinity) + before);
  const asked = askedOf(tokenizer, sets, { profile, template, maximumLength });
  if (model.vocabularySize !== undefined) {
    const all = asked.flatMap((item) => listed(item).map((sequence) => [item.example, sequence] as const));
    const [examples, encoded] = [all.map(([example]) => example), all.map(([, sequence]) => sequence)];
    checkVocabulary(tokenizer, examples, encoded, model.vocabularySize);
  }
  const scored = await scoreAll(model, asked, recording, options);
  const answering = { model, tokenizer, template, recording };
  const generated = await generateAll(asked, answering, options);
  const compared = embedder ? await compareAnswers(embedder, asked, generated, answering, options) : [];
  const logged: Partial<Record<EvaluationSet, LogItem[]>> = {};
  for (const [i, { set, index }] of asked.entries()) {
    logged[set] ??= [];
    logged[set].push({ index: String(index), ...scored[i]!, ...generated[i]!, ...compared[i] });
  }
  const recorded = {
    ...facts,
    profile,
    split: sets.split,
    template: template.record,
    ...recording,
    ...(embedder ? { embedder: embedder.name } : {}),
    ...(maximumLength === Infinity ? {} : { maximumLength }),
    // Sequences that lost their end.
    truncated: asked.flatMap(listed).filter((sequence) => sequence.truncated > 0).length,
  };
  return { recorded, sets: logged };
}

async function scoreAll(
  model: Pick<DifferentiableLM, 'score' | 'vocabularySize' | 'hiddenStates'>,
  asked: readonly Asked[],
  recording: RecordingConventions,
  options: EvaluateTofuOptions,
): Promise<Scored[]> {
  const { batchSize = 16, batchTokens: tokens, signal } = options;
  const lengths = asked.map((item) => listed(item).map((sequence) => sequence.tokens.length));
  const most = lengths.reduce((longest, ofItem) => Math.max(longest, ofItem.length), 1);
  const examples = Math.max(1, Math.floor(checkInteger('batchSize', batchSize) / most));
  const parts = batchParts(lengths, { examples, tokens });
  return inJournal('probability', asked, parts, options, async (items) => {
    const sequences = items.map(listed);
    const all = sequences.flat();
    const scores = await scoreTokens(model, all, { batchSize: all.length, ...withoutUndefined({ signal }) }).catch(
      (error: unknown) => {
        throw whereBroken(error, items, sequences);
      },
    );
    const layers = options.logitLens ? await readLayers(model, items, signal) : undefined;
    let next = 0;
    return items.map((item): Scored => {
      const { paraphrased, perturbed, whole } = item.sequences;
      const reading = layers?.get(item);
      const take = () => scores[next++]!;
      const answer = take();
      return {
        answer: lossOf(answer),
        // Of sets whose answers are not put in other words, the answer itself.
        ...(item.set === 'holdout' ? {} : { paraphrased: lossOf(paraphrased ? take() : answer) }),
        ...(perturbed.length > 0 ? { perturbed: perturbed.map(() => lossOf(take())) } : {}),
        answerTokens: tokensOf(answer),
        ...(reading ? { layerLogProbability: reading } : {}),
        ...(whole && recording.wholeText ? { wholeTokens: tokensOf(take()) } : {}),
      };
    });
  });
}

/** The answers of the sets that figures of layers are of. */
async function readLayers(
  model: Pick<DifferentiableLM, 'score' | 'vocabularySize' | 'hiddenStates'>,
  items: readonly Asked[],
  signal: AbortSignal | undefined,
): Promise<Map<Asked, number[]>> {
  const read = items.filter(({ set }) => lensSets.some((each) => each === set));
  if (read.length === 0) return new Map();
  const answers = read.map(({ sequences }) => sequences.answer);
  const options = { batchSize: answers.length, ...withoutUndefined({ signal }) };
  const readings = await logitLens(model, answers, options).catch((error: unknown) => {
    throw whereBroken(
      error,
      read,
      answers.map((answer) => [answer]),
    );
  });
  return new Map(read.map((item, i) => [item, readings[i]!]));
}

/** The error of a broken model with the line of the item in place of a number in the batch. */
function whereBroken(error: unknown, items: readonly Asked[], sequences: readonly EncodedExample[][]): unknown {
  if (!(error instanceof SoulError) || error.code !== 'SOUL_NON_FINITE') return error;
  let before = 0;
  const which = sequences.findIndex((ofItem) => {
    before += ofItem.length;
    return (error.details.example as number) < before;
  });
  const { example } = items[which]!;
  return new SoulError(
    'SOUL_NON_FINITE',
    `the model gives NaN for an answer to ${whereIs(example)}; its weights are likely not finite`,
    { ...example.source },
    { cause: error },
  );
}

function lossOf({ logProbability }: SequenceScores): AnswerLoss {
  const { meanNegativeLogLikelihood: meanLoss, labelTokens: tokens } = likelihood(logProbability);
  return { meanLoss, tokens };
}

/** As numbers whose text is no longer than that of a float32 need be. */
function tokensOf(scores: SequenceScores): TokenFigures {
  const short = (values: Float32Array) => Array.from(values, (value) => Number(value.toPrecision(9)));
  return {
    logProbability: short(scores.logProbability),
    isArgmax: [...scores.isArgmax],
    mean: short(scores.mean),
    variance: short(scores.variance),
  };
}

async function generateAll(
  asked: readonly Asked[],
  answering: Answering,
  options: EvaluateTofuOptions,
): Promise<Generated[]> {
  // Of texts that nobody asks for nothing is generated.
  const questions = asked.filter(({ set }) => set !== 'holdout');
  const generated = await answerQuestions('generation', questions, answering, options);
  const byItem = new Map(questions.map((item, i) => [item, generated[i]!]));
  return asked.map((item) => byItem.get(item) ?? generatedOf(item.example, answering.template));
}
