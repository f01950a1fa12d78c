/**
 * Task arithmetic: what fine-tuning on the forget set adds to the weights is taken away from them.
 *
 * @module
 */

import { defineAlgorithm } from '../algorithm.ts';
import { finetune } from '../methods/finetune.ts';
import { numberSetting } from '../setting.ts';
import { addTaskVector, taskVector } from '../task-vector.ts';

export const taskArithmetic = defineAlgorithm({
  name: 'task-arithmetic',
  summary: 'task vector negation: fine-tunes on the forget set, then goes as far the other way',
  paper: 'Ilharco et al. 2022, arXiv 2212.04089',
  formula: 'theta = theta_0 - scale * (theta_finetuned on the forget set - theta_0)',
  departures:
    'The paper picks scale, in steps of 0.05 up to 1, as the largest that keeps 95 % of a control task; here it is a setting, and the ' +
    "retain set, which it makes no use of, shows what was kept. The vector is computed in float32; on bf16 weights it is what the model's " +
    'own rounding left of the descent, and the result is rounded to the nearest bf16.',
  settings: {
    scale: numberSetting('how many times the task vector is taken away', 1),
  },
  advice: { forgetMore: { scale: 'raise' }, keepMore: { scale: 'lower' } },
  promises: { forget: 0.75, retain: 0.8 },
  learningRates: { adamw: 1e-5, sophia: 1.6e-5, 'soul-repo': 4.6e-6, sign: 3.6e-6 },
  buffers: () => ({ copies: 1 }),
  needs: () => [],
  async *run(lab, { scale }) {
    const { values } = lab.model.parameters;
    const start = await lab.snapshot();
    yield { kind: 'stage', name: 'fine-tuning on the forget set' };
    const summary = yield* lab.descend(finetune.method({}));
    const vector = lab.scratch();
    await taskVector(values, start, vector);
    await addTaskVector(values, start, -scale, vector);
    return summary;
  },
});
