import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { axpy, cast, scale } from '../../lib/core/vector-operations.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { estimateHessian } from '../../lib/optim/estimate-hessian.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import {
  type Algorithm,
  algorithm,
  type Json,
  type Lab,
  method,
  type RunEvent,
  train,
} from '../../lib/unlearn/index.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { bits, resumeEverywhere, run, type Setup, sets, size, timeless } from './journal-runs.ts';
import { type Copied, MemoryJournal } from './memory-journal.ts';
import { PlainDescent } from './plain-descent.ts';

const adamw: Setup['optimizer'] = ({ parameters }, options) =>
  new AdamW(parameters, { learningRate: 0.05, ...options });

/** What the stages of {@link own} did, in all runs of a test. */
let work: string[] = [];

/** An algorithm of a user's: stages that read weights and leave what later parts read, descents, copies on the way. */
const own = {
  async *run(lab: Lab) {
    const { values } = lab.model.parameters;
    const first = await lab.snapshot();
    const sign = lab.scratch();
    const measured = yield* lab.stage(
      'measuring',
      async () => {
        work.push('measuring');
        await cast(values, sign);
        return { scales: [0.5, Number.NaN, -0], text: 'as it was' };
      },
      () => ({ sign }),
    );
    expect(measured).toEqual({ scales: [0.5, Number.NaN, -0], text: 'as it was' });
    yield* lab.descend(method('ascent'), { steps: 2 });
    const second = await lab.snapshot();
    const mask = lab.mask();
    yield* lab.stage(
      'both ways',
      async function* (): AsyncGenerator<RunEvent, void, void> {
        yield* lab.stage('shrinking', async () => {
          work.push('shrinking');
          await scale(values, measured.scales[0]!);
        });
        const third = await lab.snapshot();
        yield* lab.descend(method('npo'), { steps: 2 });
        await axpy(0.5, third, values);
        mask.array[0] = 0b1010;
        await scale(sign, 2);
      },
      () => ({ mask, sign }),
    );
    await axpy(0.25, second, values);
    const last = yield* lab.descend(method('graddiff'), { steps: 3, frozen: mask });
    await axpy(0.125, sign, values);
    await axpy(-0.25, first, values);
    return last;
  },
};

describe('an algorithm of stages and descents', () => {
  test('is resumed from every place, and does no stage twice', async () => {
    work = [];
    const setup = { algorithm: own, optimizer: adamw };
    const { journal, whole } = await resumeEverywhere(setup);
    const places = journal.places.map(({ at, name, event }) => [at, name, event?.step]);
    expect(places).toEqual([
      ['stage', 'measuring', undefined],
      ['descent', 'ascent', undefined],
      ['step', 'ascent', 1],
      ['step', 'ascent', 2],
      ['stage', 'shrinking', undefined],
      ['descent', 'npo', undefined],
      ['step', 'npo', 1],
      ['step', 'npo', 2],
      ['stage', 'both ways', undefined],
      ['descent', 'graddiff', undefined],
      ...[1, 2, 3].map((step) => ['step', 'graddiff', step]),
    ]);
    // Twice from the beginning, with and without a journal; resumed ones shrink where it was not done.
    expect(work.filter((each) => each === 'measuring')).toHaveLength(2);
    expect(work.filter((each) => each === 'shrinking')).toHaveLength(2 + 4);
    // Of what is no longer needed nothing is kept.
    expect([...journal.copies[5]!.buffers.keys()].filter((name) => !name.includes('optimizer')).sort()).toEqual([
      '0/sign',
      '2/snapshot',
      '3/1/snapshot',
      '3/2/references',
      '3/2/values',
    ]);
    expect([...journal.copies.at(-1)!.buffers.keys()].filter((name) => !name.includes('optimizer')).sort()).toEqual([
      '2/snapshot',
      '3/mask',
      '3/sign',
      '4/values',
    ]);
    expect(whole.summary!.steps).toBe(3);
  });

  test('keeps no memory that was released, and no copy that a descent makes for itself', async () => {
    const early = {
      async *run(lab: Lab) {
        const left = { passing: FlatBuffer.alloc(4), staying: lab.scratch() };
        yield* lab.stage(
          'leaving',
          () => left.staying.fill(2),
          () => left,
        );
        await left.passing.release();
        const afterStep = async () => void (await lab.snapshot());
        return yield* lab.descend(method('ascent'), { steps: 2, hooks: { afterStep } });
      },
    };
    const { journal } = await resumeEverywhere({ algorithm: early, optimizer: adamw });
    const names = journal.copies.map(({ buffers }) =>
      [...buffers.keys()].filter((name) => !name.includes('optimizer')),
    );
    expect(names).toEqual([['0/passing', '0/staying', 'values'], ...new Array(3).fill(['0/staying', '1/values'])]);
  });

  test('ends a descent where the journal says so, also when it is asked there again', async () => {
    const setup = { algorithm: own, optimizer: adamw };
    const endAt = (kept?: Copied) =>
      new MemoryJournal(kept, (_, { name, event }) => (name === 'npo' && event?.step === 1 ? 'end' : 'go on'));
    const journal = endAt();
    const whole = await run(setup, () => journal);
    const stepsOf = ({ events }: { events: readonly RunEvent[] }) =>
      events.flatMap((event) => (event.kind === 'step' ? [`${event.method} ${event.step}`] : []));
    expect(stepsOf(whole)).toEqual(['ascent 1', 'ascent 2', 'npo 1', 'graddiff 1', 'graddiff 2', 'graddiff 3']);
    const at = journal.places.findIndex(({ name, event }) => name === 'npo' && event?.step === 1);
    const resumed = await run(setup, () => endAt(journal.copies[at]));
    expect(stepsOf(resumed)).toEqual(['graddiff 1', 'graddiff 2', 'graddiff 3']);
    expect(bits(resumed)).toEqual(bits(whole));
  });

  test('tells what a descent that was ended took', async () => {
    const journal = new MemoryJournal(undefined, (_, { event }) => (event?.step === 2 ? 'end' : 'go on'));
    const { summary } = await run(
      { algorithm: algorithm('graddiff') as unknown as Algorithm, optimizer: adamw },
      () => journal,
    );
    expect(summary).toMatchObject({ steps: 2, last: { step: 2, steps: 5 } });
  });
});

