import { describe, expect, test } from '@jest/globals';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { methodOfRun } from '../../lib/run/run-defaults.ts';
import type { DescentOptions } from '../../lib/unlearn/descent-options.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import { Lab, type LabOptions } from '../../lib/unlearn/lab.ts';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { gradientAscent } from '../../lib/unlearn/objectives/gradient-ascent.ts';
import { pullBack } from '../../lib/unlearn/pull-back.ts';
import { algorithm, settingsFor } from '../../lib/unlearn/registry.ts';
import type { Term } from '../../lib/unlearn/term.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { bfloat16Neighbours } from '../native/bfloat16.ts';
import { NarrowModel } from './narrow-model.ts';
import { PlainDescent } from './plain-descent.ts';
import { WatchedModel } from './watched-model.ts';

const target: TokenSequence[] = [0, 1, 2].map((first) => ({ tokens: [first, 1, 2, 3], labelsFrom: 1 }));
const retain: TokenSequence[] = [{ tokens: [1, 2, 3, 5], labelsFrom: 1 }];
const alternatives = target.map(() => [{ tokens: [1, 4, 6, 0], labelsFrom: 1 }]);

function labOf(model: LabOptions['model'], descent: DescentOptions, more: Partial<LabOptions> = {}) {
  const optimizer = new PlainDescent(model.parameters);
  const lab = new Lab({
    model,
    sets: { target, retain, alternatives },
    optimizer: () => optimizer,
    descent: { batchSize: 3, steps: 1, ...descent },
    ...more,
  });
  return { lab, optimizer };
}

async function steps(events: AsyncGenerator<{ readonly kind: string }, unknown, void>): Promise<StepEvent[]> {
  const found: StepEvent[] = [];
  for await (const event of events) if (event.kind === 'step') found.push(event as StepEvent);
  return found;
}

const runSam = (lab: Lab, given: object = {}) => steps(algorithm('sam').run(lab, settingsFor(algorithm('sam'), given)));

/** Gradient and loss of a term by itself. */
async function pulled(values: Float32Array, term: Pick<Term, 'objective' | 'coefficient'>, sequences: TokenSequence[]) {
  const model = BigramLM.of(8, values);
  const coefficient = (term.coefficient ?? 1) as number;
  const { loss } = await pullBack(model, { objective: term.objective }, sequences, { microBatchSize: 8, coefficient });
  return { loss, gradient: model.gradients };
}

/** The same, at values + rho * g / |g|. */
async function sharp(
  values: Float32Array,
  term: Pick<Term, 'objective' | 'coefficient'>,
  sequences: TokenSequence[],
  rho: number,
) {
  const { gradient } = await pulled(values, term, sequences);
  const norm = Math.sqrt(gradient.reduce((sum, x) => sum + x * x, 0));
  return (
    await pulled(
      values.map((x, i) => x + (rho * gradient[i]!) / norm),
      term,
      sequences,
    )
  ).gradient;
}

const ascent = { objective: gradientAscent };

function expectNear(found: Float32Array, expected: Float32Array) {
  for (const [i, x] of found.entries()) expect(Math.abs(x - expected[i]!)).toBeLessThan(2e-6);
}

