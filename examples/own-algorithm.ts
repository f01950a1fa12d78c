/**
 * An algorithm of one's own: one descent that forgets, another that mends the rest, and a part of the way back to the start.
 *
 * Run it with: soul unlearn --algorithm examples/own-algorithm.ts --set share=0.8 --model MODEL --forget F.jsonl --retain R.jsonl
 * --out OUT
 *
 * @module
 */

import { axpy, scale } from 'soul-unlearn';
import {
  crossEntropy,
  defineAlgorithm,
  gradientAscent,
  type Method,
  numberSetting,
  retainSet,
  targetSet,
} from 'soul-unlearn/unlearn';

const forgetting: Method = {
  name: 'forgetting',
  terms: [
    { name: 'forget', source: targetSet, objective: gradientAscent },
    { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: 5 },
  ],
};

const mending: Method = {
  name: 'mending',
  terms: [{ name: 'retain', source: retainSet, objective: crossEntropy }],
};

export const algorithm = defineAlgorithm({
  name: 'forget-and-mend',
  summary: 'gradient difference, then fine-tuning on the retain set, then a part of the way back',
  paper: 'an example',
  formula: 'theta = theta_0 + share * (theta after both descents - theta_0)',
  settings: {
    share: numberSetting('how much of the change is kept', 1, { high: 1 }),
    mendingEpochs: numberSetting('passes that mend', 2, { lowExclusive: true }),
  },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 5e-6, sophia: 9e-6, 'soul-repo': 3.5e-6 },
  needs: () => ['retain'],
  async *run(lab, { share, mendingEpochs }) {
    const start = await lab.snapshot();
    yield { kind: 'stage', name: 'forgetting' };
    yield* lab.descend(forgetting);
    yield { kind: 'stage', name: 'mending' };
    const last = yield* lab.descend(mending, { epochs: mendingEpochs });
    const { values } = lab.model.parameters;
    await scale(values, share);
    await axpy(1 - share, start, values);
    return last;
  },
});
