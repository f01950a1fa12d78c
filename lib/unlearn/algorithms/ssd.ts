/**
 * Selective synaptic dampening: weights that matter to what is to be forgotten far more than to what is kept are made smaller.
 *
 * @module
 */

import { walkElements } from '../../core/element-walk.ts';
import { SoulError } from '../../core/errors.ts';
import { Sophia } from '../../optim/sophia.ts';
import { refuseFreshAdapters } from '../adapters.ts';
import { defineAlgorithm } from '../algorithm.ts';
import type { RunEvent } from '../events.ts';
import type { Lab } from '../lab.ts';
import { checkSets } from '../method.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { movableCount } from '../selection.ts';
import { numberSetting } from '../setting.ts';
import { retainSet, targetSet } from '../source.ts';
import type { Term } from '../term.ts';

const forget: Term = { name: 'forget', source: targetSet, objective: crossEntropy };
const retain: Term = { name: 'retain', source: retainSet, objective: crossEntropy };

export const ssd = defineAlgorithm({
  name: 'ssd',
  summary:
    'selective synaptic dampening: shrinks the weights that the forget set needs far more than the retain set; no descent',
  paper: 'Foster, Schoepf and Brintrup 2023, arXiv 2308.07707',
  formula:
    'theta_i <- min(lambda * F_retain,i / F_forget,i, 1) * theta_i where F_forget,i > alpha * F_retain,i; ' +
    "F: the mean over a set's sequences of the squared gradient of each one's CE",
  departures:
    'In the paper the second diagonal is that of the whole training set; here it is that of the retain set. Its released code squares the ' +
    'gradients of whole batches; here each sequence is squared by itself, as the definition has it, with the mean over its label ' +
    'tokens for its loss.',
  settings: {
    alpha: numberSetting('how many times more the forget set must need a weight for it to be dampened', 10),
    lambda: numberSetting('what a dampened weight is multiplied by, beside the ratio of the two needs', 1),
  },
  advice: { forgetMore: { alpha: 'lower', lambda: 'lower' }, keepMore: { alpha: 'raise', lambda: 'raise' } },
  promises: { forget: 0.3, retain: 0.9 },
  buffers: () => ({ float32: 3 }),
  checkModel: (model) => refuseFreshAdapters(model, 'ssd', 'dampens weights that the forget set needs'),
  needs: () => ['retain'],
  async *run(lab, { alpha, lambda }) {
    checkSets({ name: 'ssd', terms: [forget, retain] }, lab.sets);
    const { values, gradients } = lab.model.parameters;
    // Sophia's Hessian is the mean of squared gradients, made in one pass of native code each, which leaves frozen weights at 0.
    const optimizer = new Sophia(
      { values, gradients },
      { precision: { master: 'none' }, ...(lab.frozen ? { frozen: lab.frozen } : {}) },
    );
    try {
      const { hessian } = optimizer.state;
      const forgetFisher = lab.scratch();
      const name = (term: Term) => `Fisher diagonal of the ${term.name} set`;
      const ofForget = async function* (): AsyncGenerator<RunEvent, void, void> {
        yield* fisherDiagonal(lab, forget, lab.sets.target.length, optimizer);
        await forgetFisher.copyFrom(hessian);
      };
      yield* lab.stage(name(forget), ofForget, () => ({ forgetFisher }));
      const ofRetain = () => fisherDiagonal(lab, retain, lab.sets.retain!.length, optimizer);
      yield* lab.stage(name(retain), ofRetain, () => ({ hessian }));
      let dampened = 0;
      const dampen = ([theta, needed, kept]: Float32Array[]): void => {
        for (let i = 0; i < theta!.length; i++) {
          if (!(needed![i]! > alpha * kept![i]!)) continue;
          theta![i]! *= Math.min((lambda * kept![i]!) / needed![i]!, 1);
          dampened += 1;
        }
      };
      const count = yield* lab.stage('dampening', async () => {
        await walkElements([values, forgetFisher, hessian], dampen, {
          writes: [0],
          ...(lab.signal ? { signal: lab.signal } : {}),
        });
        return dampened;
      });
      yield { kind: 'note', text: `${count} of ${await movableCount(lab)} weights were dampened` };
    } finally {
      await optimizer.release();
    }
    return undefined;
  },
});

/** Sets the optimizer's Hessian to the mean over a term's sequences of their squared gradients. */
async function* fisherDiagonal(
  lab: Lab,
  term: Term,
  size: number,
  optimizer: Sophia,
): AsyncGenerator<RunEvent, void, void> {
  yield* lab.gradient(term, async (_, index) => {
    const { skipped } = await optimizer.updateHessian({ batchSize: 1, part: [index, size], prime: true });
    if (!skipped) return;
    throw new SoulError(
      'SOUL_NON_FINITE',
      `the gradient of sequence ${index} of the ${term.name} set is not finite; the model's weights may be damaged (\`soul eval\`)`,
      { term: term.name, sequence: index },
    );
  });
}
