/**
 * Runs as a table: what they have in common is left out, the settings in which they differ are its columns.
 *
 * @module
 */

import { printable, SoulError } from '../core/errors.ts';
import { closestName } from '../core/option-names.ts';
import type { ListedRun } from '../run/run-list.ts';
import { placeKinds, type RunSchema } from '../run/run-setting.ts';
import { runSettings } from '../run/run-settings.ts';
import { duration, table } from './terminal.ts';

/** A run with its settings under the names that lead to them, joined by points. */
export interface FlatRun {
  readonly run: ListedRun;
  readonly settings: ReadonlyMap<string, string>;
}

/** Settings that are no choice between runs: each has its own place, or they stand in columns of their own. */
const unshown = /^(out|tensorboard|itemKey|sign|method|optimizer|load\.(deviceReason|engine))$/;

/** Settings that change nothing of the model that a run comes to, as when it keeps checkpoints. */
const neutral: ReadonlySet<string> = new Set(
  Object.entries(runSettings as RunSchema).flatMap(([name, entry]) =>
    entry.kind !== 'group' && entry.neutral ? [name] : [],
  ),
);

/**
 * Settings that only some runs have, with what makes these alike: that another method or optimizer has none, or a default of its own, is
 * no difference. Rates are compared among all.
 */
const ofSome: readonly (readonly [names: RegExp, alike: (run: ListedRun) => string | undefined])[] = [
  [/^methodSettings\./, ({ method }) => method],
  [/^optimizerSettings\.learningRate$/, () => undefined],
  [/^(optimizerSettings|curvature)\.|^hessianData$/, ({ optimizer }) => optimizer],
];

export function flatRun(run: ListedRun): FlatRun {
  return { run, settings: new Map(flatten(run.settings ?? {})) };
}

function* flatten(values: object, prefix = ''): Generator<[name: string, value: string]> {
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      yield* flatten(value, `${prefix}${name}.`);
    else yield [prefix + name, Array.isArray(value) ? value.map(inWords).join(',') : String(value)];
  }
}

/** An entry of a list; a folder may hold a record that nobody wrote so. */
function inWords(entry: unknown): string {
  return typeof entry === 'object' && entry !== null ? JSON.stringify(entry) : String(entry ?? '');
}

/** The names of the settings in which the runs differ, in the order in which they come. */
export function differing(runs: readonly FlatRun[]): string[] {
  const whole = runs.filter(({ run }) => run.settings !== undefined);
  const names = new Set(whole.flatMap(({ settings }) => [...settings.keys()]));
  return [...names].filter((name) => {
    if (unshown.test(name) || neutral.has(name)) return false;
    const [, alike] = ofSome.find(([names]) => names.test(name)) ?? [];
    if (alike) return differsAmong(whole, name, alike);
    return new Set(whole.map(({ settings }) => settings.get(name))).size > 1;
  });
}

/** Whether runs that are alike in something have different values under a name. */
function differsAmong(runs: readonly FlatRun[], name: string, alike: (run: ListedRun) => string | undefined): boolean {
  const first = new Map<string | undefined, string>();
  return runs.some(({ run, settings }) => {
    const value = settings.get(name);
    if (value === undefined) return false;
    const other = first.get(alike(run)) ?? value;
    first.set(alike(run), other);
    return value !== other;
  });
}

/** What runs can be sorted and chosen by beside their settings. */
const columns: Readonly<Record<string, (run: ListedRun) => string | number | undefined>> = {
  run: ({ folder }) => folder,
  date: ({ startedAt }) => startedAt,
  state: ({ state }) => state,
  method: ({ method }) => method,
  optimizer: ({ optimizer }) => optimizer,
  steps: ({ steps }) => steps,
  seconds: ({ seconds }) => seconds,
  'forget before': ({ evaluation }) => evaluation?.target.before,
  forget: ({ evaluation }) => evaluation?.target.after,
  'retain before': ({ evaluation }) => evaluation?.retain?.before,
  retain: ({ evaluation }) => evaluation?.retain?.after,
  forgotten: ({ verdict }) => verdict?.forgotten,
  kept: ({ verdict }) => verdict?.kept,
};

/** What a run has under a name: a column, a setting by its whole name, or by its last part where only one has that. */
export function columnOf({ run, settings }: FlatRun, name: string): string | number | undefined {
  if (Object.hasOwn(columns, name)) return columns[name]!(run);
  return settings.get(name) ?? settings.get([...settings.keys()].find((own) => own.endsWith(`.${name}`)) ?? name);
}

/** Names by which runs can be sorted and chosen. */
function knownNames(runs: readonly FlatRun[]): string[] {
  const settings = runs.flatMap(({ settings: own }) => [...own.keys()]);
  return [...new Set([...Object.keys(columns), ...settings, ...settings.map((name) => name.split('.').at(-1)!)])];
}

/** @throws SoulError SOUL_INVALID_ARGUMENT for a name that no run has, with the nearest that one has */
export function checkName(option: string, name: string, runs: readonly FlatRun[]): void {
  const known = knownNames(runs);
  if (runs.length === 0 || known.includes(name)) return;
  const closest = closestName(name, known);
  const hint = closest === undefined ? '' : `; did you mean ${closest}?`;
  throw new SoulError('SOUL_INVALID_ARGUMENT', `${option}: no run has ${name}${hint}`, { argument: option, name });
}

