import { readdir } from 'node:fs/promises';
import { describe, expect, jest, test } from '@jest/globals';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import { type RunSettings, runTraining } from '../../lib/run/index.ts';
import type { RunEvent } from '../../lib/unlearn/index.ts';
import { bigramRunOfEachTest } from './bigram-run.ts';
import { runnableBigram } from './runnable-bigram.ts';

const bigram = bigramRunOfEachTest();
const { settings, record } = bigram;

describe('trainable', () => {
  /** The bigram model, its table cut into two tensors. */
  const load = async () => {
    const model = runnableBigram(bigram.vocabulary);
    const rest = model.parameters.values.length - 256;
    const layout = ParameterLayout.of([
      { name: 'layers.0.mlp', shape: [256], group: 'matrix' },
      { name: 'layers.1.mlp', shape: [rest], group: 'matrix' },
    ]);
    return { ...model, parameters: { ...model.parameters, layout } };
  };
  /** Whether each of the two was changed by a run. */
  const changed = async (more: Partial<RunSettings>) => {
    const model = await load();
    const before = await model.parameters.values.toFloat32Array();
    await runTraining(settings({ overwrite: true, ...more }), async () => model);
    const after = await model.parameters.values.toFloat32Array();
    const differs = (from: number, to: number) => after.slice(from, to).some((value, i) => value !== before[from + i]);
    return [differs(0, 256), differs(256, after.length)];
  };

  test('leaves tensors of other names to the bit, with every optimizer and whatever the algorithm does', async () => {
    expect(await changed({})).toEqual([true, true]);
    for (const optimizer of ['adamw', 'sophia', 'soul-repo', 'sign', 'sgd'] as const) {
      expect(await changed({ trainable: 'layers.0', optimizer })).toEqual([true, false]);
    }
    const few = { method: 'npo' };
    for (const [method, methodSettings] of [
      ['wagle', few],
      ['prune', { ...few, share: 0.5 }],
      ['l1-sparse', { alpha: 1, soft: true }],
      ['l1-sparse', { alpha: 1 }],
      ['sam', few],
      ['average', few],
      ['ssd', { alpha: 0.1 }],
      ['task-arithmetic', {}],
      ['spunge', {}],
    ] as const) {
      const trainable = 'layers\\.1.*p$';
      expect([method, await changed({ trainable, method, methodSettings })]).toEqual([method, [false, true]]);
    }
  }, 60_000);

  test('but for what is frozen: those tensors are left, of all and of what is trainable', async () => {
    expect(await changed({ frozen: 'layers\\.0' })).toEqual([false, true]);
    expect(await changed({ trainable: 'mlp', frozen: '1.mlp$' })).toEqual([true, false]);
    for (const [frozen, message] of [
      ['attention', /^frozen matches no tensor: "attention"; there are layers\.0\.mlp, layers\.1\.mlp$/],
      ['mlp', /^frozen matches every tensor that the run could change: "mlp"$/],
    ] as const) {
      const run = runTraining(settings({ trainable: 'layers.0', frozen, overwrite: true }), load);
      await expect(run).rejects.toMatchObject({
        code: 'SOUL_INVALID_ARGUMENT',
        message: expect.stringMatching(message),
      });
    }
  });

  test('stands in the record', async () => {
    await runTraining(settings({ trainable: 'mlp', frozen: '0' }), load);
    expect((await record()).settings).toMatchObject({ trainable: 'mlp', frozen: '0' });
  });

  test('that matches no tensor is refused, with some that there are, before anything is run', async () => {
    const phases: string[] = [];
    const onEvent = (event: RunEvent) => void (event.kind === 'phase' && phases.push(event.phase));
    const result = runTraining(settings({ trainable: 'attention' }), load, { onEvent });
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: 'trainable matches no tensor: "attention"; there are layers.0.mlp, layers.1.mlp',
    });
    expect(phases.at(-1)).toBe('loading the model');
    expect((await readdir(bigram.folder)).filter((name) => name.startsWith('out'))).toEqual([]);
  });

  test.each(['(', '', 3 as never, '\\'])(
    'that is no regular expression is refused before anything is read: %p',
    async (trainable) => {
      const loadNothing = jest.fn(load);
      await expect(runTraining(settings({ trainable }), loadNothing)).rejects.toThrow(
        /trainable must be a regular expression/,
      );
      expect(loadNothing).not.toHaveBeenCalled();
    },
  );
});
