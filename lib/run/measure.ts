/**
 * What a run measures of its sets: figures of their first examples, before, on the way and after.
 *
 * @module
 */

import { withoutUndefined } from '../core/optional.ts';
import type { EncodedExample } from '../data/encode.ts';
import type { Example } from '../data/example.ts';
import type { ExampleTemplate } from '../data/example-template.ts';
import { generationRouge } from '../eval/generation.ts';
import { mean } from '../eval/probability.ts';
import { scoreTokens } from '../eval/token-scores.ts';
import type { DifferentiableLM, TextGenerator } from '../model/contract.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import { needAnswers, type SetFigureName, setFigure } from './evaluations/figures.ts';

/** Figures of a set at one moment. */
export interface MeasuredSet {
  readonly examples: number;
  /** Mean of the answers' length-normalised probability. */
  readonly probability: number;
}

export interface MeasuredSets {
  readonly target: MeasuredSet;
  readonly retain?: MeasuredSet;
}

/** Probability of the answers of one set before and after a run. */
export interface BeforeAndAfter {
  examples: number;
  before: number;
  after: number;
}

/** Figures of both sets. */
export interface Evaluation {
  target: BeforeAndAfter;
  retain?: BeforeAndAfter;
}

/** Examples, and their tokens. */
export interface MeasurableSet {
  readonly items: readonly Example[];
  readonly encoded: readonly EncodedExample[];
}

/** Means over a set's examples, and what they took. */
export type SetFigures = {
  readonly examples: number;
  /** Mean of the answers' length-normalised probability. */
  readonly probability: number;
  /** That measuring took. */
  readonly seconds: number;
} & Partial<Readonly<Record<SetFigureName, number>>>;

export interface MeasureOptions {
  /** Examples of each set: its first. */
  readonly limit: number;
  readonly batchSize: number;
  readonly batchTokens?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of examples scored and examples answered, of all sets together. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** How a model answers, for figures that need it. */
export interface Answering {
  readonly tokenizer: TextTokenizer;
  readonly template: ExampleTemplate;
  /** Most tokens of a prompt and its answer. */
  readonly maximumLength: number;
}

type Scorer = Pick<DifferentiableLM, 'score' | 'vocabularySize'>;

/**
 * Measures figures of the first examples of each set. Batches of a set depend on that set alone, so that its figures have the same bits
 * whatever else is measured.
 *
 * @param figures beside the probability, which is always among them
 * @param answering must be given where a figure needs answers
 */
export async function measureFigures<Name extends string>(
  model: Scorer & Partial<TextGenerator>,
  sets: Readonly<Record<Name, MeasurableSet>>,
  figures: readonly SetFigureName[],
  options: MeasureOptions,
  answering?: Answering,
): Promise<Record<Name, SetFigures>> {
  const { limit, batchSize, batchTokens, signal, onProgress } = options;
  const answers = needAnswers(figures);
  const all = Object.entries<MeasurableSet>(sets);
  const counts = all.map(([, { encoded }]) => Math.min(limit, encoded.length));
  const total = counts.reduce((sum, count) => sum + count, 0) * (answers ? 2 : 1);
  let finished = 0;
  const pass = async <Result>(count: number, work: (batched: object) => Promise<Result>): Promise<Result> => {
    const result = await work({
      batchSize,
      ...withoutUndefined({ batchTokens, signal }),
      onProgress: ({ done }: { done: number }) => onProgress?.(finished + done, total),
    });
    finished += count;
    return result;
  };
  const measured: Record<string, SetFigures> = {};
  for (const [i, [name, { items, encoded }]] of all.entries()) {
    const begun = performance.now();
    const [examples, first] = [counts[i]!, encoded.slice(0, limit)];
    const scores = await pass(examples, (batched) => scoreTokens(model, first, batched));
    const { tokenizer, template, maximumLength: maxTotalTokens } = answering ?? {};
    const generated = answers
      ? await pass(examples, (batched) =>
          generationRouge(model as TextGenerator, tokenizer!, items.slice(0, limit), {
            ...batched,
            ...withoutUndefined({ template, maxTotalTokens }),
          }),
        )
      : [];
    const figure = (figureName: SetFigureName) => {
      const { ofScores, ofAnswer } = setFigure(figureName);
      return mean(ofScores ? scores.map(ofScores) : generated.map(ofAnswer!));
    };
    measured[name] = {
      examples,
      probability: figure('probability'),
      ...Object.fromEntries(figures.map((figureName) => [figureName, figure(figureName)])),
      seconds: (performance.now() - begun) / 1000,
    };
  }
  return measured as Record<Name, SetFigures>;
}

/** The probabilities of the sets that conditions and verdicts speak of; undefined where the target was not measured. */
export function probabilitiesOf(
  sets: Readonly<Partial<Record<'target' | 'retain', MeasuredSet>>>,
): MeasuredSets | undefined {
  const { target, retain } = sets;
  const own = ({ examples, probability }: MeasuredSet): MeasuredSet => ({ examples, probability });
  return target && { target: own(target), ...(retain ? { retain: own(retain) } : {}) };
}

/** Two measurements, set by set. */
export function beforeAndAfter(before: MeasuredSets, after: MeasuredSets): Evaluation {
  const pair = (one: MeasuredSet, other: MeasuredSet) => ({
    examples: one.examples,
    before: one.probability,
    after: other.probability,
  });
  return {
    target: pair(before.target, after.target),
    ...(before.retain && after.retain ? { retain: pair(before.retain, after.retain) } : {}),
  };
}