describe('a descent by itself', () => {
  const trained = async (journal: MemoryJournal, primed: boolean) => {
    const model = BigramLM.random(size, 5n);
    const optimizer = new Sophia(model.parameters, { learningRate: 0.02, rho: { clippedFraction: 0.1 } });
    if (primed) {
      await estimateHessian(optimizer, {
        parts: 4,
        gradient: (part) => {
          model.gradients.fill(0.1 * (part + 1), 0, size ** 2);
          return 3;
        },
      });
    }
    const events: RunEvent[] = [];
    const summary = await train({
      model,
      optimizer,
      method: method('npo'),
      ...{ target: sets.target, retain: sets.retain! },
      ...{ steps: 5, batchSize: 2, curvature: { every: 2, chunks: 1, chunkSize: 1, primingChunks: 3 } },
      journal,
      onStep: (event) => {
        events.push(event);
      },
    });
    return { values: [...model.values], events: timeless(events), summary: timeless(summary) };
  };

  test('whose optimizer held an estimate is resumed with a new one', async () => {
    const journal = new MemoryJournal();
    const whole = await trained(journal, true);
    expect(journal.places).toHaveLength(6);
    for (const [place, copied] of journal.copies.entries()) {
      const resumed = await trained(new MemoryJournal(copied), false);
      expect(resumed).toEqual({ ...whole, events: whole.events.slice(place) });
    }
  });
});

/** A journal that has what was kept where a descent of its own, behind a stage, had taken two steps; changed. */
async function resumeChanged(change: (state: never, copied: Copied) => void, algorithmNow: Setup['algorithm'] = own) {
  const journal = new MemoryJournal();
  const setup = { algorithm: own, optimizer: adamw };
  await run(setup, () => journal);
  const at = journal.places.findIndex(({ name, event }) => name === 'graddiff' && event?.step === 2);
  const copied = structuredClone(journal.copies[at]!);
  change(copied.state as never, copied);
  const again = new MemoryJournal(copied);
  const resumed = run({ ...setup, algorithm: algorithmNow }, () => again);
  const error = await resumed.then(
    () => undefined,
    (thrown: unknown) => thrown as Error & { code: string },
  );
  return { error, read: again.read };
}

interface State {
  format: number;
  done: { kind: string; name: string; leaves: string[] }[];
  open: {
    kind: string;
    name: string;
    state: { steps: number; counts: Record<string, Json>; optimizer: Record<string, Json> };
  };
}

