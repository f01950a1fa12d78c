/**
 * How near a model's answers to TOFU's questions are to right and wrong ones, by sentence embeddings.
 *
 * @module
 */

import { type Example, withAnswer, withQuestion } from '../../data/example.ts';
import { batchParts } from '../../model/batch-parts.ts';
import { type Embedder, embedTexts } from '../embedding/embedder.ts';
import { cosineSimilarity } from '../metrics/nearest-answer.ts';
import { type Answering, answerQuestions, type Generated, type Question } from './answer-questions.ts';
import { inJournal, type PartOptions } from './in-journal.ts';
import type { LogItem, Similarities } from './log.ts';

/** What of an item comparing gives; of one without right answer in other words, or without wrong answers, nothing. */
type Compared = Pick<LogItem, 'paraphrasedTexts' | 'similarities'>;

interface Pair {
  readonly question: Question;
  readonly generation: string;
}

/**
 * Compares each answer with the right one in other words and with wrong ones. Where a profile asks the question in other words for that,
 * the model answers once more.
 *
 * @param generated what the model answered to the questions as they are
 * @returns for each question, in their order
 * @throws SoulError as `embedTexts`; SOUL_CANCELLED
 */
export async function compareAnswers(
  embedder: Embedder,
  questions: readonly Question[],
  generated: readonly Generated[],
  answering: Answering,
  options: PartOptions,
): Promise<Compared[]> {
  const isCompared = ({ set, example }: Question) =>
    (set === 'forget' || set === 'retain') &&
    example.alternatives?.paraphrasedAnswer !== undefined &&
    (example.alternatives.perturbedAnswers ?? []).length > 0;
  const compared = questions.flatMap((question, i) =>
    isCompared(question) ? [{ question, generation: generated[i]!.texts!.generation }] : [],
  );
  const isReworded = answering.recording.accuracyQuestion === 'paraphrasedQuestion';
  const reworded = compared.map(({ question }) => ({ ...question, example: inOtherWords(question.example) }));
  const again = isReworded ? await answerQuestions('paraphrasedGeneration', reworded, answering, options) : undefined;
  const pairs = again ? compared.map((pair, i) => ({ ...pair, generation: again[i]!.texts!.generation })) : compared;
  const similarities = await similaritiesOf(embedder, pairs, options);
  const found = new Map(
    compared.map(({ question }, i): [Question, Compared] => [
      question,
      { ...(again ? { paraphrasedTexts: again[i]!.texts! } : {}), similarities: similarities[i]! },
    ]),
  );
  return questions.map((question) => found.get(question) ?? {});
}

/** Question and answer in other words; the question itself where there are none for it. */
function inOtherWords(example: Example): Example {
  const { paraphrasedQuestion, paraphrasedAnswer } = example.alternatives!;
  const asked = paraphrasedQuestion === undefined ? example : withQuestion(example, paraphrasedQuestion);
  return withAnswer(asked, paraphrasedAnswer!);
}

function similaritiesOf(embedder: Embedder, pairs: readonly Pair[], options: PartOptions): Promise<Similarities[]> {
  const { batchSize: examples = 16, signal } = options;
  const parts = batchParts(
    pairs.map(() => [1]),
    { examples, tokens: undefined },
  );
  const generations = new Map(pairs.map(({ question, generation }) => [question, generation]));
  const questions = pairs.map(({ question }) => question);
  return inJournal('embedding', questions, parts, options, async (items) => {
    const texts = items.map((item) => {
      const { paraphrasedAnswer, perturbedAnswers } = item.example.alternatives!;
      return [generations.get(item)!, paraphrasedAnswer!, ...perturbedAnswers!];
    });
    const vectors = await embedTexts(embedder, texts.flat(), signal ? { signal } : {});
    let next = 0;
    return texts.map((ofItem) => {
      const [generation, ...answers] = ofItem.map(() => vectors[next++]!);
      const [paraphrased, ...perturbed] = answers.map((answer) => cosineSimilarity(generation!, answer));
      return { paraphrased: paraphrased!, perturbed };
    });
  });
}