describe('SAM', () => {
  test.each([8, 1])(
    'takes the forget gradient nearby and the retain gradient here, %d sequences at a time',
    async (size) => {
      const model = BigramLM.random(8, 2n);
      const { lab, optimizer } = labOf(model, { steps: 3, microBatchSize: size });
      await runSam(lab, { method: 'graddiff', rho: 0.5 });
      expect(optimizer.met).toHaveLength(3);
      for (const { gradients, values } of optimizer.met) {
        const forget = await sharp(values, ascent, target, 0.5);
        const kept = await pulled(values, { objective: crossEntropy, coefficient: 5 }, retain);
        expectNear(
          gradients,
          forget.map((x, i) => x + kept.gradient[i]!),
        );
        const here = await pulled(values, ascent, target);
        expect(Math.max(...forget.map((x, i) => Math.abs(x - here.gradient[i]!)))).toBeGreaterThan(1e-3);
      }
      await lab.release();
    },
  );

  test('under a gradient rule too', async () => {
    const model = BigramLM.random(8, 2n);
    const { lab, optimizer } = labOf(model, {});
    await runSam(lab, { method: 'ngdiff', rho: 0.5 });
    const [{ gradients, values }] = optimizer.met as [(typeof optimizer.met)[0]];
    const forget = await sharp(values, ascent, target, 0.5);
    const { gradient: kept } = await pulled(values, { objective: crossEntropy }, retain);
    const norm = (g: Float32Array) => Math.sqrt(g.reduce((sum, x) => sum + x * x, 0));
    const sum = norm(forget.map((x, i) => x + kept[i]!));
    expectNear(
      gradients,
      forget.map((x, i) => sum * (x / norm(forget) + kept[i]! / norm(kept))),
    );
  });

  test('gives the weights back to the bit', async () => {
    const model = BigramLM.random(8, 2n);
    const before = model.values.slice();
    const { lab, optimizer } = labOf(model, {});
    await runSam(lab, { method: 'graddiff', rho: 10 });
    expect(optimizer.met[0]!.values).toEqual(before);
  });

  test.each([1, 2, 3, 4])('gives them back when it is cancelled, or fails, in call %d', async (call) => {
    for (const end of ['cancel', 'throw']) {
      const model = new WatchedModel(BigramLM.random(8, 2n));
      const before = model.inner.values.slice();
      const controller = new AbortController();
      model.during = (at) => {
        if (at !== call) return;
        if (end === 'throw') throw new Error('no memory');
        controller.abort();
      };
      const { lab, optimizer } = labOf(model, { steps: 2, microBatchSize: 2 }, { signal: controller.signal });
      await expect(runSam(lab, { method: 'graddiff', rho: 10 })).rejects.toThrow(
        end === 'throw' ? 'no memory' : 'cancelled',
      );
      expect(optimizer.met).toEqual([]);
      expect(model.inner.values).toEqual(before);
      expect(model.inner.gradients.every((x) => x === 0)).toBe(true);
    }
  });

  test('of a gradient of 0 goes nowhere', async () => {
    const table = new Float32Array(64);
    for (const [previous, label] of [[0, 1], [1, 2], [2, 3], [3, 5]]) table[previous! * 8 + label!] = 1000; // biome-ignore format: one line
    const model = BigramLM.of(8, table);
    const sets = { target: [{ tokens: [0, 1, 2, 3], labelsFrom: 1 }], retain };
    const { lab } = labOf(model, { steps: 2 }, { sets });
    await runSam(lab, { method: 'graddiff' });
    expect(model.values.subarray(0, 64)).toEqual(table);
  });

  test('moves by the norm of what is not frozen, and nothing else', async () => {
    const model = BigramLM.random(8, 2n);
    const { lab, optimizer } = labOf(model, {});
    const isFrozen = (i: number) => i >= 3 && i < 12;
    optimizer.frozen = maskOfRanges(model.values.length, [{ start: 3, length: 9 }]);
    await runSam(lab, { method: 'ascent', rho: 0.5 });
    const [{ gradients, values }] = optimizer.met as [(typeof optimizer.met)[0]];
    const { gradient } = await pulled(values, ascent, target);
    const own = gradient.map((x, i) => (isFrozen(i) ? 0 : x));
    const norm = Math.hypot(...own);
    expect(Math.hypot(...gradient)).toBeGreaterThan(1.1 * norm);
    const moved = await pulled(
      values.map((x, i) => x + (0.5 * own[i]!) / norm),
      ascent,
      target,
    );
    expectNear(
      gradients,
      moved.gradient.map((x, i) => (isFrozen(i) ? 0 : x)),
    );
  });

  test('refuses a rho or a method that cannot be', async () => {
    expect(() => settingsFor(algorithm('sam'), { rho: 0 })).toThrow('rho must be a number above 0');
    expect(() => settingsFor(algorithm('sam'), { method: 'nop' })).toThrow('method must be one of');
  });

  test.each(['f32', 'bf16'] as const)('of a rho that moves nothing is its method, to the bit: %s', async (dtype) => {
    const ends: number[][] = [];
    for (const around of [true, false]) {
      const start = BigramLM.random(8, 2n);
      const model = dtype === 'f32' ? start : await NarrowModel.of(start);
      const before = (await model.parameters.values.toFloat32Array()).slice(0, 64);
      const adamw = new AdamW(model.parameters, { learningRate: 1e-3 });
      const master = adamw.state.master?.array;
      expect(master === undefined).toBe(dtype === 'f32');
      const lab = new Lab({
        model,
        sets: { target, retain },
        optimizer: () => adamw,
        descent: { batchSize: 3, steps: 4 },
      });
      await steps(
        around
          ? algorithm('sam').run(lab, settingsFor(algorithm('sam'), { method: 'graddiff', rho: 1e-30 }))
          : lab.descend(methodOfRun('graddiff')),
      );
      const { values } = model.parameters;
      expect((await values.toFloat32Array()).subarray(0, 64)).not.toEqual(before);
      ends.push([...values.array, ...(master ?? [])]);
    }
    expect(ends[0]).toEqual(ends[1]);
  });

  test('needs what its method needs', () => {
    const needs = (given: object) => algorithm('sam').needs(settingsFor(algorithm('sam'), given) as never);
    expect(needs({ method: 'graddiff' })).toEqual(['retain']);
    expect(needs({ method: 'ascent' })).toEqual([]);
  });
});

