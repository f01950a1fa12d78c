import { describe, expect, test } from '@jest/globals';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import type { Method } from '../../lib/unlearn/method.ts';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { gradientAscent } from '../../lib/unlearn/objectives/gradient-ascent.ts';
import { negativePreference } from '../../lib/unlearn/objectives/negative-preference.ts';
import { refusalSet, retainSet, targetSet } from '../../lib/unlearn/source.ts';
import { type TrainingOptions, train } from '../../lib/unlearn/train.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const vocabulary = 24;
/** Each begins with a token of its own, by which a batch is known. */
const target: TokenSequence[] = [0, 1, 2, 3, 4].map((first) => ({ tokens: [first, 20, 21], labelsFrom: 1 }));
const retain: TokenSequence[] = [10, 11, 12, 13, 14, 15, 16].map((first) => ({ tokens: [first, 22], labelsFrom: 1 }));

const terms: Method['terms'] = [
  { name: 'forget', source: targetSet, objective: gradientAscent },
  { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: 2 },
];
const turns = [{ terms: ['forget'] }, { terms: ['retain'] }];
const inTurns: Method = { name: 'own', terms, turns };

async function run(method: Method, options: Partial<TrainingOptions> = {}) {
  const model = BigramLM.random(vocabulary, 4n);
  const optimizer = new AdamW(model.parameters, { learningRate: 0.01, weightDecay: 0 });
  const events: StepEvent[] = [];
  /** The first tokens of the sequences of each pass. */
  const batches: number[][] = [];
  const accumulate = model.accumulate.bind(model);
  model.accumulate = (batch, ...given) => {
    batches.push([...batch.offsets.subarray(0, -1)].map((at) => batch.tokens[at]!));
    return accumulate(batch, ...given);
  };
  const onStep = (event: StepEvent) => void events.push(event);
  const length = options.steps === undefined ? { epochs: 2 } : {};
  const summary = await train({
    model,
    optimizer,
    method,
    target,
    retain,
    batchSize: 2,
    ...length,
    onStep,
    ...options,
  });
  return { events, batches, summary };
}

const sorted = (numbers: number[]) => numbers.toSorted((a, b) => a - b);
const [ofTarget, ofRetain] = [target, retain].map((set) => set.map(({ tokens }) => tokens[0]!)) as [number[], number[]];

