/**
 * A run of `soul train` or `soul unlearn`, with progress on stderr, and what it came to.
 *
 * @module
 */

import { dirname, resolve } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { changedInputs } from '../run/changed-inputs.ts';
import type { EvaluationSeries } from '../run/evaluations/evaluation.ts';
import { setFigureNames } from '../run/evaluations/figures.ts';
import { ItemKey, keyFileOf } from '../run/item-key.ts';
import type { OptimizerName } from '../run/optimizer-choice.ts';
import type { RunResult } from '../run/record.ts';
import { runTraining } from '../run/run.ts';
import type { RunSettings } from '../run/settings.ts';
import { algorithm } from '../unlearn/registry.ts';
import {
  type Configuration,
  checkConfiguredOptimizer,
  mergeLoading,
  mergeSettings,
  requireSettings,
} from './configuration.ts';
import { decideLoading, deviceLine, type Loading, type ModelOptions } from './model-options.ts';
import { performWork } from './perform-work.ts';
import { printedConfiguration } from './print-configuration.ts';
import { progressOn } from './progress.ts';
import type { RunOptions } from './run-options.ts';
import { shellWord } from './shell-word.ts';
import { type CommandResult, duration, memory, peakLabel, table } from './terminal.ts';
import { watching } from './watching.ts';

/** What makes a run, before it is complete. */
export interface PlannedRun {
  readonly configuration: Configuration;
  /** Of the command line, which count over those. */
  readonly given: Partial<RunSettings> & Pick<RunSettings, 'method'>;
  /** Whether the file's settings of a method are of that method. */
  readonly isOwnMethod: boolean;
  /** What is to be told of where settings come from. */
  readonly notes?: readonly string[];
}

/** What a command calls things, and its optimizer where none is named. */
export interface RunWords {
  readonly command: 'unlearn' | 'train';
  readonly target: string;
  /** That names the target's file. */
  readonly targetOption: string;
  readonly verb: string;
  readonly optimizer: OptimizerName;
}

/** Runs with progress on stderr. */
export async function performRun(run: PlannedRun, options: RunOptions, words: RunWords): Promise<CommandResult> {
  const settled = settleRun(run, options, words.optimizer);
  const { loadingOptions, notes } = settled;
  const progress = progressOn(words.verb, options);
  if (options.printConfig) {
    for (const note of notes) progress.note(note);
    return printedConfiguration({ ...settled.settings, method: settled.settings.method! }, loadingOptions);
  }
  requireSettings(
    settled.settings,
    { model: '--model', target: words.targetOption, out: '--out' },
    options.config ?? '',
  );
  const { config } = options;
  if (config !== undefined) {
    const itemKey = await ItemKey.read(keyFileOf(resolve(dirname(config)))).catch(() => undefined);
    for (const path of await changedInputs(run.configuration.content, settled.settings, itemKey)) {
      notes.push(`${path} has changed since ${config} was written: this is another run`);
    }
  }
  const settings = settled.settings as RunSettings;
  return performWork(progress, async (signal) => {
    const loading = decideLoading(loadingOptions);
    progress.log(deviceLine(loading));
    for (const note of notes) progress.note(note);
    const result = await runTraining({ ...settings, load: loading.record }, loading.load, {
      onEvent: watching(progress, words),
      stop: signal,
    }).catch((error: unknown) => {
      if (isStopped(error)) progress.note(`to go on: soul ${words.command} --resume --out ${shellWord(settings.out)}`);
      throw error;
    });
    const shown = resultObject(result, loading);
    progress.tell?.({ kind: 'result', result: shown });
    return { result: shown, text: resultText(result, words.target, loading) };
  });
}

/** Whether a run was told to stop and left a checkpoint. */
function isStopped(error: unknown): boolean {
  return error instanceof SoulError && error.code === 'SOUL_CANCELLED' && error.details.checkpoint !== undefined;
}

/** Settings of a run from its configuration file and the command line, and how its model is held. */
export function settleRun<Options extends ModelOptions & { config?: string; resume?: boolean }>(
  { configuration: { settings: file }, given, isOwnMethod, notes: told = [] }: PlannedRun,
  options: Options,
  defaultOptimizer: OptimizerName,
) {
  const from = options.config ?? (options.resume ? 'the checkpoint' : undefined);
  const loadingOptions = mergeLoading(from, file.load, options);
  const notes = [...told];
  const merged = mergeSettings(file, given, isOwnMethod, (note) => notes.push(note));
  const optimizer = given.optimizer ?? file.optimizer ?? optimizerFor(merged.method, defaultOptimizer);
  checkConfiguredOptimizer(from, file, optimizer, loadingOptions.dtype);
  return { settings: { ...merged, optimizer }, loadingOptions, notes };
}

