/**
 * The options that `soul train` and `soul unlearn` share, and how a run is shown.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { withoutUndefined } from '../core/optional.ts';
import {
  completeOptimizerSettings,
  type OptimizerName,
  type OptimizerSettings,
  optimizerNames,
} from '../run/optimizer-choice.ts';
import type { RunResult } from '../run/record.ts';
import { runTraining } from '../run/run.ts';
import type { RunSettings } from '../run/settings.ts';
import { completeCurvatureOptions } from '../unlearn/curvature.ts';
import type { RunEvent, StepEvent } from '../unlearn/events.ts';
import { betas, integer, number, path, seed } from './arguments.ts';
import { configOption, mergeLoading, mergeSettings, requireSettings } from './configuration.ts';
import { cancelOnSignals } from './interrupt.ts';
import {
  addLoadingOptions,
  decideLoading,
  deviceLine,
  type Loading,
  type ModelOptions,
  modelOption,
} from './model-options.ts';
import { addOutputOptions, choiceOption, RequiredOption, templateOption } from './options.ts';
import { type Progress, progressOn } from './progress.ts';
import { type CommandResult, duration, memory, type OutputOptions, peakLabel, table } from './terminal.ts';

/** Values of the shared options, as commander gives them. */
export interface RunOptions extends ModelOptions, OutputOptions, OptimizerSettings {
  config?: string;
  model?: string;
  out?: string;
  optimizer?: OptimizerName;
  hessianEvery?: number;
  hessianChunks?: number;
  hessianChunkSize?: number;
  hessianLabels?: 'sampled' | 'given';
  epochs?: number;
  steps?: number;
  trainable?: string;
  batchSize?: number;
  microBatchSize?: number;
  schedule?: 'constant' | 'linear' | 'cosine';
  warmup?: number;
  template?: string;
  maxLength?: number;
  seed?: bigint;
  evaluate?: number;
  overwrite?: boolean;
  allowTruncation?: boolean;
}

/** Adds the shared options to a command: what it needs, then what it takes itself, then all else. */
export function addRunOptions(
  command: Command,
  own: { readonly needed: readonly Option[]; readonly others?: readonly Option[] },
  defaults: { optimizer: OptimizerName },
): Command {
  const names = Object.entries(optimizerNames)
    .map(([name, text]) => `${name} (${text})`)
    .join('; ');
  const curvature = completeCurvatureOptions({});
  command.optionsGroup('Needed:').addOption(modelOption());
  for (const option of own.needed) command.addOption(option);
  command.addOption(
    new RequiredOption(
      '--out <folder>',
      'folder to be made, with the new model, its tokenizer, run.json (the record) and metrics.jsonl (a line a step)',
    ).argParser(path),
  );
  command.optionsGroup('Options:').addOption(configOption());
  for (const option of own.others ?? []) command.addOption(option);
  command
    .option('--overwrite', 'replace the out folder if a run made it')
    .optionsGroup('Optimizer:')
    .addOption(
      choiceOption('--optimizer <name>', `${names} (default: ${defaults.optimizer})`, Object.keys(optimizerNames)),
    )
    .option(
      '--learning-rate <number>',
      'peak learning rate (default: by optimizer, method and size of the model; `soul methods <name>` has them, run.json the one that was taken)',
      number(),
    )
    .option(
      '--weight-decay <number>',
      `decoupled weight decay; norm weights and biases take none (default: ${defaultOf('weightDecay')})`,
      number(),
    )
    .option(
      '--betas <two>',
      `decay rates of the two moving averages, separated by a comma (default: ${defaultOf('betas')})`,
      betas,
    )
    .option('--epsilon <number>', `added to the denominator (default: ${defaultOf('epsilon')})`, number())
    .option(
      '--clip-norm <number>',
      `largest norm of the whole gradient; a longer one is scaled down (default: ${defaultOf('clipNorm')})`,
      number({ lowExclusive: true }),
    )
    .addOption(
      new Option(
        '--clipped-fraction <share>',
        'sophia: choose rho so that this share of the weights is clipped at the first step ' +
          `(default: ${defaultOf('clippedFraction')})`,
      )
        .argParser(number({ high: 1, lowExclusive: true, highExclusive: true }))
        .conflicts('rho'),
    )
    .option(
      '--rho <number>',
      `sophia: factor of the curvature, given by hand (default: ${defaultOf('rho')})`,
      number({ lowExclusive: true }),
    )
    .addOption(
      choiceOption(
        '--denominator <form>',
        `sophia: sum (rho * h + epsilon) or max (the larger of the two) (default: ${defaultOf('denominator')})`,
        ['sum', 'max'],
      ),
    )
    .option(
      '--hessian-every <steps>',
      `sophia: estimate the curvature every so many steps (default: ${curvature.every})`,
      integer(),
    )
    .option(
      '--hessian-chunks <number>',
      `sophia: an estimate is the mean over so many chunks of data (default: ${curvature.chunks}); ` +
        `the first takes ${curvature.primingChunks / curvature.chunks} times as many`,
      integer({ high: 2 ** 29 }),
    )
    .option('--hessian-chunk-size <number>', `sophia: examples in a chunk (default: ${curvature.chunkSize})`, integer())
    .addOption(
      choiceOption(
        '--hessian-labels <kind>',
        `sophia: estimate with labels that the model draws, or with the data's own (default: ${curvature.labels})`,
        ['sampled', 'given'],
      ),
    )
    .optionsGroup('Length of the run:')
    .option(
      '--epochs <number>',
      'passes over the data; may be a fraction (default: 5 of train; 10 of unlearn, or as many as make 40 steps)',
      number({ lowExclusive: true, high: 2 ** 31 }),
    )
    .addOption(
      new Option('--steps <number>', 'optimizer steps, instead of epochs').argParser(integer()).conflicts('epochs'),
    )
    .option('--batch-size <number>', 'examples in a step (default: 8)', integer())
    .option(
      '--micro-batch-size <number>',
      'examples in memory at a time: fewer need less memory, the result is the same but for rounding (default: the batch size)',
      integer(),
    )
    .addOption(
      choiceOption('--schedule <shape>', 'how the learning rate goes on after the warm-up (default: linear)', [
        'constant',
        'linear',
        'cosine',
      ]),
    )
    .option(
      '--warmup <share>',
      'share of the steps, from 0 to 1, over which the learning rate rises (default: 0.1)',
      number({ high: 1 }),
    )
    .option('--seed <integer>', 'seed of every random draw; the same seed gives the same model (default: 0)', seed)
    .option(
      '--trainable <regex>',
      'change only tensors whose name matches, as mlp.down_proj or layers.[5-7] (default: all)',
    )
    .optionsGroup('Data and figures:')
    .addOption(templateOption())
    .option(
      '--max-length <tokens>',
      "longest example in tokens; what is longer would lose its end (default: 512, or the model's limit if smaller)",
      integer({ low: 2 }),
    )
    .option('--allow-truncation', 'run although examples are longer than that, and lose their end')
    .option(
      '--evaluate <number>',
      'measure so many examples of each set before and after; 0 for none (default: 100)',
      integer({ low: 0 }),
    );
  return addOutputOptions(addLoadingOptions(command).optionsGroup('Output:'));
}