describe('terms that take turns', () => {
  test('go through an epoch of their own set each, in a new order each time', async () => {
    const { batches, events, summary } = await run(inTurns);
    expect(summary.steps).toBe(2 * (3 + 4));
    expect(batches.map((batch) => batch.length)).toEqual([2, 2, 1, 2, 2, 2, 1, 2, 2, 1, 2, 2, 2, 1]);
    const rounds = [batches.slice(0, 7), batches.slice(7)].map((own) => [own.slice(0, 3).flat(), own.slice(3).flat()]);
    for (const [forgotten, kept] of rounds) {
      expect(sorted(forgotten!)).toEqual(ofTarget);
      expect(sorted(kept!)).toEqual(ofRetain);
    }
    expect(rounds[0]![0]).not.toEqual(rounds[1]![0]);
    expect(rounds[0]![1]).not.toEqual(rounds[1]![1]);
    expect(events.map(({ epoch }) => epoch)).toEqual(events.map((_, i) => expect.closeTo((i + 1) / 7, 12)));
  });

  test('tell the losses of those that took part alone', async () => {
    const { events } = await run(inTurns);
    for (const [i, { losses, loss, tokens }] of events.entries()) {
      const isForgotten = i % 7 < 3;
      expect(Object.keys(losses)).toEqual([isForgotten ? 'forget' : 'retain']);
      expect(loss).toBeCloseTo(isForgotten ? losses.forget! : 2 * losses.retain!, 12);
      expect(tokens % 2 === 0 || !isForgotten).toBe(true);
    }
  });

  test('take so many examples a turn, and go on where the last one ended', async () => {
    const part = { ...inTurns, turns: [turns[0]!, { terms: ['retain'], examples: 3 }] };
    const { batches, summary } = await run(part, { epochs: 4 });
    // 3 examples are 2 batches of 2, so that 2 turns are an epoch of 4 batches.
    expect(summary.steps).toBe(4 * (3 + 2));
    const kept = batches.filter((batch) => ofRetain.includes(batch[0]!));
    for (const epoch of [kept.slice(0, 4), kept.slice(4)]) expect(sorted(epoch.flat())).toEqual(ofRetain);
    const all = await run({ ...inTurns, turns: [turns[0]!, { terms: ['retain'], examples: 1000 }] });
    expect(all.batches).toEqual((await run(inTurns)).batches);
  });

  test('take so many examples for each of the target set at most, whatever else is asked for', async () => {
    const few = { target: target.slice(0, 2), epochs: 4 };
    const turnOf = (length: object) => ({ ...inTurns, turns: [turns[0]!, { terms: ['retain'], ...length }] });
    // 1 for each of 2 is a batch, 2 are two; 7 are four, which are all.
    for (const [length, steps] of [
      [{ perTarget: 1 }, 1],
      [{ perTarget: 2 }, 2],
      [{ perTarget: 2, examples: 1 }, 1],
      [{ perTarget: 1, examples: 5 }, 1],
      [{ perTarget: 9 }, 4],
      [{ perTarget: 9, examples: 5 }, 3],
    ] as const) {
      expect((await run(turnOf(length), few)).summary.steps).toBe(4 * (1 + steps));
    }
    const { batches } = await run(turnOf({ perTarget: 2 }), few);
    const kept = batches.filter((batch) => ofRetain.includes(batch[0]!));
    for (const epoch of [kept.slice(0, 4), kept.slice(4)]) expect(sorted(epoch.flat())).toEqual(ofRetain);
  });

  test('are one after the other as they are named', async () => {
    const { batches } = await run({ ...inTurns, turns: turns.toReversed() }, { steps: 5 });
    expect(sorted(batches.slice(0, 4).flat())).toEqual(ofRetain);
    expect(ofTarget).toContain(batches[4]![0]);
  });

  test('pair other sets of the target with it as ever', async () => {
    const refusals = { count: 4, of: (i: number, r: number) => ({ tokens: [i, 16 + r], labelsFrom: 1 }) };
    const refuse = { name: 'refuse', source: refusalSet, objective: crossEntropy };
    const method = { name: 'own', terms: [...terms, refuse], turns: [{ terms: ['forget', 'refuse'] }, turns[1]!] };
    const { batches } = await run(method, { refusals, epochs: 1 });
    for (const i of [0, 2, 4]) expect(batches[i + 1]).toEqual(batches[i]);
  });

  test('have a coefficient that follows the losses of their own steps', async () => {
    const seen: number[] = [];
    const next = (value: number, { step, losses }: { step: number; losses: Readonly<Record<string, number>> }) => {
      expect(losses.retain).toBeGreaterThan(0);
      seen.push(step);
      return value + 1;
    };
    const method = { ...inTurns, terms: [terms[0]!, { ...terms[1]!, coefficient: { initial: 3, next } }] };
    const { events } = await run(method, { epochs: 1 });
    expect(seen).toEqual([3, 4, 5, 6]);
    expect(events[2]!.coefficients).toBeUndefined();
    expect(events.slice(3).map(({ coefficients }) => coefficients!.retain)).toEqual([3, 4, 5, 6]);
  });

  test.each([
    ['the target', 'forget', targetSet],
    ['the retain set', 'retain', retainSet],
  ])('compare with reference values of %s', async (_, name, source) => {
    const own = terms.map((term) => (term.name === name ? { name, source, objective: negativePreference() } : term));
    for (const [examples, steps] of [
      [undefined, 14],
      [3, 19],
      [2, 5],
    ] as const) {
      const withExamples = { terms: ['retain'], ...(examples === undefined ? {} : { examples }) };
      const method = { name: 'own', terms: own, turns: [turns[0]!, withExamples] };
      const { events } = await run(method, { steps, learningRate: 0 });
      for (const { losses } of events) {
        if (losses[name] !== undefined) expect(losses[name]).toBeCloseTo((2 / 0.1) * Math.log(2), 4);
      }
    }
  });

  test('leave out a turn whose terms weigh nothing', async () => {
    const method = { ...inTurns, terms: [{ ...terms[0]!, coefficient: 0 }, terms[1]!] };
    const { batches, summary } = await run(method, { epochs: 1 });
    expect(summary.steps).toBe(4);
    expect(sorted(batches.flat())).toEqual(ofRetain);
  });

  test('carry curvature estimates where their own set does, which have passes of their own elsewhere', async () => {
    const model = BigramLM.random(vocabulary, 4n);
    const optimizer = new Sophia(model.parameters, { learningRate: 0.01, rho: 0.05 });
    const events: StepEvent[] = [];
    await train({
      ...{ model, optimizer, method: inTurns, target, retain, batchSize: 2, epochs: 2 },
      curvature: { every: 1, chunks: 1, chunkSize: 2, primingChunks: 2 },
      onStep: (event) => void events.push(event),
    });
    expect(events.map(({ curvature }) => curvature!.riding)).toEqual(
      events.map(({ losses }) => losses.retain !== undefined),
    );
  });
});

describe('what are no turns is refused', () => {
  test.each<[string, unknown, RegExp]>([
    ['no array', {}, /method\.turns must be an array of at least one/],
    ['none', [], /method\.turns must be an array of at least one/],
    ['a turn of nothing', [{ terms: [] }], /method\.turns\[0\]\.terms must be an array of at least one name/],
    ['a list in place of a turn', [['forget'], ['retain']], /method\.turns\[0\]/],
    ['a term that there is not', [...turns, { terms: ['other'] }], /each in one turn, but is "other"/],
    ['a term twice', [turns[0], { terms: ['retain', 'forget'] }], /each in one turn, but is "forget"/],
    ['a term without one', [turns[0]], /gives the term retain no turn; name it in one/],
    ['no examples', [turns[0], { terms: ['retain'], examples: 0 }], /method\.turns\[1\]\.examples must be an integer/],
    ['another option', [turns[0], { terms: ['retain'], epochs: 1 }], /epochs/],
    ['two sets in one turn', [{ terms: ['forget', 'retain'] }], /different sets \(forget, retain\)/],
  ])('%s', async (_, given, message) => {
    await expect(run({ ...inTurns, turns: given as never })).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });

  test('and turns beside a gradient rule', async () => {
    const rule = { name: 'sum', combine: () => [1, 1] };
    await expect(run({ ...inTurns, rule })).rejects.toThrow(/method\.rule must be left out where terms take turns/);
  });
});