/** The command's own, unless the algorithm cannot be stepped by it. */
function optimizerFor(method: RunSettings['method'] | undefined, fallback: OptimizerName): OptimizerName {
  const chosen = typeof method === 'string' ? algorithm(method) : method;
  const { optimizers = [fallback] } = chosen !== undefined && 'run' in chosen ? chosen : {};
  return optimizers.includes(fallback) ? fallback : (optimizers[0] as OptimizerName);
}

/** The result of a run for --json: all that it says, and where it ran. */
export function resultObject({ out, summary, ...others }: RunResult, { shown }: Pick<Loading, 'shown'>): object {
  const { last, ...totals } = summary;
  return {
    out,
    ...shown,
    ...totals,
    secondsPerStep: totals.steps > 0 ? totals.seconds / totals.steps : 0,
    ...(last ? { losses: last.losses } : {}),
    ...others,
  };
}

/** Figures before and after that no other table has, and what evaluations took. */
function evaluationTable({ points, seconds }: EvaluationSeries, target: string): string[] {
  const [first, last] = [points[0]?.sets ?? {}, points.at(-1)?.sets ?? {}];
  const rows = Object.entries(first).flatMap(([set, own]) =>
    setFigureNames
      .filter((name) => own[name] !== undefined)
      .filter((name) => name !== 'probability' || !['target', 'retain'].includes(set))
      .map((name) => [set === 'target' ? target : set, name, own[name]!, last[set]?.[name]] as const),
  );
  const shown = (value: number | undefined) => value?.toFixed(4) ?? '';
  const cells = rows.map(([set, name, before, after]) => [set, name, shown(before), shown(after)]);
  const each = (seconds / Math.max(points.length, 1)).toFixed(1);
  return [
    ...(rows.length > 0 ? [table(['set', 'figure', 'before', 'after'], cells), ''] : []),
    `${points.length} evaluations in ${duration(seconds)} (${each} s each; evaluations.jsonl has all)`,
  ];
}

/** The result of a run in words; it ends with what the run came to. */
export function resultText(result: RunResult, target: string, { device }: Pick<Loading, 'device'>): string {
  const { out, summary, evaluation, evaluations, peakMemory, plannedMemory, verdict, itemKey, signer, reversible } =
    result;
  const lines: string[] = [];
  if (evaluation) {
    const rows = [
      [target, evaluation.target] as const,
      ...(evaluation.retain ? [['retain', evaluation.retain] as const] : []),
    ];
    lines.push(
      table(
        ['set', 'examples', 'probability before', 'after'],
        rows.map(([name, { examples, before, after }]) => [
          name,
          String(examples),
          before.toFixed(4),
          after.toFixed(4),
        ]),
      ),
      '',
    );
  }
  if (evaluations) lines.push(...evaluationTable(evaluations, target));
  const skipped = summary.skippedSteps > 0 ? `, ${summary.skippedSteps} skipped` : '';
  const each =
    summary.steps > 0
      ? ` (${(summary.seconds / summary.steps).toFixed(3)} s a step` +
        `${summary.curvatureShare > 0 ? `, ${(100 * summary.curvatureShare).toFixed(0)} % of it for curvature` : ''})`
      : '';
  lines.push(
    `${summary.steps} steps in ${duration(summary.seconds)}${skipped}${each}, ${peakLabel(device)} ${memory(peakMemory)}` +
      (plannedMemory === undefined || device !== 'cpu' ? '' : ` (${memory(plannedMemory)} planned)`),
    `written: ${out}`,
    ...(itemKey === undefined
      ? []
      : [`key of the items that its run.json names, to be kept secret and apart: ${itemKey.file}`]),
    ...(signer === undefined ? [] : [`signed by: ${signer}`]),
  );
  if (verdict !== undefined) {
    lines.push('', verdict.sentence, ...(verdict.advice === undefined ? [] : [verdict.advice]));
  }
  if (reversible !== undefined) lines.push(`This is ${reversible}.`);
  return lines.join('\n');
}
