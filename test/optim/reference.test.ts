import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { AdamW, FlatBuffer, SGD, SignDescent, Sophia } from '../../lib/index.ts';
import { hashed } from './hashed.ts';

interface Options {
  lr: number;
  betas?: [number, number];
  rho?: number;
  batch_size?: number;
  eps?: number;
  weight_decay?: number;
  maximize?: boolean;
  /** Of optimizers with one moving average. */
  momentum?: number;
  decay?: number;
}
type Recorded = { options: Options } & Record<'theta' | 'momentum', number[]>;
const recorded = JSON.parse(readFileSync(new URL('./fixtures/optimizers.json', import.meta.url), 'utf8')) as {
  length: number;
  steps: number;
  sophia: Record<string, Recorded & { hessian: number[] }>;
  soulRepo: Recorded & { hessian: number[] };
  adamw: Record<string, Recorded & { squareAverage: number[] }>;
  sgd: Record<string, Recorded>;
  sign: Record<string, Recorded>;
};
const { length, steps } = recorded;

function shared({ lr, betas, weight_decay, maximize }: Options) {
  return {
    learningRate: lr,
    ...(betas ? { betas } : {}),
    ...(weight_decay === undefined ? {} : { weightDecay: weight_decay }),
    ...(maximize === undefined ? {} : { maximize }),
  };
}

function parameters() {
  return { values: FlatBuffer.from(hashed(1, length)), gradients: FlatBuffer.alloc(length) };
}

/** Largest difference, relative to the larger of 1e-3 and the number itself. */
function distance(found: FlatBuffer, expected: readonly number[]): number {
  return Math.max(...expected.map((x, i) => Math.abs(found.array[i]! - x) / Math.max(1e-3, Math.abs(x))));
}

describe('against PyTorch, hundreds of steps', () => {
  test.each(Object.entries(recorded.sophia))(
    'Sophia is the reference formula: %s',
    async (_, { options, ...expected }) => {
      const { values, gradients } = parameters();
      const estimate = FlatBuffer.alloc(length);
      const sophia = new Sophia({ values, gradients }, { ...shared(options), rho: options.rho! });
      for (let step = 0; step < steps; step++) {
        gradients.copyFrom(hashed(1000 + step, length));
        if (step % 10 === 9) {
          estimate.copyFrom(hashed(5000 + step, length));
          sophia.updateHessian({ from: estimate, batchSize: options.batch_size! });
        }
        sophia.step();
      }
      await values.toFloat32Array();
      expect(sophia.state.step).toBe(steps);
      expect(distance(sophia.state.momentum, expected.momentum)).toBeLessThan(2e-5);
      expect(distance(sophia.state.hessian, expected.hessian)).toBeLessThan(2e-6);
      expect(distance(values, expected.theta)).toBeLessThan(2e-5);
    },
  );

  test('the preset soulRepo is what the SOUL repository runs', async () => {
    const { values, gradients } = parameters();
    const { options, ...expected } = recorded.soulRepo;
    const sophia = Sophia.soulRepo({ values, gradients }, shared(options));
    let clipped = 0;
    for (let step = 0; step < steps; step++) {
      gradients.copyFrom(hashed(1000 + step, length));
      clipped += (await sophia.step()).clippedFraction!;
    }
    expect(clipped / steps).toBeGreaterThan(0);
    expect(distance(sophia.state.momentum, expected.momentum)).toBeLessThan(2e-5);
    expect(distance(sophia.state.hessian, expected.hessian)).toBeLessThan(2e-6);
    expect(distance(values, expected.theta)).toBeLessThan(2e-5);
  });

  test.each(Object.entries(recorded.adamw))('AdamW is torch.optim.AdamW: %s', async (_, { options, ...expected }) => {
    const { values, gradients } = parameters();
    const adamw = new AdamW(
      { values, gradients },
      { ...shared(options), ...(options.eps === undefined ? {} : { epsilon: options.eps }) },
    );
    for (let step = 0; step < steps; step++) {
      gradients.copyFrom(hashed(1000 + step, length));
      await adamw.step();
    }
    expect(distance(adamw.state.momentum, expected.momentum)).toBeLessThan(2e-5);
    expect(distance(adamw.state.squareAverage, expected.squareAverage)).toBeLessThan(2e-6);
    expect(distance(values, expected.theta)).toBeLessThan(2e-5);
  });

  test.each([
    ...Object.entries(recorded.sgd).map((entry) => ['SGD is torch.optim.SGD', SGD, ...entry] as const),
    ...Object.entries(recorded.sign).map((entry) => ['SignDescent is its formula', SignDescent, ...entry] as const),
  ])('%s, %p: %s', async (_, Optimizer, _name, { options, ...expected }) => {
    const { values, gradients } = parameters();
    const { momentum, decay = 0 } = options;
    const optimizer = new Optimizer(
      { values, gradients },
      { ...shared(options), momentum: momentum!, weightDecay: decay },
    );
    for (let step = 0; step < steps; step++) {
      await gradients.copyFrom(hashed(1000 + step, length));
      await optimizer.step();
    }
    expect(distance(optimizer.state.momentum, expected.momentum)).toBeLessThan(2e-5);
    expect(distance(values, expected.theta)).toBeLessThan(2e-5);
  });
});
