/**
 * What a page on a run is made of, read from its folder, of whose files nothing is trusted to be there or to be whole.
 *
 * @module
 */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SoulError } from '../core/errors.ts';
import { readJsonFile } from '../core/files.ts';
import { type Loose, loose, numbers } from '../run/loose.ts';
import { evaluationsName, metricsName, recordName } from '../run/run-files.ts';
import { type ListedRun, runOf } from '../run/run-list.ts';

/** Some steps of a run on end: as many as one place of a figure stands for. */
export interface StepSpan {
  /** The last of them, of all descents counted. */
  readonly step: number;
  /** How many they are; figures are means over them. */
  readonly steps: number;
  readonly figures: Readonly<Record<string, number>>;
  /** Of the method's terms, by their names. */
  readonly losses: Readonly<Record<string, number>>;
}

/** Figures of a set at one moment. */
export interface MeasuredPoint {
  readonly step: number;
  readonly moment: string;
  readonly set: string;
  readonly figures: Readonly<Record<string, number>>;
}

export interface RunSource {
  readonly run: Omit<ListedRun, 'folder'>;
  readonly spans: readonly StepSpan[];
  readonly evaluations: readonly MeasuredPoint[];
  /** run.json; absent while the run goes on. */
  readonly record: unknown;
}

/** Places of a figure along the steps. */
const mostSpans = 400;

/**
 * Reads the folder of a run, finished or not.
 *
 * @throws SoulError SOUL_FILE_SYSTEM; SOUL_BAD_FILE where it holds no run, or run.json is none
 */
export async function readRunSource(folder: string): Promise<RunSource> {
  const run = await runOf(folder);
  if (run === undefined || run.state === 'unreadable') {
    throw new SoulError('SOUL_BAD_FILE', run?.problem ?? `${folder} holds no run`, { folder });
  }
  const steps = await jsonLines(join(folder, metricsName), stepOf);
  const points = await jsonLines(join(folder, evaluationsName), pointOf);
  const record = await readJsonFile(join(folder, recordName));
  return { run, spans: spansOf(steps), evaluations: points, record };
}

interface Step {
  readonly figures: Readonly<Record<string, number>>;
  readonly losses: Readonly<Record<string, number>>;
}

/** What the lines of a file are; one that is being written, or was cut off, is left out, as is a file that is not there. */
async function jsonLines<Item>(file: string, read: (line: Loose) => Item | undefined): Promise<Item[]> {
  if (!(await stat(file).catch(() => undefined))?.isFile()) return [];
  const items: Item[] = [];
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      continue;
    }
    const item = read(loose(value));
    if (item !== undefined) items.push(item);
  }
  return items;
}

function stepOf(line: Loose): Step | undefined {
  if (typeof line.step !== 'number') return undefined;
  const { loss, learningRate, seconds, tokensPerSecond, memory, statistics, curvature, losses } = line;
  const { gradientNorm, clippedFraction, changedFraction } = loose(statistics);
  const estimateSeconds = loose(curvature).seconds;
  const all = { loss, learningRate, gradientNorm, clippedFraction, changedFraction, seconds, tokensPerSecond, memory };
  return { figures: numbers({ ...all, estimateSeconds }), losses: numbers(losses) };
}

function pointOf(line: Loose): MeasuredPoint | undefined {
  const { step, moment, set, examples: _, seconds: __, ...figures } = line;
  if (typeof step !== 'number' || typeof moment !== 'string' || typeof set !== 'string') return undefined;
  return { step, moment, set, figures: numbers(figures) };
}

/** Steps in spans of equal length, as few as need be. */
export function spansOf(steps: readonly Step[]): StepSpan[] {
  const length = Math.ceil(steps.length / mostSpans) || 1;
  return Array.from({ length: Math.ceil(steps.length / length) }, (_, i) => {
    const own = steps.slice(i * length, (i + 1) * length);
    return {
      step: i * length + own.length,
      steps: own.length,
      figures: means(own.map(({ figures }) => figures)),
      losses: means(own.map(({ losses }) => losses)),
    };
  });
}

/** Means by name over those that have it. */
function means(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = new Set(all.flatMap((each) => Object.keys(each)));
  return Object.fromEntries(
    [...names].map((name) => {
      const values = all.flatMap((each) => (Object.hasOwn(each, name) ? [each[name]!] : []));
      return [name, values.reduce((sum, value) => sum + value, 0) / values.length];
    }),
  );
}
