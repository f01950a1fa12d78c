/**
 * A model of which scores alone are known: whatever the label, -log p is a quadratic function of the parameters.
 *
 * @module
 */

import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { randomStream } from '../../lib/core/random.ts';
import type { TokenScores } from '../../lib/model/contract.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import type { ScoredLM } from '../../lib/model/scored-lm.ts';
import type { TokenBatch } from '../../lib/model/token-batch.ts';

/** -log p = offset + slope . theta + theta . theta / 2 + curvature * sum of theta_i theta_(i+1), in float64. */
export class QuadraticLM implements ScoredLM {
  readonly vocabularySize = 8;
  readonly parameters: { readonly values: FlatBuffer<'f32'>; readonly layout: ParameterLayout };
  readonly #slope: Float64Array;
  readonly #count: number;

  constructor(count: number, seed = 1n) {
    const layout = ParameterLayout.of([{ name: 'theta', shape: [count], group: 'matrix' }]);
    const values = FlatBuffer.alloc(layout.length);
    const stream = randomStream(seed, 'quadratic');
    for (let i = 0; i < count; i++) values.array[i] = 2 * stream.uniform(0, i) - 1;
    this.#slope = Float64Array.from({ length: count }, (_, i) => 2 * stream.uniform(1, i) - 1);
    this.#count = count;
    this.parameters = { values, layout };
  }

  /** The gradient of -log p at the parameters as they are. */
  gradient(): Float64Array {
    const { array } = this.parameters.values;
    return this.#slope.map((slope, i) => {
      const after = i + 1 < this.#count ? array[i + 1]! : 0;
      return slope + array[i]! + 0.5 * ((i > 0 ? array[i - 1]! : 0) + after);
    });
  }

  async score({ labelCount, labelOffsets }: TokenBatch): Promise<TokenScores> {
    const { array } = this.parameters.values;
    let nll = 2;
    for (const [i, slope] of this.#slope.entries()) {
      const theta = array[i]!;
      nll += slope * theta + (theta * theta) / 2 + 0.5 * theta * (i + 1 < this.#count ? array[i + 1]! : 0);
    }
    const all = () => new Float32Array(labelCount);
    const isArgmax = new Uint8Array(labelCount);
    return { logProbability: all().fill(-nll), isArgmax, mean: all(), variance: all(), offsets: labelOffsets };
  }
}
