/**
 * Runs of algorithms with a journal, from their beginning and from what was kept on the way, for tests.
 *
 * @module
 */

import { expect } from '@jest/globals';
import type { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import type { DifferentiableLM } from '../../lib/model/contract.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import type { Optimizer } from '../../lib/optim/optimizer.ts';
import {
  type Algorithm,
  type DataSets,
  type DescentOptions,
  type DescentSummary,
  type Journal,
  Lab,
  type RunEvent,
} from '../../lib/unlearn/index.ts';
import { settingsFor } from '../../lib/unlearn/registry.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { bitsOf, type Copied, MemoryJournal } from './memory-journal.ts';

export const size = 8;

/** Each tells its own part of the table, so that no two of them have the same gradient. */
const target: TokenSequence[] = [0, 1, 2, 3].map((i) => ({ tokens: [i, i + 1, (3 * i) % 8, 2], labelsFrom: 1 }));
const retain: TokenSequence[] = [4, 5, 6].map((i) => ({ tokens: [i, 7, (2 * i) % 8, i], labelsFrom: 1 }));

export const sets: DataSets = {
  target,
  retain,
  refusals: { count: 3, of: (i, r) => ({ tokens: [i, 5 + r, 1], labelsFrom: 1 }) },
  alternatives: target.map(({ tokens }) =>
    [1, 2].map((by) => ({ tokens: [tokens[0]!, (tokens[1]! + by) % 8], labelsFrom: 1 })),
  ),
  groups: ['a', 'b', 'a', 'b'],
};

export interface Setup {
  readonly algorithm: Pick<Algorithm, 'run'> & Partial<Algorithm>;
  readonly settings?: object;
  readonly optimizer: (model: DifferentiableLM, options: { frozen?: FlatBuffer<'u8'> }) => Optimizer;
  readonly model?: () => DifferentiableLM | Promise<DifferentiableLM>;
  readonly descent?: DescentOptions;
}

export interface Outcome {
  readonly model: DifferentiableLM;
  readonly events: RunEvent[];
  /** Names of the calls of the model. */
  readonly calls: string[];
  readonly summary: DescentSummary | undefined;
}

const counted = [
  'nll',
  'accumulate',
  'score',
  'klTo',
  'targetCrossEntropy',
  'activationDistance',
  'addGaussNewtonProduct',
];

/** A run on a model that has just been loaded. */
export async function run(
  setup: Setup,
  journalOf?: (live: Pick<Outcome, 'events' | 'calls'>) => Journal,
): Promise<Outcome> {
  const { algorithm, settings = {}, descent } = setup;
  const make = setup.model ?? (() => BigramLM.random(size, 5n));
  const [model, reference] = [await make(), await make()];
  const calls: string[] = [];
  const events: RunEvent[] = [];
  const own = model as unknown as Record<string, (...given: unknown[]) => unknown>;
  for (const name of counted) {
    const call = own[name];
    if (!call) continue;
    own[name] = (...given) => {
      calls.push(name);
      return call.apply(model, given);
    };
  }
  const lab = new Lab({
    model,
    sets,
    seed: 3n,
    optimizer: (options) => setup.optimizer(model, options),
    referenceModel: async () => reference as BigramLM,
    descent: { steps: 5, batchSize: 2, curvature: { every: 2, chunks: 1, chunkSize: 1, primingChunks: 3 }, ...descent },
    ...(journalOf ? { journal: journalOf({ events, calls }) } : {}),
  });
  const complete = algorithm.settings ? settingsFor(algorithm as Algorithm, settings) : settings;
  try {
    const steps = lab.run(algorithm, complete as never);
    for (;;) {
      const { done, value } = await steps.next();
      if (done) return { model, events, calls, summary: value ?? undefined };
      events.push(value);
    }
  } finally {
    await lab.release();
  }
}

/** Without what a clock says. */
export function timeless<T>(value: T): T {
  const text = JSON.stringify(value, (name, each) => (/seconds|curvatureShare/i.test(name) ? undefined : each));
  return text === undefined ? value : JSON.parse(text);
}

export const bits = ({ model: { parameters } }: Outcome) =>
  [parameters.values, parameters.gradients].map((each) => Buffer.from(bitsOf(each)).toString('base64'));

/**
 * Runs to the end with a journal, then again from what was kept in each place, with everything made anew. Each must come to the same
 * bits and say the same from that place on, and have the model do nothing twice.
 */
export async function resumeEverywhere(setup: Setup): Promise<{ whole: Outcome; journal: MemoryJournal }> {
  const alone = await run(setup);
  const begun: { events: number; calls: number }[] = [];
  let journal = new MemoryJournal();
  const whole = await run(setup, ({ events, calls }) => {
    journal = new MemoryJournal(undefined, () => {
      begun.push({ events: events.length, calls: calls.length });
      return 'go on';
    });
    return journal;
  });
  expect(bits(whole)).toEqual(bits(alone));
  expect(timeless(whole.events)).toEqual(timeless(alone.events));
  for (const [place, copied] of journal.copies.entries()) {
    const kept = structuredClone(copied) as Copied;
    const again = new MemoryJournal(kept);
    const resumed = await run(setup, () => again);
    const where = `${place} ${JSON.stringify(timeless(journal.places[place]))}`;
    const { events, calls } = begun[place]!;
    expect([where, bits(resumed)]).toEqual([where, bits(whole)]);
    expect([where, resumed.calls]).toEqual([where, whole.calls.slice(calls)]);
    const rest = timeless(whole.events.slice(events));
    const said = timeless(resumed.events);
    expect([where, rest.length === 0 ? [] : said.slice(-rest.length)]).toEqual([where, rest]);
    // What it says before it has come there it has said before, in that order.
    const before = timeless(whole.events.slice(0, events)).map((event) => JSON.stringify(event));
    let from = 0;
    for (const event of said.slice(0, said.length - rest.length)) {
      from = before.indexOf(JSON.stringify(event), from) + 1;
      expect([where, from]).not.toEqual([where, 0]);
    }
    expect([where, timeless(resumed.summary)]).toEqual([where, timeless(whole.summary)]);
    // Where it goes on it is as it was kept.
    if (journal.places[place]!.at === 'stage') continue;
    expect([where, timeless(again.copies[0]!.state)]).toEqual([where, timeless(copied.state)]);
    expect([where, textOf(again.copies[0]!)]).toEqual([where, textOf(copied)]);
  }
  return { whole, journal };
}

const textOf = ({ buffers }: Copied) =>
  [...buffers].map(([name, { dtype, bits: own }]) => `${name} ${dtype} ${Buffer.from(own).toString('base64')}`);