describe('SAM of bfloat16 weights', () => {
  const tokens = 32;
  const sequences: TokenSequence[] = Array.from({ length: 24 }, (_, i) => ({
    tokens: [i, (7 * i + 1) % tokens, (3 * i + 2) % tokens, (5 * i) % tokens],
    labelsFrom: 1,
  }));
  const rho = 0.01;

  /** What the weights were at each call of the model, and at the step. */
  async function moves(seed: bigint) {
    const narrow = await NarrowModel.of(BigramLM.random(tokens, 4n));
    const met: Float32Array[] = [];
    const model: LabOptions['model'] = {
      parameters: narrow.parameters,
      vocabularySize: tokens,
      nll: async (batch) => {
        met.push(await narrow.parameters.values.toFloat32Array());
        return narrow.nll(batch);
      },
      klTo: (reference, batch) => narrow.klTo(reference, batch),
      accumulate: async (...given) => {
        met.push(await narrow.parameters.values.toFloat32Array());
        return narrow.accumulate(...given);
      },
      score: (batch) => narrow.score(batch),
    };
    const { lab, optimizer } = labOf(model, { batchSize: 24 }, { seed, sets: { target: sequences } });
    await runSam(lab, { method: 'ascent', rho });
    const [here, moved] = met as [Float32Array, Float32Array];
    expect(met).toHaveLength(2);
    const other = await NarrowModel.of(BigramLM.of(tokens, here));
    await pullBack(other, { objective: gradientAscent }, sequences, { microBatchSize: 24, coefficient: 1 });
    return { here, moved, step: optimizer.met[0]!, gradient: await other.parameters.gradients.toFloat32Array() };
  }

  test('moves each to a neighbour of where float32 would, by rho in the direction of the gradient', async () => {
    const { here, moved, gradient } = await moves(3n);
    const norm = Math.hypot(...gradient);
    const factor = Math.fround(rho / norm);
    let along = 0;
    let variance = 0;
    for (const [i, x] of here.entries()) {
      const exact = Math.fround(x + Math.fround(factor * gradient[i]!));
      const [low, high] = bfloat16Neighbours(exact);
      expect([low, high]).toContain(moved[i]);
      along += ((moved[i]! - x) * gradient[i]!) / norm;
      variance += ((exact - low) * (high - exact) * gradient[i]! ** 2) / norm ** 2;
    }
    expect(Math.abs(along - rho)).toBeLessThan(4 * Math.sqrt(variance));
    expect(4 * Math.sqrt(variance)).toBeLessThan(rho);
  });

  test('gives them back to the bit', async () => {
    const { here, step } = await moves(3n);
    expect(step.values).toEqual(here);
  });

  test('draws by the seed', async () => {
    const { moved } = await moves(5n);
    expect((await moves(5n)).moved).toEqual(moved);
    expect((await moves(6n)).moved).not.toEqual(moved);
  });
});
