/**
 * The same questions in other words.
 *
 * @module
 */

import type { TokenSequence } from '../../model/token-batch.ts';
import type { AttackKind } from '../kind.ts';
import { type AttackRoom, type AttackSet, type MeasuredChange, measure } from '../room.ts';

export const paraphrase: AttackKind = {
  name: 'paraphrase',
  summary: 'asks in other words (paraphrased_question in the data), and measures the same answers',
  tells: 'whether the model forgot the fact or the wording; also a model that knows is less sure of another wording',
  source: 'Maini et al., "TOFU", 2024 (paraphrased questions); Patil et al., 2023 (arXiv 2309.17410)',
  missing: ({ forget }) =>
    pairsOf(forget).length === 0 ? 'paraphrased questions (paraphrased_question in the data)' : undefined,
  async run(room) {
    const { forget, retain } = room.input;
    const change = await asked(room, forget);
    const kept = retain && pairsOf(retain).length > 0 ? await asked(room, retain) : undefined;
    return [{ forget: change, ...(kept ? { retain: kept } : {}), steps: 0, details: {} }];
  },
};

async function asked(room: AttackRoom, set: AttackSet): Promise<MeasuredChange> {
  const pairs = pairsOf(set);
  const of = (which: 0 | 1) => pairs.map((pair) => pair[which]);
  const before = await measure(room, of(0), 'questions in their own words');
  return { examples: pairs.length, before, after: await measure(room, of(1), 'questions in other words') };
}

function pairsOf({ sequences, paraphrases = [] }: AttackSet): [TokenSequence, TokenSequence][] {
  return sequences.flatMap((sequence, i): [TokenSequence, TokenSequence][] => {
    const other = paraphrases[i];
    return other ? [[sequence, other]] : [];
  });
}
