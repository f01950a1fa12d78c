/**
 * Whether logs are of the same questions, asked in the same way.
 *
 * @module
 */

import { describe, SoulError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { evaluationProfile } from '../profiles.ts';
import {
  type EvaluationLog,
  type EvaluationSet,
  evaluationSets,
  type LogItem,
  logSections,
  type Recording,
} from '../tofu/log.ts';

/** A log, and what its model is called. */
export interface NamedLog {
  readonly name: string;
  readonly log: EvaluationLog;
}

/** Facts of a log that must be the same where both say them. */
const sameFacts = ['split', 'embedder'] as const;

/**
 * Refuses logs that do not belong into one table.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for other profiles, splits, limits or embedders; SOUL_BAD_DATA for other questions
 */
export function checkComparable(logs: readonly NamedLog[]): void {
  const [first, ...others] = logs;
  if (first === undefined) return;
  for (const other of others) {
    checkFacts(first, other);
    checkQuestions(first, other);
  }
}

function checkFacts(one: NamedLog, other: NamedLog): void {
  const profileOf = ({ log }: NamedLog) => log.recorded?.profile ?? 'tofu';
  if (profileOf(one) !== profileOf(other)) throw unlike(one, other, 'profile', profileOf(one), profileOf(other));
  const own: Partial<Recording> = one.log.recorded ?? {};
  const others: Partial<Recording> = other.log.recorded ?? {};
  for (const fact of sameFacts) {
    const isSaid = own[fact] !== undefined && others[fact] !== undefined;
    if (isSaid && own[fact] !== others[fact]) throw unlike(one, other, fact, own[fact], others[fact]);
  }
  // Logs of other projects say nothing of it; one that says which split it is of says by no limit that there is none.
  const isLimitSaid = own.split !== undefined && others.split !== undefined;
  if (isLimitSaid && own.limit !== others.limit) throw unlike(one, other, 'limit', own.limit, others.limit);
  const [data, otherData] = [own.data, others.data];
  if (!isObject(data) || !isObject(otherData)) return;
  for (const set of evaluationSets) {
    const [hash, otherHash] = [data[set], otherData[set]];
    if (hash !== undefined && otherHash !== undefined && hash !== otherHash) {
      throw unlike(one, other, `data of ${set}`, hash, otherHash);
    }
  }
}

function unlike(one: NamedLog, other: NamedLog, what: string, own: unknown, found: unknown): SoulError {
  const said = (value: unknown) => (value === undefined ? 'none' : describe(value));
  return new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${one.name} and ${other.name} cannot stand in one table, since their ${what} is not the same: ${said(own)} and ${said(found)}`,
    { what, expected: own, found, names: [one.name, other.name] },
  );
}

/** The items of a set that the profile looks at. */
function viewed({ log }: NamedLog, set: EvaluationSet): readonly LogItem[] | undefined {
  const { items: most } = evaluationProfile(log.recorded?.profile ?? 'tofu');
  return log.sets[set]?.slice(0, set === 'forget' || set === 'retain' ? most : undefined);
}

/** Items of one number must be one question. */
function checkQuestions(one: NamedLog, other: NamedLog): void {
  for (const set of evaluationSets) {
    const [own, others] = [viewed(one, set), viewed(other, set)];
    if (own === undefined || others === undefined) continue;
    const section = logSections[set];
    const mixed = (problem: string, details: object = {}) =>
      new SoulError(
        'SOUL_BAD_DATA',
        `${one.name} and ${other.name} cannot stand in one table, since they were asked other questions: ${section} ${problem}`,
        { section, names: [one.name, other.name], ...details },
      );
    if (own.length !== others.length) throw mixed(`has ${own.length} items and ${others.length}`);
    for (const [i, { index, texts }] of own.entries()) {
      const found = others[i]!.texts?.answer;
      if (texts === undefined || found === undefined || texts.answer.trim() === found.trim()) continue;
      throw mixed(`, item ${describe(index)}, has the answers ${describe(texts.answer)} and ${describe(found)}`, {
        item: index,
      });
    }
  }
}
