import { describe, expect, test } from '@jest/globals';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import type { DescentOptions } from '../../lib/unlearn/descent-options.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import { Lab, type LabOptions } from '../../lib/unlearn/lab.ts';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { gradientAscent } from '../../lib/unlearn/objectives/gradient-ascent.ts';
import { pullBack } from '../../lib/unlearn/pull-back.ts';
import { algorithm, settingsFor } from '../../lib/unlearn/registry.ts';
import type { Term } from '../../lib/unlearn/term.ts';
import { BigramLM } from '../model/bigram-lm.ts';
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

  test('refuses bfloat16, and a rho or a method that cannot be', async () => {
    const { lab } = labOf(await NarrowModel.of(BigramLM.random(8, 2n)), {});
    await expect(runSam(lab)).rejects.toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringContaining('load the model in float32 (--dtype f32)'),
    });
    expect(() => settingsFor(algorithm('sam'), { rho: 0 })).toThrow('rho must be a number above 0');
    expect(() => settingsFor(algorithm('sam'), { method: 'nop' })).toThrow('method must be one of');
  });

  test('needs what its method needs', () => {
    const needs = (given: object) => algorithm('sam').needs(settingsFor(algorithm('sam'), given) as never);
    expect(needs({ method: 'graddiff' })).toEqual(['retain']);
    expect(needs({ method: 'ascent' })).toEqual([]);
  });
});
