/**
 * Relearning on what was to be forgotten.
 *
 * @module
 */

import type { AttackKind } from '../kind.ts';
import { relearn as run, split } from '../relearn.ts';

export const relearn: AttackKind = {
  name: 'relearn',
  summary: 'fine-tunes on a share of the forget set and measures all of it',
  tells:
    'how fast the answers come back; what was trained on is taught anew, so compare with a retrained model before calling it hidden',
  source: 'Dorna et al., "OpenUnlearning", 2025 (arXiv 2506.12618); Hu et al., 2024 (arXiv 2406.13356)',
  missing: () => undefined,
  run: (room) => {
    const { sequences } = room.input.forget;
    const { seen } = split(sequences, room.options.share, room.options.seed, 0);
    return run(room, { seen, forget: sequences });
  },
};
