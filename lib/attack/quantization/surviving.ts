/**
 * How much of a run is left when weights are quantised.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import type { FlatBuffer } from '../../core/flat-buffer.ts';
import type { ParameterLayout } from '../../model/parameter-layout.ts';
import type { QuantizationFormat } from './format.ts';
import { type QuantizeOptions, walkLinearWeights } from './linear-weights.ts';

export interface SurvivingUpdates {
  /** Weights of linear layers. */
  readonly weights: number;
  /** Of them those that the run changed. */
  readonly changed: number;
  /** Of the changed those that have another level. */
  readonly surviving: number;
  /** `surviving / changed`; absent where nothing was changed. */
  readonly share?: number;
}

/**
 * Of the weights of linear layers that differ between two models, how many have another level of the format: the others are, up to the
 * scale of their block or row, what they were before.
 *
 * Zhang et al., "Catastrophic Failure of LLM Unlearning via Quantization", 2024 (arXiv 2410.16454), section 5: small updates are
 * mapped to the level of the original weight.
 *
 * @param before the values of the model before the run, as `layout` says
 * @param after those of the model that came out
 * @throws SoulError SOUL_NON_FINITE where a weight is not finite, which has no level; SOUL_CANCELLED by `options.signal`, between two
 *   tensors
 */
export async function survivingUpdates(
  before: FlatBuffer,
  after: FlatBuffer,
  layout: ParameterLayout,
  format: QuantizationFormat,
  options: QuantizeOptions = {},
): Promise<SurvivingUpdates> {
  const counts = { weights: 0, changed: 0, surviving: 0 };
  const count = (models: Float32Array[], inputs: number) => {
    const [old, own] = models as [Float32Array, Float32Array];
    if (!old.every(Number.isFinite) || !own.every(Number.isFinite)) throw notFinite();
    const changed = own.map((weight, at) => (weight === old[at] ? 0 : 1));
    const [oldLevels, ownLevels] = models.map((weights) => {
      const levels = new Uint8Array(weights.length);
      format.round(weights, inputs, levels);
      return levels;
    });
    for (let at = 0; at < changed.length; at++) {
      if (changed[at] === 0) continue;
      counts.changed += 1;
      if (oldLevels![at] !== ownLevels![at]) counts.surviving += 1;
    }
    counts.weights += own.length;
  };
  await walkLinearWeights([before, after], layout, count, options);
  return { ...counts, ...(counts.changed > 0 ? { share: counts.surviving / counts.changed } : {}) };
}

function notFinite(): SoulError {
  return new SoulError(
    'SOUL_NON_FINITE',
    'weights of a linear layer are not finite: no update can be told from another',
  );
}