/** The runs by a column or setting, those without it last. */
export function sortRuns(runs: readonly FlatRun[], name: string, reverse: boolean): FlatRun[] {
  const sign = reverse ? -1 : 1;
  return runs.toSorted((a, b) => {
    const [one, other] = [columnOf(a, name), columnOf(b, name)];
    if (one === undefined || other === undefined) return Number(one === undefined) - Number(other === undefined);
    const [first, second] = [Number(one), Number(other)];
    const order = Number.isNaN(first - second) ? String(one).localeCompare(String(other)) : first - second;
    return sign * order;
  });
}

/** Characters that settings have in any case: runs are compared by them. */
const leastRoom = 32;

/** A column of the table. */
interface Column {
  readonly title: string;
  /** Of each run. */
  readonly cells: readonly string[];
}

/**
 * A table of the runs, and below it what they have in common, the settings for which there is no room, and what is wrong with some.
 *
 * @param room characters of a line
 */
export function runTable(runs: readonly FlatRun[], room = process.stdout.columns ?? 120): string {
  const shown = runs.filter(({ run }) => run.state !== 'unreadable');
  const column = (title: string, cellOf: (run: ListedRun) => string): Column => ({
    title,
    cells: shown.map(({ run }) => printable(cellOf(run))),
  });
  const kinds = [
    column('state', ({ state }) => state),
    column('method', ({ method = '' }) => method),
    column('optimizer', ({ optimizer = '' }) => optimizer),
  ];
  const [common, apart] = [kinds.filter(isCommon), kinds.filter((each) => !isCommon(each))];
  const first = [
    column('run', ({ folder }) => folder),
    column('date', ({ startedAt }) => dateText(startedAt)),
    ...apart,
  ];
  const last = [
    column('steps', stepsText),
    column('time', ({ seconds }) => (seconds === undefined ? '' : duration(seconds))),
    column('forget', ({ evaluation }) => changeText(evaluation?.target)),
    ...(shown.some(({ run }) => run.evaluation?.retain)
      ? [column('retain', ({ evaluation }) => changeText(evaluation?.retain))]
      : []),
    column('forgotten', ({ verdict }) => verdict?.forgotten ?? ''),
    column('kept', ({ verdict }) => verdict?.kept ?? ''),
  ];
  const names = differing(shown);
  const settings = names.map((name) => ({
    title: printable(shortName(name, names)),
    cells: settingCells(name, shown),
  }));
  const beside = [...first, ...last].reduce((sum, each) => sum + widthOf(each), 0);
  let left = Math.max(room + 2 - beside, leastRoom);
  const fitting = settings.filter((each) => {
    const fits = widthOf(each) <= left;
    if (fits) left -= widthOf(each);
    return fits;
  });
  const others = settings.filter((each) => !fitting.includes(each)).map(({ title }) => title);
  const all = [...first, ...fitting, ...last];
  const alike = common.map(({ cells }) => cells[0]!).filter((text) => text !== '');
  return [
    ...(shown.length > 0
      ? [
          table(
            all.map(({ title }) => title),
            shown.map((_, row) => all.map(({ cells }) => cells[row]!)),
          ),
        ]
      : []),
    ...(alike.length > 0 ? [`all: ${alike.join(', ')}`] : []),
    ...(others.length > 0 ? [`they differ in ${others.join(', ')}, too (--json)`] : []),
    ...runs.flatMap(({ run }) => (run.problem === undefined ? [] : [`unreadable: ${printable(run.problem)}`])),
  ].join('\n');
}

/** Whether several runs have the same there, as far as they have anything. */
function isCommon({ cells }: Column): boolean {
  return cells.length > 1 && new Set(cells.filter((text) => text !== '')).size <= 1;
}

/** With the space behind it. */
function widthOf({ title, cells }: Column): number {
  return Math.max(title.length, ...cells.map((text) => text.length)) + 2;
}

/** What runs have of a setting: of paths no more than tells them apart. */
function settingCells(name: string, runs: readonly FlatRun[]): string[] {
  const values = runs.map(({ settings }) => settings.get(name) ?? '');
  const isPath = placeKinds.has((runSettings as RunSchema)[name.split('.')[0]!]?.kind ?? '');
  return (isPath ? endsOf(values) : values).map(cut);
}

/** The last parts of paths, as many as they need to stay as different as they are. */
function endsOf(paths: readonly string[]): string[] {
  const several = new Set(paths).size;
  for (let count = 1; ; count++) {
    const ends = paths.map((list) =>
      list
        .split(',')
        .map((path) => path.split('/').slice(-count).join('/'))
        .join(','),
    );
    if (new Set(ends).size === several || paths.every((path, i) => path === ends[i])) return ends;
  }
}

/** The last part of a name, or all of it where another has the same; what a run was to take is not what it took. */
function shortName(name: string, among: readonly string[]): string {
  if (name === 'steps') return 'steps (set)';
  const last = name.split('.').at(-1)!;
  return among.filter((other) => other.split('.').at(-1) === last).length > 1 ? name : last;
}

const widest = 32;

/** A long value, of which the end is what tells paths apart. */
function cut(value: string): string {
  const line = printable(value.replaceAll('\n', '\\n'));
  return line.length > widest ? `...${line.slice(3 - widest)}` : line;
}

function dateText(iso: string | undefined): string {
  return iso === undefined ? '' : iso.slice(0, 16).replace('T', ' ');
}

function stepsText({ steps, ofSteps }: ListedRun): string {
  if (steps === undefined) return '';
  return ofSteps === undefined ? String(steps) : `${steps}/${ofSteps}`;
}

function changeText(change: { before: number; after: number } | undefined): string {
  return change === undefined ? '' : `${change.before.toFixed(3)} -> ${change.after.toFixed(3)}`;
}
