import { expect, test } from '@jest/globals';
import {
  type AttackInput,
  attackKinds,
  attackModel,
  encodeAttackSet,
  overallRobustness,
  quantizationFormat,
  quantizationRobustness,
  relearningRobustness,
  survivingUpdates,
} from '../../lib/attack/index.ts';
import { PromptTemplate } from '../../lib/data/index.ts';
import { FlatBuffer } from '../../lib/index.ts';
import { ParameterLayout } from '../../lib/model/index.ts';
import { letterTokenizer } from '../eval/letters.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const sequence = (...tokens: number[]) => ({ tokens, labelsFrom: 1 });
const forget = { sequences: [sequence(0, 1), sequence(2, 3), sequence(0, 1, 4), sequence(2, 3, 5)] };
const retain = { sequences: [sequence(6, 7)] };

/** Knows no next token better than another, but for what is to be kept. */
function forgetful(): BigramLM {
  const table = new Float64Array(64);
  table[6 * 8 + 7] = 4;
  return BigramLM.of(8, table);
}

const attack = (more: Partial<AttackInput>, kinds: string[], options = {}) => {
  const model = forgetful();
  return attackModel({ model, forget, retain, ...more }, kinds, { learningRate: 0.1, ...options });
};

test('relearning brings answers back, and the model is what it was afterwards', async () => {
  const model = forgetful();
  const before = model.values.slice();
  const { attacks, robustness } = await attack({ model }, ['relearn'], { steps: 30, share: 1 });
  const [{ forget: change, steps, distance, details }] = attacks as [(typeof attacks)[0]];
  // Of eight tokens that are alike each has 1 / 8.
  expect(change!.before).toBeCloseTo(1 / 8, 6);
  expect(change!.after).toBeGreaterThan(0.7);
  expect({ steps, details }).toEqual({ steps: 30, details: { seen: 4 } });
  expect(distance).toBeGreaterThan(0.1);
  expect(model.values).toEqual(before);
  expect(model.gradients.every((gradient) => gradient === 0)).toBe(true);
  expect(robustness).toEqual({});
});

test('of disjoint facts those are measured that were not seen', async () => {
  const { attacks } = await attack({}, ['relearn-disjoint'], { share: 0.5 });
  expect(attacks[0]!.forget!.examples).toBe(2);
  expect(attacks[0]!.details).toEqual({ seen: 2 });
  const whole = await attack({}, ['relearn-disjoint'], { share: 1, steps: 1 });
  expect(whole.attacks[0]).toMatchObject({ forget: { examples: 1 }, details: { seen: 3 } });
});

test('what is to be kept is measured beside, and weight decay wears it away', async () => {
  const known = Math.exp(4) / (Math.exp(4) + 7);
  for (const weightDecay of [0, 0.5]) {
    const { attacks } = await attack({}, ['relearn'], { steps: 5, weightDecay });
    const { retain } = attacks[0]!;
    expect(retain).toMatchObject({ examples: 1, before: expect.closeTo(known, 6) });
    // No other gradient reaches these logits: five steps leave (1 - 0.1 * 0.5)^5 of them.
    const left = 4 * (1 - 0.1 * weightDecay) ** 5;
    expect(retain!.after).toBeCloseTo(Math.exp(left) / (Math.exp(left) + 7), 5);
  }
});

test('unrelated text that shares no weights changes no answer', async () => {
  const { attacks } = await attack({ unrelated: [sequence(5, 6)] }, ['relearn-unrelated'], { steps: 5 });
  const { forget: change, distance } = attacks[0]!;
  expect(change!.after).toBe(change!.before);
  expect(distance).toBeGreaterThan(0);
});

test('relearnings end at a distance that was given, or that the first one moved', async () => {
  const given = await attack({}, ['relearn'], { steps: 100, distance: 0.75 });
  expect(given.attacks[0]!.distance).toBeCloseTo(0.75, 5);
  expect(given.attacks[0]!.steps).toBeLessThan(100);
  // Text of more tokens moves more weights in as many steps.
  const unrelated = [sequence(0, 1), sequence(3, 4), sequence(5, 6), sequence(7, 2)];
  const distances = async (equalDistance: boolean) => {
    const kinds = ['relearn', 'relearn-unrelated'];
    const { attacks } = await attack({ unrelated }, kinds, { steps: 20, share: 0.25, equalDistance });
    return attacks.map(({ distance }) => distance!);
  };
  const [first, further] = await distances(false);
  expect(further).toBeGreaterThan(1.2 * first!);
  expect(await distances(true)).toEqual([first, expect.closeTo(first!, 5)]);
});

test('beside a model that never knew, robustness is how much faster the other learns', async () => {
  const never = BigramLM.random(8, 5n, 0.1).parameters.values;
  const same = await attack({ retrained: forgetful().parameters.values }, ['relearn', 'quantize']);
  expect(same.robustness).toEqual({ relearning: 1, quantization: 1, overall: 1 });
  const { attacks } = await attack({ retrained: never }, ['relearn']);
  expect(attacks[0]!.retrained!.before).not.toBe(attacks[0]!.forget!.before);
});

