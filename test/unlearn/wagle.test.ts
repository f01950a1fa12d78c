import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { freeze, maskOfRanges } from '../../lib/core/frozen-masks.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { wagle } from '../../lib/unlearn/algorithms/wagle.ts';
import { Lab, type LabOptions, type RunEvent, settingsOf } from '../../lib/unlearn/index.ts';
import {
  type LayeredModel,
  layeredModel,
  layout,
  plainGradient,
  retain,
  target,
  tensorOf,
  tokens,
} from './layered-model.ts';

const size = tokens ** 2;
const all = Array.from({ length: size }, (_, i) => i);

interface Outcome {
  readonly model: LayeredModel;
  readonly start: number[];
  /** What the optimizer was told, weight by weight; undefined where it was told of no mask. */
  readonly frozen: boolean[] | undefined;
  readonly events: RunEvent[];
}

async function run(given: object = {}, more: Partial<LabOptions> = {}, model = layeredModel()): Promise<Outcome> {
  const start = [...model.inner.values];
  let frozen: boolean[] | undefined;
  const lab = new Lab({
    model,
    sets: { target, retain },
    optimizer: (options) => {
      const bytes = options.frozen?.array;
      frozen = bytes && all.map((i) => Math.floor(bytes[i >> 3]! / 2 ** (i & 7)) % 2 === 1);
      return new AdamW(model.parameters, { learningRate: 0.05, weightDecay: 0.1, ...options });
    },
    descent: { steps: 3, batchSize: 2 },
    ...more,
  });
  const events: RunEvent[] = [];
  try {
    for await (const event of wagle.run(lab, settingsOf(wagle, given))) events.push(event);
  } finally {
    await lab.release();
  }
  return { model, start, frozen, events };
}

const noteOf = ({ events }: Outcome) => events.flatMap((event) => (event.kind === 'note' ? [event.text] : []));

/** The weights that are to be frozen, by a sort of plain numbers. */
function expected(scores: readonly number[], candidates: readonly number[], ratio: number): boolean[] {
  const order = [...candidates].sort((a, b) => scores[b]! - scores[a]!);
  const kept = new Set(order.slice(0, Math.round(ratio * candidates.length)).filter((i) => scores[i]! > 0));
  return all.map((i) => candidates.includes(i) && !kept.has(i));
}

const free = all.filter((i) => tensorOf(i) !== undefined && tensorOf(i) !== 'final_norm');

describe('the weights that are trained', () => {
  test.each([
    ['wagle', 0.1, 1e-6],
    ['wagle', 0.1, 3],
    ['wagle', 0.25, 0.1],
    ['gradient', 0.2, 1],
    ['magnitude', 0.9, 1],
  ] as const)('by %s are the share %p of the largest scores, at mu %p', async (score, ratio, mu) => {
    const model = layeredModel();
    const [f, r] = [plainGradient(model, target), plainGradient(model, retain)];
    const scores = f.map((each, i) => {
      const weight = model.inner.values[i]!;
      if (score === 'magnitude') return Math.abs(weight);
      return Math.abs(score === 'gradient' ? each : (weight - (target.length * r[i]!) / mu) * each);
    });
    const outcome = await run({ score, ratio, mu });
    expect(outcome.frozen).toEqual(expected(scores, free, ratio));
    const share = free.filter((i) => !outcome.frozen![i]).length / free.length;
    expect(noteOf(outcome)).toEqual([
      `${(100 * share).toFixed(1)} % of 762 weights are trained, chosen by ${score}, and 1 tensor beside them (exclude)`,
    ]);
  });

  test('and no others change, by weight decay neither', async () => {
    const { model, start, frozen } = await run({ ratio: 0.2 });
    const moved = all.filter((i) => model.inner.values[i] !== start[i]);
    expect(moved.filter((i) => frozen![i])).toEqual([]);
    expect(moved.length).toBeGreaterThan(100);
  });

  test('by random are a function of the seed, and the share of them', async () => {
    const chosen = async (seed: bigint) => (await run({ score: 'random', ratio: 0.5 }, { seed })).frozen!;
    const first = await chosen(1n);
    expect(first).toEqual(await chosen(1n));
    expect(first).not.toEqual(await chosen(2n));
    expect(first.filter(Boolean)).toHaveLength(381);
  });

  test('have a score: one of 0 is not chosen to fill up the share', async () => {
    const { frozen, events } = await run({ ratio: 0.99 });
    const f = plainGradient(layeredModel(), target);
    expect(frozen).toEqual(all.map((i) => free.includes(i) && f[i] === 0));
    expect(events).toContainEqual({ kind: 'stage', name: 'choosing weights by wagle' });
  });

  test('are all where the ratio is 1, without a gradient of whole sets', async () => {
    const { frozen, events } = await run({ ratio: 1 });
    expect(frozen).toBeUndefined();
    expect(events.filter(({ kind }) => kind === 'progress')).toEqual([]);
  });
});

