import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { inShape } from './launch-shapes.ts';
import { expectAlike, type Memory, makeCalls, memories, shapes } from './optimizer-calls.ts';

/** A call of `hessianUpdate`: which part, and whether its gradient is finite. */
const updates = fc.record({
  part: fc.integer({ min: 0, max: 2 }),
  parts: fc.constantFrom(1, 2, 3),
  prime: fc.boolean(),
  broken: fc.constantFrom(false, false, true),
});

const settings = fc.record({
  beta2: fc.constantFrom(0, 0.5, 0.99),
  batchSize: fc.constantFrom(1, 320, 1e20),
  skipNonFinite: fc.constant(true),
  stochasticRounding: fc.boolean(),
  seedLower: fc.nat(0xffffffff),
});

const steady: Memory = {
  length: 777,
  values: 'f32',
  states: 'f32',
  estimate: 'f32',
  skews: [],
  frozen: 1,
  odd: [],
  ends: [],
  stream: 7,
};

describe("an update of the Hessian's average", () => {
  test('has the bits of the CPU whatever the storage, the mask and the launch', async () => {
    await fc.assert(
      fc.asyncProperty(memories(), settings, shapes, fc.boolean(), async (memory, given, shape, prime) => {
        const [cpu, cuda] = await makeCalls(memory);
        const asked = { ...given, part: 0, parts: 1, prime };
        await inShape(shape, async () => {
          await expectAlike(cpu, cuda, await cpu.hessian(asked), await cuda.hessian(asked), -1);
          await expectAlike(cpu, cuda, await cpu.hessian(asked), await cuda.hessian(asked), -1);
        });
        await cuda.release();
      }),
      { seed: 31, numRuns: 100 },
    );
  });

  test('comes in parts in any order of right and wrong calls, as on the CPU', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(updates, { maxLength: 12 }), settings, fc.boolean(), async (calls, given, narrow) => {
        const [cpu, cuda] = await makeCalls(narrow ? { ...steady, states: 'bf16' } : steady);
        for (const [turn, { broken, part, ...rest }] of calls.entries()) {
          await Promise.all([cpu.newGradients(turn), cuda.newGradients(turn)]);
          if (broken) await Promise.all([cpu, cuda].map((call) => call.buffers.estimate!.view(501, 1).fill(-Infinity)));
          // Mostly the part that is due.
          const due = turn % 3 === 2 ? part : cpu.control[3]! > 0 ? cpu.control[4]! : 0;
          const parts = cpu.control[3]! > 0 && turn % 4 !== 3 ? cpu.control[3]! : rest.parts;
          const asked = { ...given, ...rest, parts, part: Math.min(due, parts - 1) };
          await expectAlike(cpu, cuda, await cpu.hessian(asked), await cuda.hessian(asked), -1);
        }
        await cuda.release();
      }),
      { seed: 32, numRuns: 60 },
    );
  });

  test('goes through what is not finite where it is told to', async () => {
    for (const odd of [[Infinity], [Number.NaN, -Infinity]]) {
      const [cpu, cuda] = await makeCalls({ ...steady, odd });
      const asked = { beta2: 0.9, batchSize: 2, part: 0, parts: 1, skipNonFinite: false };
      await expectAlike(cpu, cuda, await cpu.hessian(asked), await cuda.hessian(asked), -1);
      await cuda.release();
    }
  });

  test('that is left out after one was given up leaves no piece of that', async () => {
    const [cpu, cuda] = await makeCalls(steady);
    const part = { beta2: 0.9, batchSize: 2, parts: 2, skipNonFinite: true };
    for (const call of [cpu, cuda]) {
      await call.hessian({ ...part, part: 0 });
      await call.buffers.estimate!.fill(Number.NaN);
    }
    const anew = { ...part, part: 0, prime: true };
    const wanted = await cpu.hessian(anew);
    expect(wanted).toEqual([1]);
    await expectAlike(cpu, cuda, wanted, await cuda.hessian(anew), -1);
    expect(cuda.control[2]).toBe(0);
    await cuda.release();
  });
});
