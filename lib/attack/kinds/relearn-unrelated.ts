/**
 * Relearning on text that has nothing to do with what was to be forgotten.
 *
 * @module
 */

import type { AttackKind } from '../kind.ts';
import { relearn } from '../relearn.ts';

export const relearnUnrelated: AttackKind = {
  name: 'relearn-unrelated',
  summary: 'fine-tunes on unrelated text and measures the forget set',
  tells: 'whether answers come back without any hint at them: only what the weights still hold can',
  source: 'Hu et al., "Unlearning or Obfuscating?", 2024 (arXiv 2406.13356)',
  missing: ({ unrelated = [] }) => (unrelated.length === 0 ? 'texts that are unrelated (--unrelated)' : undefined),
  run: (room) => relearn(room, { seen: room.input.unrelated!, forget: room.input.forget.sequences }),
};