describe('what was kept and does not fit is refused before weights are touched', () => {
  const mistakes: [string, (state: State, copied: Copied) => void, RegExp][] = [
    [
      'another name of a stage',
      ({ done }) => (done[0]!.name = 'weighing'),
      /part 0 was the stage weighing when .* the stage measuring now/,
    ],
    [
      'another kind of part',
      ({ done }) => (done[1]!.kind = 'stage'),
      /part 1 was the stage ascent .* the descent ascent now/,
    ],
    ['another method', ({ open }) => (open.name = 'npo'), /part 4 was the descent npo .* the descent graddiff now/],
    ['another number of steps', ({ open }) => (open.state.steps = 4), /the number of its steps was 4 .* is 3 now/],
    [
      'other terms',
      ({ open }) => (open.state.counts.coefficients = { forget: 1 }),
      /terms was forget when .* forget, retain now/,
    ],
    ['other counters', ({ open }) => delete open.state.optimizer.rho, /counters of the optimizer was/],
    [
      'what is no count',
      ({ open }) => (open.state.counts.step = 'two'),
      /its kept progress is damaged, or another version's \(counts\)/,
    ],
    ['counts without an event', ({ open }) => delete open.state.counts.last, /\(counts\)/],
    ['another version', (state) => (state.format = 2), /another version's \(the course\)/],
    [
      'a state that is none',
      ({ open }) => delete (open as Partial<State['open']>).name,
      /another version's \(a part\)/,
    ],
    [
      'a buffer that a stage no longer leaves',
      ({ done }) => done[0]!.leaves.push('other'),
      /what measuring leaves was other/,
    ],
    [
      'memory of another length',
      (_, { buffers }) => cut(buffers, '4/values'),
      /the memory values was of 255 elements .* of 256 now/,
    ],
    [
      'a mask of another length',
      (_, { buffers }) => cut(buffers, '3/mask'),
      /the memory mask was of 31 elements .* of 32 now/,
    ],
    [
      'memory that is not there',
      (_, { buffers }) => void buffers.delete('4/optimizer/exp_avg'),
      /exp_avg was not there/,
    ],
  ];

  function cut(buffers: Copied['buffers'], name: string): void {
    const { dtype, bits: own } = buffers.get(name)!;
    buffers.set(name, { dtype, bits: own.subarray(dtype === 'u8' ? 1 : 4) });
  }

  test.each(mistakes)('%s', async (_, change, message) => {
    const { error, read } = await resumeChanged(change as never);
    expect(error).toMatchObject({ code: 'SOUL_BAD_FILE', message: expect.stringMatching(message) });
    expect(read.filter((name) => name.endsWith('values'))).toEqual([]);
  });

  test('an algorithm that ends before it comes there', async () => {
    const { error, read } = await resumeChanged(() => {}, {
      async *run(lab: Lab) {
        yield* lab.stage(
          'measuring',
          async () => ({}),
          () => ({ sign: lab.scratch() }),
        );
        return undefined;
      },
    });
    expect(error).toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(/part 1 was the descent ascent when .* and is not there now/),
    });
    expect(read).toEqual([]);
  });

  test('a stage that ends before it comes there', async () => {
    const journal = new MemoryJournal();
    const nested = (more: boolean) => ({
      async *run(lab: Lab) {
        yield* lab.stage('outer', async function* (): AsyncGenerator<RunEvent, void, void> {
          if (more) yield* lab.descend(method('ascent'));
        });
        return undefined;
      },
    });
    await run({ algorithm: nested(true), optimizer: adamw }, () => journal);
    const resumed = run({ algorithm: nested(false), optimizer: adamw }, () => new MemoryJournal(journal.copies[2]));
    await expect(resumed).rejects.toThrow(/part 0\/0 was the descent ascent when .* and is not there now/);
  });
});

test('a stage that comes to what JSON cannot hold is refused, with a journal', async () => {
  const algorithmOf = {
    async *run(lab: Lab) {
      yield* lab.stage('wrong', async () => ({ made: FlatBuffer.alloc(1) }) as never);
      return undefined;
    },
  };
  await run({ algorithm: algorithmOf, optimizer: adamw });
  await expect(run({ algorithm: algorithmOf, optimizer: adamw }, () => new MemoryJournal())).rejects.toMatchObject({
    code: 'SOUL_INVALID_ARGUMENT',
    message: expect.stringContaining('wrong.made must be what JSON can hold'),
  });
});

test('an optimizer that does not say where it stands is refused before the first step, with a journal alone', async () => {
  const setup: Setup = {
    algorithm: algorithm('npo') as unknown as Algorithm,
    optimizer: ({ parameters }) => new PlainDescent(parameters),
  };
  await run(setup);
  await expect(run(setup, () => new MemoryJournal())).rejects.toMatchObject({
    code: 'SOUL_UNSUPPORTED',
    message: expect.stringContaining('lacks progress() and resumeAt()'),
  });
});

test('a journal that is none is refused', async () => {
  const model = BigramLM.random(size, 5n);
  const lab = { model, optimizer: new AdamW(model.parameters), target: sets.target, method: method('ascent') };
  await expect(train({ ...lab, journal: {} as never })).rejects.toThrow(
    /journal must be a journal, with a function rest/,
  );
});
