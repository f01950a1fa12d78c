import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { gradientFree } from '../../lib/model/scored-lm.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { algorithm, settingsFor } from '../../lib/unlearn/registry.ts';
import { targetSet } from '../../lib/unlearn/source.ts';
import { alongDirections } from '../../lib/unlearn/zeroth-order/random-directions.ts';
import { QuadraticLM } from './quadratic-model.ts';
import { all, count, labOf, run, stepsOf } from './zeroth-order-lab.ts';

describe('a model of scores alone', () => {
  test('refuses what needs gradients, and names what does not', async () => {
    const model = gradientFree(new QuadraticLM(count));
    const { lab } = labOf(model);
    await expect(
      all(algorithm('graddiff').run(lab, settingsFor(algorithm('graddiff'), {}) as never)),
    ).rejects.toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringMatching(/scores alone .*mezo, deepzero/),
    });
    const sophia = new Sophia(model.parameters, { learningRate: 1e-3 });
    const own = labOf(model, {}, { optimizer: () => sophia });
    await expect(run('mezo', own.lab, { method: 'graddiff' })).rejects.toThrow(/curvature estimates/);
    await model.release();
  });

  test('is checked', () => {
    const model = new QuadraticLM(count);
    const { values, layout } = model.parameters;
    const make = (given: object) => () =>
      gradientFree({ parameters: { values, layout }, score: model.score, ...given } as never);
    expect(make({ score: 1 })).toThrow('model.score must be a function');
    expect(make({ parameters: { layout } })).toThrow('model.parameters.values must be a FlatBuffer');
    expect(make({ parameters: { layout, values: FlatBuffer.alloc(3) } })).toThrow(
      'model.parameters.layout.length must be 3',
    );
  });

  test('descends on a quadratic function by plain steps', async () => {
    const model = gradientFree(new QuadraticLM(count));
    const { lab } = labOf(model, { steps: 300, learningRate: 0.01 });
    const own = await alongDirections(lab, { mu: 1e-2, directions: 1 });
    const method = { name: 'plain', terms: [{ name: 'target', source: targetSet, objective: crossEntropy }] };
    const events = stepsOf(
      await all(lab.descend(method, { hooks: { aroundTerm: (_, __, place) => own.estimate(place) } })),
    );
    expect(events.at(-1)!.loss).toBeLessThan(events[0]!.loss - 5);
  });
});