describe('tensors', () => {
  test('whose name exclude matches are trained whole, and are none of the share', async () => {
    const { frozen, ...outcome } = await run({ score: 'magnitude', ratio: 0.5, exclude: 'mlp' });
    const others = all.filter((i) => ['embed', 'final_norm'].includes(tensorOf(i)!));
    const magnitudes = [...layeredModel().inner.values].map(Math.abs);
    expect(frozen).toEqual(expected(magnitudes, others, 0.5));
    expect(noteOf({ frozen, ...outcome })).toEqual([
      '50.0 % of 512 weights are trained, chosen by magnitude, and 2 tensors beside them (exclude)',
    ]);
  });

  test('are all chosen from where it matches none', async () => {
    const outcome = await run({ score: 'magnitude', ratio: 0.5, exclude: '^$' });
    const magnitudes = [...layeredModel().inner.values].map(Math.abs);
    expect(outcome.frozen).toEqual(
      expected(
        magnitudes,
        all.filter((i) => tensorOf(i) !== undefined),
        0.5,
      ),
    );
    expect(noteOf(outcome)).toEqual(['50.0 % of 1018 weights are trained, chosen by magnitude']);
  });

  test('that the run has frozen stay so, and the share is of the others', async () => {
    const held = maskOfRanges(size, [{ start: 0, length: 300 }]);
    const outcome = await run({ score: 'magnitude', ratio: 0.5 }, { frozen: held });
    const magnitudes = [...layeredModel().inner.values].map(Math.abs);
    const chosen = expected(
      magnitudes,
      free.filter((i) => i >= 300),
      0.5,
    );
    expect(outcome.frozen).toEqual(chosen.map((out, i) => out || i < 300));
    expect(noteOf(outcome)[0]).toMatch(/^50\.0 % of 462 weights/);
    expect(all.filter((i) => i < 300 && outcome.model.inner.values[i] !== outcome.start[i])).toEqual([]);
  });
});

describe('refuses', () => {
  test.each<[string, object, RegExp]>([
    ['a method inside that there is not', { method: 'magic' }, /method must be one of ascent/],
    ['what is no regular expression', { exclude: '(' }, /exclude must be a regular expression/],
    ['a ratio of 0', { ratio: 0 }, /ratio must be a number above 0/],
    ['a mu of 0', { mu: 0 }, /mu must be a number above 0/],
  ])('%s, before anything is loaded', (_, given, message) => {
    expect(() => wagle.needs(settingsOf(wagle, given))).toThrow(message);
  });

  test('to choose from nothing', async () => {
    await expect(run({ exclude: '.' })).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: 'exclude leaves no weight to choose from',
    });
    const mask = FlatBuffer.alloc(size / 8, { dtype: 'u8' });
    for (const i of all) freeze(mask.array, i);
    await expect(run({}, { frozen: mask })).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
  });

  test('to choose where nothing scores', async () => {
    const model = layeredModel();
    model.inner.values.fill(0);
    await expect(run({ score: 'magnitude' }, {}, model)).rejects.toThrow(/every weight scores 0 by magnitude/);
  });

  test('to choose by what is not finite', async () => {
    const model = layeredModel();
    model.inner.values[9 * tokens] = Number.NaN;
    for (const score of ['wagle', 'gradient', 'magnitude']) {
      await expect(run({ score }, {}, model)).rejects.toMatchObject({ code: 'SOUL_NON_FINITE' });
    }
  });

  test('to do without the retain set that the score or the method needs', async () => {
    await expect(run({ method: 'ascent' }, { sets: { target } })).rejects.toThrow(/needs retain/);
    await run({ method: 'ascent', score: 'gradient' }, { sets: { target } });
    expect(wagle.needs(settingsOf(wagle, { method: 'ascent' }))).toEqual(['retain']);
    expect(wagle.needs(settingsOf(wagle, { method: 'ascent', score: 'random' }))).toEqual([]);
  });

  test('to go on when it is cancelled', async () => {
    const controller = new AbortController();
    controller.abort();
    for (const score of ['wagle', 'random']) {
      await expect(run({ score }, { signal: controller.signal })).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
    }
  });
});

test('the size of micro-batches changes nothing that is chosen', async () => {
  const chosen = async (microBatchSize: number) =>
    (await run({ ratio: 0.2 }, { descent: { steps: 1, batchSize: 3, microBatchSize } })).frozen;
  expect(await chosen(1)).toEqual(await chosen(3));
  expect(await chosen(2)).toEqual(await chosen(3));
});

test('its layout is the one that the tests speak of', () =>
  expect([layout.length, layout.parameterCount]).toEqual([size, 1018]));