test('R is of relearning on the forget set alone, Q of NF4 alone', async () => {
  // Has less to learn: it knows what follows on 0 and 2.
  const table = Float64Array.from({ length: 64 }, (_, i) => (i === 1 || i === 2 * 8 + 3 ? 3 : 0));
  const retrained = BigramLM.of(8, table).parameters.values;
  const { attacks, robustness } = await attack({ retrained }, ['relearn-disjoint', 'relearn', 'quantize'], {
    ...{ share: 0.5, formats: ['int8', 'fp4'] },
  });
  const [, relearned] = attacks;
  const change = ({ before, after }: { before: number; after: number }) => after - before;
  const expected = change(relearned!.retrained!) / change(relearned!.forget!);
  expect(expected).toBeLessThan(0.9);
  expect(robustness).toEqual({ relearning: expect.closeTo(expected, 12) });
});

test('each format rounds the weights as they were, whatever was tried before', async () => {
  const model = BigramLM.random(8, 2n, 3);
  const rounded = async (formats: string[], kinds = ['quantize']) =>
    (await attack({ model }, kinds, { formats, steps: 3 })).attacks
      .filter(({ kind }) => kind === 'quantize')
      .map(({ variant, forget, details }) => [variant, forget, details]);
  const [nf4, int8] = [await rounded(['nf4']), await rounded(['int8'])];
  expect(await rounded(['nf4', 'int8', 'nf4'], ['relearn', 'quantize', 'quantize'])).toEqual([...nf4, ...int8]);
  // By hand: all 64 logits are one block of NF4, and a row each of int8.
  const levels = model.values.slice();
  quantizationFormat('int8').round(levels, 8);
  const probability = (tokens: number[]) => {
    const logs = tokens.slice(1).map((token, i) => BigramLM.of(8, levels).logProbabilities(tokens[i]!)[token]!);
    return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
  };
  const after = forget.sequences.reduce((sum, { tokens }) => sum + probability(tokens), 0) / 4;
  expect(int8[0]).toEqual(['int8', expect.objectContaining({ after: expect.closeTo(after, 6) }), { rounded: 64 }]);
});

test('robustness in closed form', () => {
  expect(relearningRobustness({ before: 0.1, after: 0.5 }, { before: 0.2, after: 0.4 })).toBeCloseTo(0.5, 12);
  expect(relearningRobustness({ before: 0.1, after: 0.1 }, { before: 0.2, after: 0.4 })).toBe(1);
  expect(relearningRobustness({ before: 0.1, after: 0.5 }, { before: 0.4, after: 0.2 })).toBe(0);
  expect(quantizationRobustness({ before: 0.1, after: 0.4 })).toBeCloseTo(0.25, 12);
  expect(quantizationRobustness({ before: 0, after: 0 })).toBe(1);
  expect(quantizationRobustness({ before: 0.4, after: 0.1 })).toBe(1);
  expect(overallRobustness(0.5, 0.25)).toBeCloseTo(1 / 3, 12);
  expect(overallRobustness(0, 1)).toBe(0);
});

test('paraphrases are measured where there are some', async () => {
  const model = forgetful();
  model.values[5 * 8 + 1] = 2;
  const paraphrases = [sequence(5, 1), undefined, undefined, undefined];
  const { attacks } = await attack({ model, forget: { ...forget, paraphrases } }, ['paraphrase']);
  const { forget: change } = attacks[0]!;
  expect(change!.examples).toBe(1);
  expect(change!.before).toBeCloseTo(1 / 8, 6);
  expect(change!.after).toBeCloseTo(Math.exp(2) / (Math.exp(2) + 7), 6);
});

test('updates that are smaller than the rounding do not survive it', async () => {
  const layout = ParameterLayout.of([{ name: 'weight', shape: [2, 4], group: 'matrix', role: 'mlpInput' }]);
  const [before, after] = [FlatBuffer.alloc(layout.length), FlatBuffer.alloc(layout.length)];
  before.array.set([127, 1, 2, 3, 127, 5, 6, 7]);
  after.array.set([127, 1.2, 2, 3.3, 127, 5, 7, 9]);
  expect(await survivingUpdates(before, after, layout, quantizationFormat('int8'))).toEqual({
    ...{ weights: 8, changed: 4, surviving: 2, share: 0.5 },
  });
  // The same matrix, stored the other way round.
  const turned = ParameterLayout.of([
    { name: 'weight', shape: [4, 2], group: 'matrix', role: 'mlpInput', transposed: true },
  ]);
  const [old, own] = [before, after].map(({ array }) =>
    FlatBuffer.from(Float32Array.from({ length: 8 }, (_, i) => array[(i % 2) * 4 + (i >> 1)]!)),
  );
  expect(await survivingUpdates(old!, own!, turned, quantizationFormat('int8'))).toMatchObject({
    ...{ weights: 8, changed: 4, surviving: 2 },
  });
  expect(await survivingUpdates(before, before, layout, quantizationFormat('int8'))).toEqual({
    ...{ weights: 8, changed: 0, surviving: 0 },
  });
});

