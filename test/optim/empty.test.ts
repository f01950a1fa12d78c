import { describe, expect, test } from '@jest/globals';
import { AdamW, FlatBuffer, SGD, SignDescent, Sophia } from '../../lib/index.ts';

const storages = (['f32', 'bf16'] as const).flatMap((dtype) =>
  (['f32', 'bf16'] as const).flatMap((states) =>
    (dtype === 'bf16' ? (['f32', 'none'] as const) : (['none'] as const)).map((master) => ({ dtype, states, master })),
  ),
);

function empty(dtype: 'f32' | 'bf16') {
  return {
    parameters: { values: FlatBuffer.alloc(0, { dtype }), gradients: FlatBuffer.alloc(3, { dtype }).view(3) },
    frozen: FlatBuffer.alloc(0, { dtype: 'u8' }),
  };
}

describe('buffers of length 0', () => {
  test.each(storages)('are stepped without trouble: %o', async ({ dtype, states, master }) => {
    const { parameters, frozen } = empty(dtype);
    const options = { precision: { states, master }, clipNorm: 1 };
    const hessian = { batchSize: 2 };
    for (const Optimizer of [AdamW, SGD, SignDescent]) {
      for (const optimizer of [new Optimizer(parameters, { ...options, frozen }), new Optimizer(parameters, options)]) {
        expect(await optimizer.step({ zeroGradients: true })).toMatchObject({ step: 1, stepped: 0, gradientNorm: 0 });
        await optimizer.refreshMaster();
      }
    }
    for (const optimizer of [new Sophia(parameters, { ...options, frozen }), new Sophia(parameters, options)]) {
      expect(await optimizer.updateHessian({ ...hessian, prime: true })).toEqual({ skipped: false });
      expect(await optimizer.step()).toMatchObject({ step: 1, stepped: 0, changedFraction: 0 });
      expect(await optimizer.step({ hessian })).toMatchObject({ step: 2, clippedFraction: 0 });
      await optimizer.release();
    }
  });

  test('take a mask of length 0 and no other', () => {
    const { parameters } = empty('bf16');
    const frozen = FlatBuffer.alloc(1, { dtype: 'u8' });
    expect(() => new AdamW(parameters, { frozen })).toThrow(/frozen.length must be 0/);
    expect(() => new Sophia(parameters, { frozen })).toThrow(/frozen.length must be 0/);
  });
});
