import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { AdamW, FlatBuffer, type Precision, SGD, SignDescent, Sophia } from '../../lib/index.ts';
import { underEveryConfiguration } from '../native/configurations.ts';
import { hashed } from './hashed.ts';

// The grid's cells are 16,384 elements. So many that every thread takes several rows of cells; each segment below begins
// and ends between the grid's lines.
const length = 40 * 16_384 + 777;

const storages: [string, 'f32' | 'bf16', Precision][] = [
  ['float32', 'f32', {}],
  ['float32 with bf16 states', 'f32', { states: 'bf16' }],
  ['bf16 with a master', 'bf16', {}],
  ['bf16 with a master and bf16 states, nearest', 'bf16', { states: 'bf16', rounding: 'nearest' }],
  ['bf16 with float32 states', 'bf16', { master: 'none' }],
  ['bf16 throughout', 'bf16', { master: 'none', states: 'bf16' }],
  ['bf16 throughout, nearest', 'bf16', { master: 'none', states: 'bf16', rounding: 'nearest' }],
];

/** Elements [3, 3 + length): a view that starts unaligned. */
async function skewed(dtype: 'f32' | 'bf16', stream: number): Promise<FlatBuffer> {
  const view = FlatBuffer.alloc(length + 3, { dtype }).view(3);
  await view.copyFrom(numbers[stream]!);
  return view;
}

const numbers = [0, 1, 2, 3].map((stream) => {
  const result = hashed(stream, length);
  // Some of everything that is odd.
  const odd = [0, -0, 1e-42, -1e-39, 3e38, -3e38, 1e-20];
  for (let i = 0; i < length; i += 97) result[i] = odd[(i / 97) % odd.length]!;
  return result;
});

const mask = Uint8Array.from({ length: Math.ceil(length / 8) }, (_, i) => (i % 3000 < 1200 ? 0 : (i * 61) % 256));

async function bytesAfterSteps(name: string, dtype: 'f32' | 'bf16', precision: Precision): Promise<unknown[]> {
  const values = await skewed(dtype, 1);
  const gradients = await skewed(dtype, 2);
  const other = await skewed(dtype, 3);
  const frozen = FlatBuffer.from(mask.slice());
  const shared = { precision, frozen, clipNorm: 5, seed: 9n, learningRate: 0.01 };
  const parameterGroups = [
    { name: 'embedding', start: 11, length: 120_000, weightDecay: 0 },
    { name: 'rest', start: 120_011, length: 233_333, learningRateScale: 0.5 },
  ];
  const statistics: unknown[] = [];
  let states: FlatBuffer[];
  if (name === 'sophia') {
    const sophia = new Sophia({ values, gradients }, { ...shared, parameterGroups, rho: { clippedFraction: 0.3 } });
    await sophia.updateHessian({ from: other, batchSize: 4, part: [0, 2] });
    await sophia.updateHessian({ batchSize: 4, part: [1, 2] });
    statistics.push(await sophia.step(), await sophia.step({ hessian: { from: other, batchSize: 2 } }));
    states = [sophia.state.momentum, sophia.state.hessian];
  } else if (name !== 'adamw') {
    const optimizer = new (name === 'sgd' ? SGD : SignDescent)({ values, gradients }, { ...shared, parameterGroups });
    statistics.push(await optimizer.step(), await optimizer.step({ zeroGradients: true }));
    states = [optimizer.state.momentum];
  } else {
    const adamw = new AdamW({ values, gradients }, { ...shared, parameterGroups });
    statistics.push(await adamw.step(), await adamw.step({ zeroGradients: true }));
    states = [adamw.state.momentum, adamw.state.squareAverage];
  }
  const bits = ({ array }: FlatBuffer) => createHash('sha256').update(array).digest('hex');
  return [...statistics, ...[values, gradients, ...states].map(bits)];
}

describe.each(['sophia', 'adamw', 'sgd', 'sign'])(
  '%s gives the same bits on every instruction set and any number of threads',
  (name) => {
    test.each(storages)('%s', async (_, dtype, precision) => {
      const results = await underEveryConfiguration(() => bytesAfterSteps(name, dtype, precision));
      const [first] = results.values();
      for (const [configuration, result] of results) {
        expect([configuration, ...result]).toEqual([configuration, ...first!]);
      }
    });
  },
);

test('the bare step sums the same norm as the guarded one', async () => {
  const gradients = await skewed('f32', 2);
  const norms = [];
  for (const nonFinite of ['skip', 'propagate'] as const) {
    const sophia = new Sophia({ values: await skewed('f32', 1), gradients }, { nonFinite });
    norms.push((await sophia.step()).gradientNorm);
  }
  expect(norms[0]).toBe(norms[1]);
});

test.each(['f32', 'bf16'] as const)('%s memory may begin anywhere', async (dtype) => {
  const precision = dtype === 'bf16' ? ({ master: 'none', states: 'bf16' } as const) : {};
  const results = [];
  for (const start of [0, 1, 7, 16, 31]) {
    const place = () => FlatBuffer.alloc(length + start, { dtype }).view(start);
    const [values, gradients] = [place(), place()];
    await values.copyFrom(numbers[1]!);
    await gradients.copyFrom(numbers[2]!);
    const sophia = new Sophia({ values, gradients }, { clipNorm: 5, precision });
    const statistics = await sophia.step({ hessian: { batchSize: 2 } });
    const bits = [values, sophia.state.momentum, sophia.state.hessian].map(({ array }) =>
      Buffer.from(array.slice().buffer),
    );
    results.push({ statistics, bits: bits.map((part) => createHash('sha256').update(part).digest('hex')) });
  }
  for (const result of results) expect(result).toEqual(results[0]);
});
