/**
 * Whether a record agrees with itself: settings complete and valid, figures in range, counts the same everywhere.
 *
 * @module
 */

import { join } from 'node:path';
import { SoulError } from '../../core/errors.ts';
import { readPlainFile } from '../../core/files.ts';
import { packageVersion } from '../../core/package.ts';
import { algorithms } from '../../unlearn/registry.ts';
import { inWords, type Loose, loose } from '../loose.ts';
import type { BeforeAndAfter } from '../measure.ts';
import { chooseAlgorithm } from '../run-defaults.ts';
import { evaluationsName, metricsName } from '../run-files.ts';
import type { RunSchema } from '../run-setting.ts';
import { runSettings } from '../run-settings.ts';
import { completeRunSettings, type RunSettings } from '../settings.ts';
import { isRecord, runSettingsFromJson } from '../settings-json.ts';
import { verdictOf } from '../verdict.ts';
import { type Check, checksOf } from './check.ts';

/** Every setting is there, and may be what it is. */
export function checkSettings(record: Loose): Check[] {
  const { failed, passed, unknown } = checksOf('settings');
  const { version } = loose(record.package);
  const problem = settingsProblem(record);
  const { method } = loose(record.settings);
  if (problem === undefined && !isKnownMethod(method))
    return [unknown(`complete; those of ${inWords(method)} were not checked: it is no method of this package`)];
  if (problem === undefined) return [passed('complete and valid')];
  // Another version may know others.
  if (version !== packageVersion)
    return [unknown(`not checked: ${problem}, in this version, but the record is of ${inWords(version)}`)];
  return [failed(problem)];
}

function settingsProblem(record: Loose): string | undefined {
  if (!isRecord(record)) return 'expected settings, found none';
  const { settings } = record;
  for (const [name, entry] of Object.entries(runSettings as RunSchema)) {
    const isNeeded = entry.kind !== 'group' && entry.fallback !== undefined;
    if (isNeeded && settings[name] === undefined) return `expected the setting ${name}, found none`;
  }
  for (const name of ['model', 'target', 'out', 'method', 'methodSettings', 'optimizer', 'optimizerSettings']) {
    if (settings[name] === undefined) return `expected the setting ${name}, found none`;
  }
  try {
    const given = { ...runSettingsFromJson(record), out: settings.out } as RunSettings;
    if (isKnownMethod(given.method)) completeRunSettings(given, chooseAlgorithm(given.method, given.methodSettings));
    return undefined;
  } catch (error) {
    if (!(error instanceof SoulError)) throw error;
    return `expected settings that fit together, found: ${error.message}`;
  }
}

