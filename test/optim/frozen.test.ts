import { describe, expect, test } from '@jest/globals';
import { AdamW, FlatBuffer, type OptimizerOptions, SGD, SignDescent, Sophia } from '../../lib/index.ts';
import { hashed } from './hashed.ts';
import { codeOf } from './set-up.ts';

const length = 40_003; // several blocks and chunks, and an odd rest

/** Every pattern of a byte, a run of free and a run of frozen blocks. */
function isFrozen(i: number): boolean {
  if (i < 5000) return (((i >> 3) * 37) >> (i % 8)) % 2 === 1;
  return i >= 20_000 && i < 24_500;
}

function maskOf(frozen: (i: number) => boolean): FlatBuffer<'u8'> {
  const bytes = new Uint8Array(Math.ceil(length / 8));
  for (let i = 0; i < length; i++) if (frozen(i)) bytes[i >> 3]! |= 1 << (i % 8);
  return FlatBuffer.from(bytes);
}

const all = Array.from({ length }, (_, i) => i);
const free = all.filter((i) => !isFrozen(i));
const frozen = all.filter(isFrozen);
const only = (numbers: ArrayLike<number>) => Float32Array.from(free, (i) => numbers[i]!);

const classes = { sophia: Sophia, adamw: AdamW, sgd: SGD, sign: SignDescent };
type Any = Sophia | AdamW | SGD | SignDescent;

