import { describe, expect, test } from '@jest/globals';
import { AdamW, FlatBuffer, type OptimizerParameters, SGD, SignDescent, Sophia } from '../../lib/index.ts';

const length = 12;

function parametersOf(dtype: 'f32' | 'bf16' = 'f32'): OptimizerParameters {
  return { values: FlatBuffer.alloc(length, { dtype }), gradients: FlatBuffer.alloc(length, { dtype }) };
}

const makers = {
  AdamW: (parameters: OptimizerParameters) => new AdamW(parameters),
  Sophia: (parameters: OptimizerParameters) => new Sophia(parameters, { rho: { clippedFraction: 0.3, follow: true } }),
  soulRepo: (parameters: OptimizerParameters) => Sophia.soulRepo(parameters),
  SGD: (parameters: OptimizerParameters) => new SGD(parameters),
  SignDescent: (parameters: OptimizerParameters) => new SignDescent(parameters),
};

describe.each(Object.entries(makers))('%s', (name, make) => {
  const moved = async (dtype: 'f32' | 'bf16') => {
    const optimizer = make(parametersOf(dtype));
    const { gradients } = optimizer.parameters;
    if (optimizer instanceof Sophia && optimizer.estimator === 'external') {
      for (const part of [0, 1, 2]) {
        await gradients.fill(0.5 + part);
        await optimizer.updateHessian({ batchSize: 2, part: [part, 3], prime: true });
      }
    }
    await gradients.copyFrom(Float32Array.from({ length }, (_, i) => Math.sin(i + 1)));
    await optimizer.step();
    return optimizer;
  };

  test('shows its memory as it lies, with a float32 master', async () => {
    for (const dtype of ['f32', 'bf16'] as const) {
      const optimizer = await moved(dtype);
      const { buffers } = optimizer.progress();
      const live = Object.entries(optimizer.state).filter(([, value]) => value instanceof FlatBuffer);
      expect(new Set(Object.values(buffers))).toEqual(new Set(live.map(([, value]) => value)));
      expect('master' in buffers).toBe(dtype === 'bf16');
    }
  });

  test('goes on from counters and memory as another would have', async () => {
    const optimizer = await moved('f32');
    const other = make(parametersOf());
    await other.parameters.values.copyFrom(optimizer.parameters.values);
    const from = optimizer.progress();
    for (const [key, buffer] of Object.entries(other.progress().buffers)) await buffer.copyFrom(from.buffers[key]!);
    await other.resumeAt(JSON.parse(JSON.stringify(from.counters)));
    expect(other.progress().counters).toEqual(from.counters);
    expect(other.state.step).toBe(1);
    const steps = [];
    for (const each of [optimizer, other]) {
      await each.parameters.gradients.copyFrom(Float32Array.from({ length }, (_, i) => Math.cos(3 * i)));
      steps.push({ ...(await each.step()), values: [...(await each.parameters.values.toFloat32Array())] });
    }
    expect(steps[1]).toEqual(steps[0]);
  });

  test.each([
    { step: -1 },
    { step: 0.5 },
    { step: undefined },
    { estimates: Number.NaN },
    { rho: -1 },
    { partsDone: '1' },
  ])('refuses %p, and stays as it was', async (wrong) => {
    const optimizer = await moved('f32');
    const { counters } = optimizer.progress();
    await expect(optimizer.resumeAt({ ...counters, ...wrong } as never)).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: expect.stringContaining(`counters.${Object.keys(wrong)[0]} must be`),
    });
    expect(optimizer.progress().counters).toEqual(counters);
  });

  if (name !== 'Sophia') return;
  test('has no rho before it is found, which another takes over', async () => {
    const [first, second] = [make(parametersOf()), await moved('f32')];
    await second.resumeAt(first.progress().counters);
    expect((second as Sophia).rho).toBeNaN();
    expect(second.state).toMatchObject({ step: 0, estimates: 0 });
    await expect(second.resumeAt({ ...first.progress().counters, rhoParts: -1 })).rejects.toThrow(
      /counters.rhoParts must be/,
    );
  });
});
