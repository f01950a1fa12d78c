/**
 * The record of a trial as it is read from a file: every field checked.
 *
 * @module
 */

import { isObject, type JsonObject } from '../../core/json.ts';
import { type TrialRecord, trialId } from './record.ts';

/** What a value may be: words that complete "must be"; undefined where it is so. */
type Check = (value: unknown) => string | undefined;

const text: Check = (value) => (typeof value === 'string' ? undefined : 'a text');
/** Figures beyond are none of a computer's, and neither sums nor squares of those within leave float64. */
const largest = 1e100;
const finite: Check = (value) =>
  Number.isFinite(value) && Math.abs(value as number) <= largest
    ? undefined
    : `a number from -${largest} to ${largest}`;
const count: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : 'an integer of at least 0';
const share: Check = (value) =>
  Number.isFinite(value) && (value as number) >= 0 && (value as number) <= 1 ? undefined : 'a number from 0 to 1';
const positive: Check = (value) =>
  finite(value) === undefined && (value as number) >= 0 ? undefined : `a number from 0 to ${largest}`;
const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value) ? undefined : values.map((each) => JSON.stringify(each)).join(' or ');

const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined ? undefined : check(value);

/** Fields by their names, and no others. */
const fields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (!isObject(value)) return 'an object';
    for (const name of Object.keys(value)) if (!Object.hasOwn(checks, name)) return `without ${JSON.stringify(name)}`;
    for (const [name, check] of Object.entries(checks)) {
      const problem = check(value[name]);
      if (problem !== undefined) return `one whose ${name} is ${problem}`;
    }
    return undefined;
  };

const every =
  (check: Check): Check =>
  (value) => {
    if (!isObject(value)) return 'an object';
    // To look it up is to find what every object has.
    if (Object.hasOwn(value, '__proto__')) return 'without "__proto__"';
    for (const [name, entry] of Object.entries(value)) {
      const problem = check(entry);
      if (problem !== undefined) return `one whose ${name} is ${problem}`;
    }
    return undefined;
  };

const list =
  (check: Check, least = 0): Check =>
  (value) => {
    if (!Array.isArray(value) || value.length < least) return `an array${least > 0 ? ` of at least ${least}` : ''}`;
    for (const [i, entry] of value.entries()) {
      const problem = check(entry);
      if (problem !== undefined) return `one whose entry ${i} is ${problem}`;
    }
    return undefined;
  };

const rate: Check = (value) =>
  finite(value) === undefined && (value as number) > 0 ? undefined : `a number above 0, at most ${largest}`;

/** An object with fields that are looked at, and others of any kind. */
const having =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (!isObject(value)) return 'an object';
    return fields(checks)(Object.fromEntries(Object.keys(checks).map((name) => [name, value[name]])));
  };

const sets = fields({ forget: share, retain: share });
const halves = fields({ validation: share, test: share });
const attacks = every(fields({ forget: halves, retain: halves }));
const tofu = every(finite);
const textOrNumber: Check = (value) => (text(value) === undefined ? undefined : finite(value));

const record = fields({
  version: oneOf(1),
  id: text,
  ...{ model: text, split: text, method: text, optimizer: text, draw: count, trial: count },
  searched: fields({
    learningRateFactor: positive,
    retainCoefficient: maybe(positive),
    clippedFraction: maybe(share),
  }),
  study: (value) => (typeof value === 'string' && /^[\da-f]{64}$/.test(value) ? undefined : 'a SHA-256'),
  outcome: oneOf('done', 'diverged'),
  reason: maybe(text),
  optimizerSettings: having({ optimizer: text, learningRate: rate }),
  methodSettings: having({ algorithm: text }),
  steps: count,
  path: list(fields({ step: count, epoch: positive, validation: sets, test: sets }), 1),
  retrained: maybe(fields({ validation: sets, test: sets })),
  utility: maybe(every(fields({ before: share, after: share }))),
  tofu: maybe(tofu),
  referenceTofu: maybe(fields({ original: tofu, retrained: maybe(tofu) })),
  ...{ attacks: maybe(attacks), retrainedAttacks: maybe(attacks) },
  clipped: maybe(list(fields({ step: count, share, outsideEmbeddings: maybe(share) }))),
  ...{ moved: share, distance: positive },
  cost: fields({
    ...{ seconds: positive, processorSeconds: positive, estimateShare: share },
    ...{ peakMemory: positive, wholeSeconds: positive },
  }),
  texts: maybe(
    list(fields({ set: oneOf('forget', 'retain'), ...{ question: text, answer: text, before: text, after: text } })),
  ),
  made: every(textOrNumber),
});

/** What is wrong with a value that should be the record of a trial, after "is no trial: it must be"; undefined where nothing is. */
export function recordProblem(value: unknown): string | undefined {
  const problem = record(value);
  if (problem !== undefined) return problem;
  const { id, path, outcome, reason, ...task } = value as unknown as TrialRecord & JsonObject;
  if (id !== trialId(task)) return `the one that its id names: ${trialId(task)}`;
  if (path.some(({ step }, i) => i > 0 && step <= path[i - 1]!.step)) return 'one whose path goes forward';
  if ((outcome === 'diverged') !== (reason !== undefined)) return 'one that says why it diverged, where it did';
  return undefined;
}
