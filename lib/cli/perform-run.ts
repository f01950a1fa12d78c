/**
 * A run of `soul train` or `soul unlearn`, with progress on stderr, and what it came to.
 *
 * @module
 */

import { changedInputs } from '../run/changed-inputs.ts';
import type { OptimizerName } from '../run/optimizer-choice.ts';
import type { RunResult } from '../run/record.ts';
import { runTraining } from '../run/run.ts';
import type { RunSettings } from '../run/settings.ts';
import type { RunEvent, StepEvent } from '../unlearn/events.ts';
import {
  type Configuration,
  checkConfiguredOptimizer,
  mergeLoading,
  mergeSettings,
  requireSettings,
} from './configuration.ts';
import { cancelOnSignals } from './interrupt.ts';
import { decideLoading, deviceLine, type Loading, type ModelOptions } from './model-options.ts';
import { type Progress, progressOn } from './progress.ts';
import type { RunOptions } from './run-options.ts';
import { type CommandResult, duration, memory, peakLabel, table } from './terminal.ts';

/** What makes a run, before it is complete. */
export interface PlannedRun {
  readonly configuration: Configuration;
  /** Of the command line, which count over those. */
  readonly given: Partial<RunSettings> & Pick<RunSettings, 'method'>;
  /** Whether the file's settings of a method are of that method. */
  readonly isOwnMethod: boolean;
}

/** What a command calls things, and its optimizer where none is named. */
export interface RunWords {
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
  requireSettings(
    settled.settings,
    { model: '--model', target: words.targetOption, out: '--out' },
    options.config ?? '',
  );
  for (const path of await changedInputs(run.configuration.content, settled.settings)) {
    notes.push(`${path} has changed since ${options.config} was written: this is another run`);
  }
  const settings = settled.settings as RunSettings;
  const progress = progressOn(words.verb, { quiet: options.quiet ?? false });
  return cancelOnSignals(async (signal) => {
    const loading = decideLoading(loadingOptions);
    progress.log(deviceLine(loading));
    for (const note of notes) progress.note(note);
    try {
      const result = await runTraining({ ...settings, load: loading.record }, loading.load, {
        onEvent: watching(progress, words),
        signal,
      });
      return { result: resultObject(result, loading), text: resultText(result, words.target, loading) };
    } finally {
      progress.end();
    }
  });
}

/** Settings of a run from its configuration file and the command line, and how its model is held. */
export function settleRun<Options extends ModelOptions & { config?: string }>(
  { configuration: { settings: file }, given, isOwnMethod }: PlannedRun,
  options: Options,
  defaultOptimizer: OptimizerName,
) {
  const loadingOptions = mergeLoading(options.config, file.load, options);
  const optimizer = given.optimizer ?? file.optimizer ?? defaultOptimizer;
  checkConfiguredOptimizer(options.config, file, optimizer, loadingOptions.dtype);
  const notes: string[] = [];
  const merged = mergeSettings(file, given, isOwnMethod, (note) => notes.push(note));
  return { settings: { ...merged, optimizer }, loadingOptions, notes };
}

/** Shows what a run says. */
function watching(progress: Progress, words: { verb: string }): (event: RunEvent) => void {
  let inStage = false;
  return (event) => {
    if (event.kind === 'step' && inStage) progress.phase(words.verb);
    inStage = event.kind === 'stage' || (inStage && event.kind !== 'step');
    switch (event.kind) {
      case 'phase':
        return progress.phase(event.phase === 'training' ? words.verb : event.phase);
      case 'stage':
        return progress.phase(event.name);
      case 'note':
        return progress.note(event.text);
      case 'progress':
        return progress.update(event.done, event.total);
      case 'step':
        return progress.update(event.step, event.steps, stepNote(event));
    }
  };
}

/** Losses and what the optimizer did, in a few words. */
export function stepNote({ losses, statistics }: StepEvent): string {
  const parts: string[] = [];
  for (const [name, loss] of Object.entries(losses)) parts.push(`${name} ${loss.toFixed(3)}`);
  if (statistics.clippedFraction !== undefined) parts.push(`clipped ${(100 * statistics.clippedFraction).toFixed(0)}%`);
  if (statistics.skipped) parts.push('SKIPPED: gradient not finite');
  return parts.join('  ');
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

/** The result of a run in words; it ends with what the run came to. */
export function resultText(result: RunResult, target: string, { device }: Pick<Loading, 'device'>): string {
  const { out, summary, evaluation, peakMemory, plannedMemory, verdict } = result;
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
  );
  if (verdict !== undefined) {
    lines.push('', verdict.sentence, ...(verdict.advice === undefined ? [] : [verdict.advice]));
  }
  return lines.join('\n');
}