describe.each(['sophia', 'adamw', 'sgd', 'sign'] as const)('%s', (name) => {
  // A step of every weight, also where it is as long as a clipped gradient.
  const options = { learningRate: name === 'sgd' ? 1 : 0.01, weightDecay: 0.1, clipNorm: 3 };
  const make = (values: FlatBuffer, gradients: FlatBuffer, mask?: FlatBuffer<'u8'>) => {
    const given = { ...options, ...(mask === undefined ? {} : { frozen: mask }) };
    return name === 'sophia'
      ? new Sophia({ values, gradients }, { ...given, rho: { clippedFraction: 0.2 } })
      : new classes[name]({ values, gradients }, given);
  };

  test('goes on with the free weights as if there were no others', async () => {
    const values = FlatBuffer.from(hashed(1, length));
    const gradients = FlatBuffer.from(hashed(2, length));
    const before = values.array.slice();
    const masked = make(values, gradients, maskOf(isFrozen));
    const compact = { values: FlatBuffer.from(only(before)), gradients: FlatBuffer.from(only(gradients.array)) };
    const plain = make(compact.values, compact.gradients);
    for (const optimizer of [masked, plain]) {
      if (optimizer instanceof Sophia) await optimizer.updateHessian({ batchSize: 4, prime: true });
    }
    for (let step = 0; step < 3; step++) {
      const found = await masked.step();
      const expected = await plain.step();
      expect(found.stepped).toBe(free.length);
      expect(found.changedFraction).toBe(expected.changedFraction);
      expect(found.clippedFraction).toBe(expected.clippedFraction);
      // The same terms, added in another order.
      expect(found.gradientNorm).toBeCloseTo(expected.gradientNorm, 10);
      expect(found.rho).toBe(expected.rho);
    }
    // Of optimizers with one moving average, that one again.
    const states = ({ state }: Any) =>
      'hessian' in state ? state.hessian : 'squareAverage' in state ? state.squareAverage : state.momentum;
    for (const [whole, part] of [
      [values, compact.values],
      [masked.state.momentum, plain.state.momentum],
      [states(masked), states(plain)],
    ] as const) {
      const differences = only(whole.array).map((x, i) => Math.abs(x - part.array[i]!));
      expect(Math.max(...differences)).toBeLessThan(1e-6);
    }
    const moved = frozen.filter(
      (i) => values.array[i] !== before[i] || masked.state.momentum.array[i] !== 0 || states(masked).array[i] !== 0,
    );
    expect(moved).toEqual([]);
  });

  test('does not look at the gradients of frozen weights', async () => {
    const gradients = FlatBuffer.from(hashed(2, length).map((g, i) => (isFrozen(i) ? Number.NaN : g)));
    const optimizer = make(FlatBuffer.from(hashed(1, length)), gradients, maskOf(isFrozen));
    if (optimizer instanceof Sophia) {
      expect(await optimizer.updateHessian({ batchSize: 1, prime: true })).toEqual({ skipped: false });
    }
    const { skipped, gradientNorm } = await optimizer.step();
    expect(skipped).toBe(false);
    expect(gradientNorm).toBeCloseTo(Math.sqrt(only(gradients.array).reduce((sum, g) => sum + g * g, 0)), 3);
    gradients.array[free[7]!] = Number.NaN;
    expect((await optimizer.step()).skipped).toBe(true);
  });

  test('takes what the mask says at each step, in every storage', async () => {
    for (const dtype of ['f32', 'bf16'] as const) {
      for (const states of ['f32', 'bf16'] as const) {
        const values = FlatBuffer.alloc(length, { dtype });
        const gradients = FlatBuffer.alloc(length, { dtype });
        await values.copyFrom(hashed(1, length));
        await gradients.copyFrom(hashed(2, length));
        const mask = maskOf(() => true);
        const given: OptimizerOptions = { ...options, nonFinite: 'propagate', frozen: mask, precision: { states } };
        const optimizer = new classes[name]({ values, gradients }, given);
        const before = values.array.slice();
        const none = await optimizer.step({ zeroGradients: true });
        expect(none).toMatchObject({ stepped: 0, changedFraction: 0, gradientNorm: 0 });
        expect(values.array).toEqual(before);
        await gradients.copyFrom(hashed(2, length));
        mask.array.set(maskOf(isFrozen).array);
        const some = await optimizer.step();
        expect(some.stepped).toBe(free.length);
        expect(frozen.filter((i) => values.array[i] !== before[i])).toEqual([]);
        expect(some.changedFraction).toBe(free.filter((i) => values.array[i] !== before[i]).length / free.length);
      }
    }
  });

  test('finds one weight among others that are all otherwise, wherever it lies', async () => {
    const places = [0, 7, 8, 63, 64, 1000, 1023, 1024, 1087, 2048, 4095, length - 65, length - 2, length - 1];
    const gradients = FlatBuffer.from(hashed(2, length));
    for (const alone of ['frozen', 'free'] as const) {
      const values = FlatBuffer.from(hashed(1, length));
      const mask = maskOf(() => false);
      const optimizer = make(values, gradients, mask);
      if (optimizer instanceof Sophia) await optimizer.updateHessian({ batchSize: 4, prime: true });
      mask.array.fill(alone === 'free' ? 255 : 0);
      for (const place of places) {
        const before = values.array.slice();
        mask.array[place >> 3]! ^= 1 << (place % 8);
        const { stepped } = await optimizer.step();
        expect([place, stepped]).toEqual([place, alone === 'free' ? 1 : length - 1]);
        let moved = 0;
        for (let i = 0; i < length; i++) if (values.array[i] !== before[i]) moved++;
        expect([moved, values.array[place] !== before[place]]).toEqual([stepped, alone === 'free']);
        mask.array[place >> 3]! ^= 1 << (place % 8);
      }
    }
  });

  test('refuses a mask of the wrong kind', async () => {
    const parameters = () => [FlatBuffer.alloc(16), FlatBuffer.alloc(16)] as const;
    for (const wrong of [
      FlatBuffer.alloc(2),
      FlatBuffer.alloc(1, { dtype: 'u8' }),
      FlatBuffer.alloc(3, { dtype: 'u8' }),
      new Uint8Array(2),
    ]) {
      expect(await codeOf(() => make(...parameters(), wrong as FlatBuffer<'u8'>))).toBe('SOUL_INVALID_ARGUMENT');
    }
    const released = FlatBuffer.alloc(2, { dtype: 'u8' });
    const optimizer = make(...parameters(), released);
    await released.release();
    expect(await codeOf(optimizer.step())).toBe('SOUL_RELEASED');
  });
});
