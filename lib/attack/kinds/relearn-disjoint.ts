/**
 * Relearning on facts other than those that are measured.
 *
 * @module
 */

import type { AttackKind } from '../kind.ts';
import { relearn, split } from '../relearn.ts';

export const relearnDisjoint: AttackKind = {
  name: 'relearn-disjoint',
  summary: 'fine-tunes on a share of the forget set and measures the others',
  tells: 'whether facts come back that were not taught: where the examples are independent, they were hidden',
  source:
    'Deeb and Roger, "Do Unlearning Methods Remove Information from Language Model Weights?", 2024 (arXiv 2410.08827)',
  missing: ({ forget }) => (forget.sequences.length < 2 ? 'at least two examples to forget' : undefined),
  run: (room) => {
    const { seen, others } = split(room.input.forget.sequences, room.options.share, room.options.seed, 1);
    return relearn(room, { seen, forget: others });
  },
};
