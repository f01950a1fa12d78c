/**
 * Quantisation of the weights.
 *
 * @module
 */

import { withoutUndefined } from '../../core/optional.ts';
import type { AttackKind } from '../kind.ts';
import { quantize as round } from '../quantization/quantize.ts';
import { around, type Measured } from '../room.ts';

export const quantize: AttackKind = {
  name: 'quantize',
  summary: 'rounds the weights of the linear layers to few bits, as bitsandbytes does',
  tells: 'whether the change that made it forget is smaller than the rounding; nobody has to train for it',
  source: 'Zhang et al., "Catastrophic Failure of LLM Unlearning via Quantization", 2024 (arXiv 2410.16454)',
  missing: () => undefined,
  async run(room) {
    const { model, forget, retain, onEvent, signal } = room.input;
    const { values, layout } = model.parameters;
    const results: Measured[] = [];
    for (const format of room.options.formats) {
      await values.copyFrom(room.start);
      const sets = { forget: forget.sequences, retain: retain?.sequences };
      const { done, ...measured } = await around(room, sets, () =>
        round(values, layout, format, {
          ...withoutUndefined({ signal }),
          onProgress: (done, total) => onEvent?.({ kind: 'progress', what: `rounding to ${format.name}`, done, total }),
        }),
      );
      results.push({ variant: format.name, ...measured, steps: 0, details: { rounded: done } });
    }
    return results;
  },
};
