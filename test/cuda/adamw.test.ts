import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AdamW, FlatBuffer } from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape } from './launch-shapes.ts';
import { expectAlike, makeCalls, memories, places, shapes, stepSettings } from './optimizer-calls.ts';
import { bitsOf } from './twins.ts';

describe('a step of AdamW', () => {
  test('has the bits of the CPU whatever the storage, the masks, the segments and the launch', async () => {
    await fc.assert(
      fc.asyncProperty(memories(), stepSettings, shapes, async (memory, given, shape) => {
        const [cpu, cuda] = await makeCalls(memory);
        await inShape(shape, async () => {
          for (let step = 0; step < 3; step++) {
            await Promise.all([cpu.newGradients(step), cuda.newGradients(step)]);
            await expectAlike(cpu, cuda, await cpu.adamw(given), await cuda.adamw(given));
          }
        });
        await cuda.release();
      }),
      { seed: 21, numRuns: 120 },
    );
  });

  test('is skipped, or goes through, where a gradient is not finite', async () => {
    const odd = fc.constantFrom([Number.NaN], [Infinity, 1], [-Infinity]);
    const broken = odd.chain((numbers) => memories().map((memory) => ({ ...memory, odd: numbers })));
    await fc.assert(
      fc.asyncProperty(broken, stepSettings, shapes, async (memory, given, shape) => {
        const [cpu, cuda] = await makeCalls(memory);
        await inShape(shape, async () => {
          await expectAlike(cpu, cuda, await cpu.adamw(given), await cuda.adamw(given));
        });
        await cuda.release();
      }),
      { seed: 22, numRuns: 50 },
    );
  });

  test('counts on where the state of a file left off', async () => {
    const [cpu, cuda] = await makeCalls({
      length: 300,
      values: 'bf16',
      states: 'bf16',
      estimate: 'none',
      skews: [],
      frozen: 0,
      odd: [],
      ends: [],
      stream: 5,
    });
    const given = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, stochasticRounding: true };
    await expectAlike(cpu, cuda, await cpu.adamw(given), await cuda.adamw(given));
    for (const call of [cpu, cuda]) call.setCounter(0, 123_456);
    const wanted = await cpu.adamw(given);
    expect(wanted[0]).toBe(123_457);
    await expectAlike(cpu, cuda, wanted, await cuda.adamw(given));
    await cuda.release();
  });

  test('is refused with the sentence of the CPU where counters are none', async () => {
    const values = 'f32' as const;
    const memory = { length: 9, values, states: values, estimate: 'none' as const, skews: [], frozen: 0, odd: [] };
    const [cpu, cuda] = await makeCalls({ ...memory, ends: [], stream: 1 });
    for (const call of [cpu, cuda]) call.setCounter(0, -1);
    const wanted = await cpu.adamw({ learningRate: 1 });
    expect(wanted).toEqual(expect.any(String));
    await expectAlike(cpu, cuda, wanted, await cuda.adamw({ learningRate: 1 }));
    await cuda.release();
  });
});

test('AdamW runs as on the CPU, and nobody awaits a step', async () => {
  const length = 3001;
  const runs = places.map(async (device) => {
    const values = FlatBuffer.alloc(length, { dtype: 'bf16', device });
    const gradients = FlatBuffer.alloc(length, { dtype: 'bf16', device });
    await values.copyFrom(hashed(1, length));
    const groups = [{ start: 7, length: 1500, weightDecay: 0 }];
    const adamw = new AdamW({ values, gradients }, { learningRate: 0.01, clipNorm: 1, parameterGroups: groups });
    const steps: Promise<unknown>[] = [];
    for (let step = 0; step < 200; step++) {
      if (step % 20 === 0) gradients.copyFrom(hashed(10 + step, length));
      steps.push(adamw.step().then(({ gradientNorm, ...rest }) => rest));
    }
    const statistics = await Promise.all(steps);
    const { momentum, squareAverage, master } = adamw.state;
    const bits = await Promise.all([values, momentum, squareAverage, master!].map(bitsOf));
    return { statistics, bits, step: adamw.state.step };
  });
  const [cpu, cuda] = await Promise.all(runs);
  expect(cuda!.step).toBe(200);
  expect(cuda).toEqual(cpu);
});
