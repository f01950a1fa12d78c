/**
 * ROUGE-L and ROUGE-1 as Google's rouge_score computes them, the figures that unlearning papers quote.
 *
 * C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, sections 2 and 3.1.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import { porterStem } from './porter-stemmer.ts';

/** Shares of the words that both texts have, each from 0 to 1; of ROUGE-L those of their longest common subsequence. */
export interface RougeScore {
  /** Their number over the words of the prediction. */
  readonly precision: number;
  /** Their number over the words of the reference. */
  readonly recall: number;
  /** The harmonic mean of the two. */
  readonly fMeasure: number;
}

/**
 * ROUGE-L of one text against one reference.
 *
 * Words are runs of a-z and 0-9 after lower-casing, everything else parts them; those of more than three letters are
 * stemmed. A text without words scores 0, whatever it says: {@link rougeSight} tells such texts.
 *
 * @param options stemmer: true by default, as in TOFU
 */
export function rougeL(prediction: string, reference: string, options: { stemmer?: boolean } = {}): RougeScore {
  return scoreOf(prediction, reference, options, longestCommonSubsequence);
}

/**
 * ROUGE-1 of one text against one reference: as {@link rougeL}, of single words in any order, each as often as both texts have it.
 *
 * @param options stemmer: true by default, as in TOFU
 */
export function rouge1(prediction: string, reference: string, options: { stemmer?: boolean } = {}): RougeScore {
  return scoreOf(prediction, reference, options, commonWords);
}

function scoreOf(
  prediction: string,
  reference: string,
  { stemmer = true }: { stemmer?: boolean },
  count: (a: readonly string[], b: readonly string[]) => number,
): RougeScore {
  if (typeof prediction !== 'string') throw invalidArgument('prediction', 'a text', prediction);
  if (typeof reference !== 'string') throw invalidArgument('reference', 'a text', reference);
  const [predicted, expected] = [rougeWords(prediction, stemmer), rougeWords(reference, stemmer)];
  const common = count(predicted, expected);
  if (common === 0) return { precision: 0, recall: 0, fMeasure: 0 };
  const precision = common / predicted.length;
  const recall = common / expected.length;
  return { precision, recall, fMeasure: (2 * precision * recall) / (precision + recall) };
}

/** The words that ROUGE compares. */
export function rougeWords(text: string, stemmer = true): string[] {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return stemmer ? words.map((word) => (word.length > 3 ? porterStem(word) : word)) : words;
}

/**
 * How much of a text ROUGE compares: all its letters and digits or most of them, fewer than half, or none. Of another script than
 * a-z it sees nothing, and of `1998\u5e74` the digits alone.
 */
export function rougeSight(text: string): 'most' | 'part' | 'none' {
  const lower = text.toLowerCase();
  const seen = lower.match(/[a-z0-9]/g)?.length ?? 0;
  if (seen === 0) return 'none';
  return 2 * seen < lower.match(/[\p{Letter}\p{Number}]/gu)!.length ? 'part' : 'most';
}

/** The length of the longest sequence of words that both have in this order, not necessarily next to each other. */
function longestCommonSubsequence(a: readonly string[], b: readonly string[]): number {
  // lengths[j]: for the words of `a` so far and the first j words of `b`.
  const lengths = new Uint32Array(b.length + 1);
  for (const word of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = lengths[j]!;
      lengths[j] = word === b[j - 1] ? diagonal + 1 : Math.max(above, lengths[j - 1]!);
      diagonal = above;
    }
  }
  return lengths[b.length]!;
}

/** How many words both have, each counted as often as it stands in the text that has it less often. */
function commonWords(a: readonly string[], b: readonly string[]): number {
  const left = new Map<string, number>();
  for (const word of b) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of a) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    left.set(word, count - 1);
    common++;
  }
  return common;
}