/** What an optimizer's setting is where it is not given, in words: one value, or each optimizer's own. */
function defaultOf(setting: keyof OptimizerSettings): string {
  const ownersOf = new Map<string, string[]>();
  for (const name of Object.keys(optimizerNames)) {
    const value = completeOptimizerSettings(name as OptimizerName, {})[setting];
    if (value === undefined) continue;
    const text = settingText(value);
    ownersOf.set(text, [...(ownersOf.get(text) ?? []), name]);
  }
  const [[text, owners] = ['', []], ...others] = ownersOf;
  if (others.length === 0 && owners.length > 1) return text;
  return [...ownersOf].map(([value, names]) => `${value} for ${names.join(' and ')}`).join(', ');
}

function settingText(value: string | number | readonly number[]): string {
  if (typeof value === 'number') return value > 0 && value < 1e-3 ? value.toExponential() : String(value);
  return String(value);
}

/** The settings that the shared options mean. */
export function runSettings(options: RunOptions): Partial<RunSettings> {
  return withoutUndefined({
    model: options.model,
    out: options.out,
    overwrite: options.overwrite,
    optimizer: options.optimizer,
    optimizerSettings: withoutUndefined({
      learningRate: options.learningRate,
      weightDecay: options.weightDecay,
      betas: options.betas,
      epsilon: options.epsilon,
      clipNorm: options.clipNorm,
      rho: options.rho,
      clippedFraction: options.clippedFraction,
      denominator: options.denominator,
    }),
    curvature: withoutUndefined({
      every: options.hessianEvery,
      chunks: options.hessianChunks,
      chunkSize: options.hessianChunkSize,
      labels: options.hessianLabels,
    }),
    epochs: options.epochs,
    steps: options.steps,
    trainable: options.trainable,
    batchSize: options.batchSize,
    microBatchSize: options.microBatchSize,
    schedule: options.schedule,
    warmup: options.warmup,
    template: options.template,
    maximumLength: options.maxLength,
    seed: options.seed,
    evaluate: options.evaluate,
    allowTruncation: options.allowTruncation,
  });
}

/** What makes a run, before it is complete. */
export interface PlannedRun {
  /** Of the configuration file. */
  readonly file: Partial<RunSettings>;
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
export function performRun(
  { file, given, isOwnMethod }: PlannedRun,
  options: RunOptions,
  words: RunWords,
): Promise<CommandResult> {
  const notes: string[] = [];
  const merged = mergeSettings(file, given, isOwnMethod, (note) => notes.push(note));
  requireSettings(merged, { model: '--model', target: words.targetOption, out: '--out' }, options.config ?? '');
  const settings = { optimizer: words.optimizer, ...merged } as RunSettings;
  const loadingOptions = mergeLoading(options.config, file.load, options);
  const progress = progressOn(words.verb, { quiet: options.quiet ?? false });
  return cancelOnSignals(async (signal) => {
    const loading = decideLoading(loadingOptions);
    progress.log(deviceLine(loading));
    for (const note of notes) progress.log(`note: ${note}`);
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
        return progress.log(`note: ${event.text}`);
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
  const { out, summary, evaluation, peakMemory, verdict } = result;
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
    `${summary.steps} steps in ${duration(summary.seconds)}${skipped}${each}, ${peakLabel(device)} ${memory(peakMemory)}`,
    `written: ${out}`,
  );
  if (verdict !== undefined) {
    lines.push('', verdict.sentence, ...(verdict.advice === undefined ? [] : [verdict.advice]));
  }
  return lines.join('\n');
}