test.each([
  ['kinds', [], {}],
  ['kind', ['relern'], {}],
  ['kinds', ['relearn-unrelated'], {}],
  ['kinds', ['surviving-updates'], {}],
  ['kinds', ['paraphrase'], {}],
  ['share', ['relearn'], { share: 0 }],
  ['steps', ['relearn'], { steps: 0.5 }],
  ['distance', ['relearn'], { distance: -1 }],
  ['format', ['quantize'], { formats: ['int4'] }],
  ['formats', ['quantize'], { formats: [] }],
])('%s that cannot be is refused', async (argument, kinds, options) => {
  await expect(attack({}, kinds, options)).rejects.toMatchObject({
    ...{ code: 'SOUL_INVALID_ARGUMENT', details: { argument } },
  });
});

test.each([
  ['forget.paraphrases', [sequence(1, 2)]],
  ['forget.paraphrases[1].tokens[1]', [undefined, sequence(1, 99), undefined, undefined]],
  ['forget.paraphrases', 'none'],
])('%s that do not fit are refused', async (argument, paraphrases) => {
  await expect(
    attack({ forget: { ...forget, paraphrases: paraphrases as never } }, ['paraphrase']),
  ).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT', details: { argument } });
});

test('examples are encoded with their question, and where there is one in other words with that', () => {
  const record = { kind: 'question-answer', prompt: 'ab', completion: 'c', source: { file: 'x', line: 1 } } as const;
  const template = PromptTemplate.parse('{question}');
  const other = { ...record, alternatives: { paraphrasedQuestion: 'ba h' } };
  const { sequences, paraphrases } = encodeAttackSet(letterTokenizer, [record, other], { template });
  const tokens = (text: string) => [...letterTokenizer.encode(text), 0];
  expect(sequences.map((each) => each.tokens)).toEqual([tokens('ab c'), tokens('ab c')]);
  expect(paraphrases.map((each) => each?.tokens)).toEqual([undefined, tokens('ba h c')]);
});

test('a model of another size to compare with is refused', async () => {
  const { values } = BigramLM.random(32, 1n).parameters;
  await expect(attack({ retrained: values }, ['relearn'])).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
});

const odd: [string, () => Record<string, unknown>][] = [
  ['model', () => ({ model: {} })],
  ['onEvent', () => ({ onEvent: 3 })],
  ['forget.paraphrases', () => ({ forget: { ...forget, paraphrases: [sequence(5, 1)] } })],
  [
    'forget.paraphrases[0].tokens[1]',
    () => ({ forget: { sequences: [sequence(0, 1)], paraphrases: [sequence(5, 9)] } }),
  ],
  ['retrained', () => ({ retrained: new Float32Array(64) })],
  ['original', () => ({ original: {} })],
];
test.each(odd)('%s that cannot be is refused before anything is run', async (argument, more) => {
  const events: unknown[] = [];
  const given = { onEvent: (event: unknown) => events.push(event), ...more() } as never;
  await expect(attack(given, ['relearn'])).rejects.toMatchObject({ details: { argument } });
  expect(events).toEqual([]);
});

test('the model itself is no retrained one: the attack before has changed it', async () => {
  const model = forgetful();
  const retrained = model.parameters.values;
  await expect(attack({ model, retrained }, ['relearn'])).rejects.toMatchObject({ details: { argument: 'retrained' } });
});

test.each([0, 1])('weights that are not finite have no level', async (which) => {
  const layout = ParameterLayout.of([{ name: 'weight', shape: [2, 4], group: 'matrix', role: 'mlpInput' }]);
  const models = [FlatBuffer.alloc(layout.length), FlatBuffer.alloc(layout.length)] as const;
  models[which]!.array[3] = Number.NaN;
  await expect(survivingUpdates(...models, layout, quantizationFormat('nf4'))).rejects.toMatchObject({
    code: 'SOUL_NON_FINITE',
  });
});

test('an attack that is cancelled leaves the model as it was', async () => {
  const model = forgetful();
  const before = model.values.slice();
  const controller = new AbortController();
  const onEvent: AttackInput['onEvent'] = ({ kind }) => kind === 'step' && controller.abort();
  const { signal } = controller;
  await expect(attack({ model, signal, onEvent }, ['relearn'])).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
  expect(model.values).toEqual(before);
});

test('every kind says what it tells', () => {
  expect(new Set(attackKinds.map(({ name }) => name)).size).toBe(attackKinds.length);
  for (const { summary, tells, source } of attackKinds) {
    for (const text of [summary, tells, source]) expect(text.length).toBeGreaterThan(20);
  }
});
