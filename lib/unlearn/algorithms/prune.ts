/**
 * Pruning before unlearning: a sparser model forgets more easily.
 *
 * @module
 */

import { walkElements } from '../../core/element-walk.ts';
import { FlatBuffer } from '../../core/flat-buffer.ts';
import { frozenTest } from '../../core/frozen-masks.ts';
import { elementCount } from '../../core/shape.ts';
import { quantile } from '../../core/vector-operations.ts';
import { defineAlgorithm } from '../algorithm.ts';
import { innerMethod, innerMethodSetting } from '../inner-method.ts';
import { setsNeeded } from '../method.ts';
import { numberSetting } from '../setting.ts';

export const prune = defineAlgorithm({
  name: 'prune',
  summary: 'prunes the smallest weights of the matrices for good, then unlearns by any method',
  paper: 'Jia et al. 2023, arXiv 2304.04934',
  formula:
    'theta_i = 0 and stays 0 where |theta_i| is among the share of the smallest of all matrices; then the method',
  departures:
    'The paper prunes 95 % of vision models that are trained on afterwards; a language model does not live through that at once, so ' +
    'the default is 20 %. Embeddings and norms are left alone, as are tensors that the run may not change (--trainable).',
  settings: {
    method: innerMethodSetting,
    share: numberSetting('share of the weights of matrices that is pruned', 0.2, {
      low: 0,
      lowExclusive: true,
      high: 1,
      highExclusive: true,
    }),
  },
  promises: { forget: 0.5, retain: 0.7 },
  learningRates: { adamw: 5e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 },
  needs: ({ method }) => setsNeeded(innerMethod(method)),
  async *run(lab, { method, share }) {
    const { values, layout } = lab.model.parameters;
    const mask = FlatBuffer.alloc(Math.ceil(values.length / 8), { dtype: 'u8' });
    const bits = mask.array;
    const isFrozen = await frozenTest(lab.frozen);
    const matrices = [...layout].filter(([, { group }]) => group === 'matrix');
    const matrixWeights = matrices.reduce((sum, [, { shape }]) => sum + elementCount(shape), 0);
    for (const { name, start, length } of layout.ranges()) {
      if (name !== 'matrix') continue;
      const part = values.view(start, length);
      // What lies between the tensors is 0, and none of the weights that the share is of.
      const kept = ((1 - share) * matrixWeights) / length;
      const threshold = await quantile({ of: 'magnitude', a: part }, kept);
      await walkElements(
        [part],
        ([elements], from) => {
          for (const [i, value] of elements!.entries()) {
            const at = start + from + i;
            if (Math.abs(value) >= threshold || isFrozen(at)) continue;
            elements![i] = 0;
            bits[at >> 3]! |= 1 << (at & 7);
          }
        },
        { writes: [0], ...(lab.signal ? { signal: lab.signal } : {}) },
      );
    }
    const frozen = FlatBuffer.alloc(mask.length, { dtype: 'u8', device: values.device });
    try {
      await frozen.copyFrom(mask);
      return yield* lab.descend(innerMethod(method), { frozen });
    } finally {
      await frozen.release();
    }
  },
});
