/**
 * The share of a run's updates that survive rounding.
 *
 * @module
 */

import { withoutUndefined } from '../../core/optional.ts';
import type { AttackKind } from '../kind.ts';
import { survivingUpdates } from '../quantization/surviving.ts';
import type { Measured } from '../room.ts';

export const surviving: AttackKind = {
  name: 'surviving-updates',
  summary: 'counts the changed weights that rounding to few bits does not take back',
  tells: 'why a quantisation brings answers back, or does not; it measures no answers',
  source: 'Zhang et al., "Catastrophic Failure of LLM Unlearning via Quantization", 2024 (arXiv 2410.16454)',
  missing: ({ original }) => (original ? undefined : 'the model before it was unlearned (--original)'),
  async run(room) {
    const { model, original, onEvent, signal } = room.input;
    const results: Measured[] = [];
    for (const format of room.options.formats) {
      const { share, ...counts } = await survivingUpdates(original!, room.start, model.parameters.layout, format, {
        ...withoutUndefined({ signal }),
        onProgress: (done, total) => onEvent?.({ kind: 'progress', what: `rounding to ${format.name}`, done, total }),
      });
      results.push({ variant: format.name, steps: 0, details: { ...counts, ...withoutUndefined({ share }) } });
    }
    return results;
  },
};