/** Figures, counts and times. */
export async function checkConsistency(folder: string, record: Loose): Promise<Check[]> {
  const failures: string[] = [];
  const expect = (holds: boolean, expected: string, found: unknown) => {
    if (!holds) failures.push(`expected ${expected}, found ${found === undefined ? 'none' : inWords(found)}`);
  };
  const [started, finished] = [record.startedAt, record.finishedAt].map((time) => Date.parse(inWords(time)));
  expect(
    started! <= finished!,
    'a run that ended after it began',
    `${inWords(record.startedAt)} to ${inWords(record.finishedAt)}`,
  );

  const inputs = loose(record.inputs);
  const results = loose(record.results);
  const settings = loose(record.settings);
  for (const set of ['target', 'retain'] as const) {
    const file = inputs[set];
    if (file === undefined && set === 'retain') continue;
    const { items, truncated } = loose(file);
    expect(isCount(items) && items > 0, `the number of examples of ${set}`, items);
    expect(
      isCount(truncated) && truncated <= numberOf(items),
      `at most as many cut examples of ${set} as there are`,
      truncated,
    );
  }
  const { evaluation, verdict } = results;
  expect(
    (evaluation === undefined) === (settings.evaluate === 0 || results.notMeasuredAfter !== undefined),
    'figures where the settings ask for them',
    evaluation,
  );
  for (const [set, measured] of Object.entries(loose(evaluation))) {
    const { examples, before, after } = loose(measured);
    const items = loose(inputs[set]).items;
    const wanted = Math.min(numberOf(settings.evaluate), numberOf(items));
    expect(examples === wanted, `figures of ${wanted} examples of ${set}`, examples);
    for (const [moment, value] of Object.entries({ before, after })) {
      const isShare = typeof value === 'number' && value >= 0 && value <= 1;
      expect(isShare, `a probability of ${set} ${moment} from 0 to 1`, value);
    }
  }
  const { evaluations } = results;
  expect(
    (evaluations !== undefined) === (settings.evaluateEvery !== undefined),
    'evaluations on the way where the settings ask for them',
    evaluations,
  );
  if (evaluations !== undefined) {
    const { points } = loose(evaluations);
    const all = Array.isArray(points) ? points.map(loose) : [];
    const rows = all.flatMap(({ step, moment, sets }) =>
      Object.entries(loose(sets)).map(([set, figures]) => ({ step, moment, set, ...loose(figures) })),
    );
    expect(rows.length > 0, 'evaluations on the way', points);
    const text = await readPlainFile(join(folder, evaluationsName)).catch(() => undefined);
    // What is not there is told with the other files.
    if (text !== undefined) {
      const found = text
        .toString()
        .split('\n')
        .filter((line) => line !== '');
      const first = rows.findIndex((row, i) => !isSameRow(row, found[i]));
      const where = first < 0 ? rows.length : first;
      expect(
        first < 0 && found.length === rows.length,
        `the figures of run.json in evaluations.jsonl`,
        `others, from line ${where + 1}`,
      );
    }
  }
  const { steps, skippedSteps } = results;
  expect(isCount(steps), 'the number of steps', steps);
  expect(
    isCount(skippedSteps) && skippedSteps <= numberOf(steps),
    'at most as many skipped steps as steps',
    skippedSteps,
  );
  const lines = await countLines(join(folder, metricsName));
  if (lines !== undefined) expect(lines === steps, `${inWords(steps)} lines in metrics.jsonl, one a step`, lines);

  const isTraining = settings.method === 'finetune';
  expect(
    (record.deleted === undefined) === isTraining,
    isTraining ? 'nothing deleted' : 'what was deleted',
    record.deleted,
  );
  const isJudged = !isTraining && results.notMeasuredAfter === undefined;
  expect((verdict !== undefined) === isJudged, isJudged ? 'a verdict' : 'no verdict', verdict);
  if (failures.length === 0 && isJudged && loose(record.package).version === packageVersion) {
    const { forgotten, kept } = loose(verdict);
    const { target: forget, retain } = loose(evaluation) as Partial<Record<'target' | 'retain', BeforeAndAfter>>;
    const own = verdictOf({ forget, retain });
    expect(forgotten === own.forgotten, `the verdict '${own.forgotten}' of what was forgotten`, forgotten);
    expect(kept === own.kept, `the verdict '${own.kept}' of what was kept`, kept);
  }
  if (record.deleted !== undefined) {
    const { items, names, naming } = loose(record.deleted);
    const target = loose(inputs.target).items;
    expect(items === target, `${inWords(target)} deleted items, as many as examples`, items);
    expect(
      Array.isArray(names) && names.length === items,
      `${inWords(items)} names of deleted items`,
      Array.isArray(names) ? names.length : names,
    );
    const isName = (name: unknown) => typeof name === 'string' && /^[0-9a-f]{64}$/.test(name);
    expect(Array.isArray(names) && names.every(isName), 'names of 64 hexadecimal digits', 'others');
    expect(/^[0-9a-f]{16}$/.test(inWords(loose(naming).keyId)), 'the id of the key of the items', loose(naming).keyId);
    expect(record.traces !== undefined, 'what became of the traces', record.traces);
  }
  return checksOf('record').unlessFailed(failures, 'run.json agrees with itself');
}

/** Whether a line says of a set what the record does. */
function isSameRow(row: Loose, line: string | undefined): boolean {
  try {
    const { time: _, ...found } = loose(JSON.parse(line ?? ''));
    return Object.entries({ ...row, ...found }).every(([name, value]) => row[name] === value && found[name] === value);
  } catch {
    return false;
  }
}

/** NaN of what is no number. */
function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : Number.NaN;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

async function countLines(file: string): Promise<number | undefined> {
  const text = await readPlainFile(file).catch(() => undefined);
  return text
    ?.toString()
    .split('\n')
    .filter((line) => line !== '').length;
}

function isKnownMethod(method: unknown): boolean {
  return method === 'finetune' || algorithms.some(({ name }) => name === method);
}
