/**
 * The runs under a folder: those that are done, and those that go on or were cut off.
 *
 * @module
 */

import { open, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { asSoulError, SoulError } from '../core/errors.ts';
import { isLocked, lockedSince } from '../core/file-lock.ts';
import { exists, jsonOf, readPlainFile } from '../core/files.ts';
import { withoutUndefined } from '../core/optional.ts';
import { storedSettings } from './checkpoints/settings-of-checkpoint.ts';
import { type Loose, loose, numbers, texts } from './loose.ts';
import type { Evaluation } from './measure.ts';
import { checkpointsName, markerName, metricsName, recordName } from './run-files.ts';
import { isRecord } from './settings-json.ts';
import type { Verdict } from './verdict.ts';

/** What of a run can be told from its folder; what it does not say is absent. */
export interface ListedRun {
  /** From the folder that was listed. */
  readonly folder: string;
  /**
   * `finished`; `running`, where a process of this machine writes there; `interrupted`; `unreadable`, where run.json is damaged or none of
   * this package's, which `problem` says.
   */
  readonly state: 'finished' | 'running' | 'interrupted' | 'unreadable';
  readonly problem?: string;
  /** When the run began, ISO 8601 as all times. */
  readonly startedAt?: string;
  readonly finishedAt?: string;
  /** When a run that is not finished wrote its last step. */
  readonly wroteAt?: string;
  /** The method's name. */
  readonly method?: string;
  readonly optimizer?: string;
  /** As run.json has them; of a run that is not finished, as its newest checkpoint has them. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly steps?: number;
  /** That the present descent has in all; of a run that is not finished. */
  readonly ofSteps?: number;
  readonly seconds?: number;
  readonly evaluation?: Evaluation;
  readonly verdict?: Verdict;
  /** Of the last step. */
  readonly losses?: Readonly<Record<string, number>>;
}

/** Folders within folders that are looked into. */
const deepest = 4;

/**
 * Lists the runs under a folder, itself included; each of them whatever is wrong with the others.
 *
 * @returns in the order of their beginnings
 * @throws SoulError SOUL_NOT_FOUND, SOUL_FILE_SYSTEM for the folder itself
 */
export async function listRuns(folder: string): Promise<ListedRun[]> {
  if (!(await exists(folder))) throw new SoulError('SOUL_NOT_FOUND', `${folder} does not exist`, { folder });
  const runs: ListedRun[] = [];
  const visit = async (place: string, depth: number): Promise<void> => {
    const entries = await readdir(place, { withFileTypes: true }).catch((error: unknown) => {
      if (place === folder) throw asSoulError(error);
      return [];
    });
    const run = await readRun(
      place,
      entries.map(({ name }) => name),
    );
    if (run !== undefined) runs.push({ folder: relative(folder, place) || '.', ...run });
    if (depth === deepest) return;
    for (const entry of entries) {
      if (!entry.isDirectory() || entry.name.startsWith('.') || entry.name === 'node_modules') continue;
      await visit(join(place, entry.name), depth + 1);
    }
  };
  await visit(folder, 0);
  const beginning = ({ startedAt = '' }: ListedRun) => startedAt;
  return runs.sort((a, b) => beginning(a).localeCompare(beginning(b)) || a.folder.localeCompare(b.folder));
}

type Found = Omit<ListedRun, 'folder'>;

/**
 * The run of one folder, those within it left out; undefined where there is none.
 *
 * @throws SoulError SOUL_FILE_SYSTEM
 */
export async function runOf(folder: string): Promise<Omit<ListedRun, 'folder'> | undefined> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw asSoulError(error);
  });
  return readRun(folder, names);
}

/** The run of one folder; undefined where there is none. */
async function readRun(place: string, names: readonly string[]): Promise<Found | undefined> {
  const isStaged = names.includes(markerName);
  if (names.includes(recordName)) {
    const found = await readRecord(join(place, recordName));
    // One that was finished, but not moved to its place.
    return isStaged && found?.state === 'finished' ? { ...found, ...unfinished(place) } : found;
  }
  if (!isStaged) return undefined;
  return {
    ...unfinished(place),
    ...(await lastStep(join(place, metricsName))),
    ...(await checkpointed(join(place, checkpointsName))),
  };
}

function unfinished(place: string): Pick<Found, 'state' | 'startedAt'> {
  const marker = join(place, markerName);
  return {
    ...withoutUndefined({ startedAt: lockedSince(marker) }),
    state: isLocked(marker) ? 'running' : 'interrupted',
  };
}

/** What the newest checkpoint of a run says of it, where there is one that can be read. */
async function checkpointed(folder: string): Promise<Partial<Found>> {
  const settings = await storedSettings(folder).catch(() => undefined);
  return settings === undefined ? {} : { ...textsOfRun(settings), settings };
}

/** How the settings of a run say that it goes. */
function textsOfRun({ method, optimizer }: Loose): Pick<Found, 'method' | 'optimizer'> {
  return texts({ method, optimizer });
}

async function readRecord(file: string): Promise<Found | undefined> {
  let content: unknown;
  try {
    const bytes = await readPlainFile(file);
    // It went away meanwhile.
    if (bytes === undefined) return undefined;
    content = jsonOf(file, bytes);
  } catch (error) {
    return { state: 'unreadable', problem: (error as Error).message };
  }
  if (!isRecord(content)) return { state: 'unreadable', problem: `${file} is not the record of a run` };
  const { settings, startedAt, finishedAt, results } = content as typeof content & Record<string, unknown>;
  const { steps, seconds, evaluation, verdict, losses } = loose(results);
  const found = {
    state: 'finished',
    ...texts({ startedAt, finishedAt }),
    ...textsOfRun(settings),
    settings,
    ...numbers({ steps, seconds }),
    ...(isEvaluation(evaluation) ? { evaluation } : {}),
    ...(isVerdict(verdict) ? { verdict } : {}),
    ...(losses === undefined ? {} : { losses: numbers(losses) }),
  };
  return found as Found;
}

/** Enough for some lines. */
const tailBytes = 2 ** 16;

/** What the last whole line of metrics.jsonl says; the very last may be one that is being written, or was cut off. */
async function lastStep(file: string): Promise<Partial<Found>> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) return {};
  const wroteAt = found.mtime.toISOString();
  for (const line of (await tailOf(file, found.size)).split('\n').reverse()) {
    let step: Loose;
    try {
      step = loose(JSON.parse(line));
    } catch {
      continue;
    }
    const { step: steps, steps: ofSteps, method, losses } = step;
    const figures = { ...numbers({ steps, ofSteps }), ...texts({ method }), losses: numbers(losses) };
    return { wroteAt, ...figures };
  }
  return { wroteAt, steps: 0 };
}

async function tailOf(file: string, size: number): Promise<string> {
  const handle = await open(file);
  try {
    const length = Math.min(size, tailBytes);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

function isEvaluation(value: unknown): value is Evaluation {
  const isPair = (pair: unknown) => ['before', 'after'].every((when) => typeof loose(pair)[when] === 'number');
  const { target, retain } = loose(value);
  return isPair(target) && (retain === undefined || isPair(retain));
}

function isVerdict(value: unknown): value is Verdict {
  const { forgotten, kept } = loose(value);
  return typeof forgotten === 'string' && typeof kept === 'string';
}
