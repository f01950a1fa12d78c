/**
 * SPUNGE: split, unlearn, merge.
 *
 * @module
 */

import type { FlatBuffer } from '../../core/flat-buffer.ts';
import { axpy } from '../../core/vector-operations.ts';
import { type Algorithm, defineAlgorithm } from '../algorithm.ts';
import type { RunEvent } from '../events.ts';
import { type InnerMethod, innerAlgorithm, innerMethodOf } from '../inner-method.ts';
import type { Lab } from '../lab.ts';
import { checkPartCount, partsByGroup, randomParts } from '../parts.ts';
import { movableCount } from '../selection.ts';
import { choiceSetting, integerSetting, numberSetting, textSetting } from '../setting.ts';
import { addTaskVector, taskVector } from '../task-vector.ts';
import { mergeTies } from '../ties.ts';
import { taskArithmetic } from './task-arithmetic.ts';

interface MergeSettings {
  readonly merge: 'ties' | 'mean' | 'sum';
  readonly density: number;
  readonly lambda: number;
}

const methodSetting = innerMethodOf(
  'the method on each part, with the settings that runs give it; task-arithmetic too. Learning rates are for npo',
  [taskArithmetic as unknown as Algorithm],
);

const inside = (method: InnerMethod) => innerAlgorithm(method, methodSetting.inner);

export const spunge = defineAlgorithm({
  name: 'spunge',
  summary: 'splits the forget set, unlearns each part from the same start by any method, and merges what that changed',
  paper: 'Kadhe et al. 2024, arXiv 2406.11780; TIES: Yadav et al. 2023, arXiv 2306.01708',
  formula:
    'tau_p = theta after the method on part p - theta_0; theta = theta_0 + lambda * merge(tau_1 ... tau_n); ties: of each tau_p ' +
    'the share density that is largest, then the mean of those that have the sign of their sum',
  departures:
    'The paper splits by attributes alone; parts drawn at random stand in where the data has none. Each part has the whole retain set ' +
    "beside it, and the steps of its own epochs. TIES' released code gives a weight whose kept changes cancel out the sign that most " +
    'weights have; here it stays, as in its paper.',
  settings: {
    method: methodSetting,
    parts: integerSetting('parts that the forget set is split into at random, where attribute names no field', 2),
    attribute: textSetting('a field of the data file, as author; examples of the same value make a part'),
    merge: choiceSetting(
      'how the changes become one; ties holds those of all parts in float32 at a time, mean and sum hold one',
      ['ties', 'mean', 'sum'],
      'ties',
    ),
    density: numberSetting(
      "ties: the share of each part's changes that is kept, the largest (k in its paper), of the weights that may move; less spares " +
        'the rest of the model, but discards what a method spreads over many weights',
      0.2,
      { lowExclusive: true, high: 1 },
    ),
    lambda: numberSetting('what the merged change is multiplied by', 1),
  },
  advice: { forgetMore: { lambda: 'raise', density: 'raise' }, keepMore: { lambda: 'lower', density: 'lower' } },
  groupsBy: 'attribute',
  promises: { forget: 0.5, retain: 0.9 },
  learningRates: { adamw: 6e-6, sophia: 1.4e-5, 'soul-repo': 7e-6 },
  buffers: ({ merge, parts }) => ({ copies: 1, float32: merge === 'ties' ? parts : 1 }),
  needs({ method, attribute }) {
    const { algorithm, settings } = inside(method);
    return [...algorithm.needs(settings), ...(attribute === undefined ? [] : (['groups'] as const))];
  },
  checkSets({ target }, { parts, attribute }) {
    if (attribute === undefined) checkPartCount(parts, target.length);
  },
  async *run(lab, { method, parts, attribute, ...settings }) {
    const { algorithm, settings: innerSettings } = inside(method);
    const split =
      attribute === undefined
        ? randomParts(lab.sets, parts, lab.seed).map((sets, i) => ({ name: `${i + 1} of ${parts}`, sets }))
        : partsByGroup(lab.sets);
    const { values } = lab.model.parameters;
    const start = await lab.snapshot();
    const merge = merging(lab, start, split.length, settings);
    for (const [i, { name, sets }] of split.entries()) {
      const part = async function* (): AsyncGenerator<RunEvent, void, void> {
        const own = lab.fork({ sets });
        try {
          yield* algorithm.run(own, innerSettings);
        } finally {
          await own.release();
        }
        await merge.add(i);
        await values.copyFrom(start);
      };
      yield* lab.stage(`part ${name}: ${sets.target.length} examples`, part, () => merge.changes(i));
    }
    yield* lab.stage('merging', async () => {
      const { vector, factor } = await merge.merged();
      await addTaskVector(values, start, factor, vector);
    });
    return undefined;
  },
});

/** Takes in how far each part has come, and gives what they come to together. */
function merging(lab: Lab, start: FlatBuffer, parts: number, { merge, density, lambda }: MergeSettings) {
  const { values } = lab.model.parameters;
  if (merge === 'ties') {
    const vectors: FlatBuffer<'f32'>[] = [];
    const vectorOf = (part: number) => {
      vectors[part] ??= lab.scratch();
      return vectors[part];
    };
    return {
      add: (part: number) => taskVector(values, start, vectorOf(part)),
      /** What is to be kept of a part. */
      changes: (part: number) => ({ [`changes ${part + 1}`]: vectorOf(part) }),
      merged: async () => {
        const count = await movableCount(lab);
        await mergeTies(vectors, { density, count, ...(lab.signal ? { signal: lab.signal } : {}) });
        return { vector: vectors[0]!, factor: lambda };
      },
    };
  }
  const sum = lab.scratch();
  // The values themselves can hold it, unless it would be rounded there.
  const vector = values.dtype === 'f32' ? values : lab.scratch();
  return {
    add: async () => {
      await taskVector(values, start, vector);
      await axpy(1, vector, sum);
    },
    changes: () => ({ sum }),
    merged: async () => ({ vector: sum, factor: merge === 'mean' ? lambda / parts : lambda }),
  };
}
