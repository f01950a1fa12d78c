/**
 * The options that `soul train` and `soul unlearn` share, and how a run is shown.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { withoutUndefined } from '../core/optional.ts';
import { type OptimizerName, type OptimizerSettings, optimizerNames } from '../run/optimizer-choice.ts';
import type { RunResult } from '../run/record.ts';
import { type RunEvents, runTraining } from '../run/run.ts';
import type { RunSettings } from '../run/settings.ts';
import type { StepEvent } from '../unlearn/loop.ts';
import { betas, fraction, integerAtLeast, numberAtLeast, seed } from './arguments.ts';
import { cancelOnInterrupt } from './interrupt.ts';
import { addModelOptions, decideLoading, deviceLine, type Loading, type ModelOptions } from './model-options.ts';
import { type Progress, progressOn } from './progress.ts';
import { duration, memory, type OutputOptions, peakLabel, printResult, table } from './terminal.ts';

/** Values of the shared options, as commander gives them. */
export interface RunOptions extends ModelOptions, OutputOptions, OptimizerSettings {
  model: string;
  out: string;
  optimizer: OptimizerName;
  hessianEvery?: number;
  hessianChunks?: number;
  hessianChunkSize?: number;
  hessianLabels?: 'sampled' | 'given';
  epochs?: number;
  steps?: number;
  batchSize?: number;
  microBatchSize?: number;
  schedule?: 'constant' | 'linear' | 'cosine';
  warmup?: number;
  template?: string;
  maxLength?: number;
  seed?: bigint;
  evaluate?: number;
  overwrite?: boolean;
}

/** Adds the shared options to a command: the model, then what the command itself takes, then all else. */
export function addRunOptions(
  command: Command,
  own: readonly Option[],
  defaults: { optimizer: OptimizerName },
): Command {
  const names = Object.entries(optimizerNames)
    .map(([name, text]) => `${name} (${text})`)
    .join('; ');
  addModelOptions(command);
  for (const option of own) command.addOption(option);
  return command
    .requiredOption('--out <folder>', 'folder to be made: the model, its tokenizer, run.json, metrics.jsonl')
    .option('--overwrite', 'replace the out folder when it exists')
    .optionsGroup('Optimizer:')
    .addOption(new Option('--optimizer <name>', names).choices(Object.keys(optimizerNames)).default(defaults.optimizer))
    .option('--learning-rate <number>', 'peak learning rate (default: 1e-5)', numberAtLeast(0))
    .option('--weight-decay <number>', 'decoupled; not on norm weights and biases (default: 0.01)', numberAtLeast(0))
    .option('--betas <two>', 'decay rates of both moving averages, as in 0.9,0.95', betas)
    .option(
      '--epsilon <number>',
      'added to the denominator (default: 1e-8 for adamw, 1e-15 for sophia)',
      numberAtLeast(0),
    )
    .option('--clip-norm <number>', "bound of the gradient's global norm (default: 1)", numberAtLeast(0))
    .addOption(
      new Option(
        '--clipped-fraction <share>',
        'sophia: share of weights to clip at the first step, from which rho follows (default: 0.1)',
      )
        .argParser(fraction)
        .conflicts('rho'),
    )
    .option('--rho <number>', 'sophia: rho by hand', numberAtLeast(0))
    .addOption(
      new Option('--denominator <form>', 'sophia: rho * h + epsilon, or the larger of the two (default: sum)').choices([
        'sum',
        'max',
      ]),
    )
    .option(
      '--hessian-every <steps>',
      'sophia: steps from one curvature estimate to the next (default: 10)',
      integerAtLeast(1),
    )
    .option(
      '--hessian-chunks <number>',
      'sophia: chunks that an estimate is the mean of (default: 8; the first: 4 times as many)',
      integerAtLeast(1),
    )
    .option('--hessian-chunk-size <number>', 'sophia: sequences in a chunk (default: 2)', integerAtLeast(1))
    .addOption(
      new Option(
        '--hessian-labels <kind>',
        "sophia: labels drawn from the model, or the data's (default: sampled)",
      ).choices(['sampled', 'given']),
    )
    .optionsGroup('Schedule:')
    .option('--epochs <number>', 'passes over the data (default: 5)', numberAtLeast(0))
    .addOption(
      new Option('--steps <number>', 'optimizer steps, in place of epochs')
        .argParser(integerAtLeast(1))
        .conflicts('epochs'),
    )
    .option('--batch-size <number>', 'examples a step (default: 8)', integerAtLeast(1))
    .option(
      '--micro-batch-size <number>',
      'examples in memory at a time; changes memory and time only (default: the batch size)',
      integerAtLeast(1),
    )
    .addOption(
      new Option('--schedule <shape>', 'learning rate after warm-up (default: linear)').choices([
        'constant',
        'linear',
        'cosine',
      ]),
    )
    .option(
      '--warmup <share>',
      'share of the steps over which the learning rate rises (default: 0.1)',
      numberAtLeast(0),
    )
    .option('--seed <integer>', 'seed of every draw (default: 0)', seed)
    .optionsGroup('Data and figures:')
    .option(
      '--template <text>',
      'how question and answer become text (default: "Question: {question}\\nAnswer: {answer}")',
    )
    .option(
      '--max-length <tokens>',
      "longest sequence; longer ones lose their end (default: 512, or the model's limit)",
      integerAtLeast(2),
    )
    .option(
      '--evaluate <number>',
      'examples of each set measured before and after; 0 for none (default: 100)',
      integerAtLeast(0),
    )
    .option('--json', 'print the result as JSON on stdout')
    .option('--quiet', 'no progress');
}

/** The settings that the shared options mean. */
export function runSettings(options: RunOptions): Omit<RunSettings, 'target' | 'method'> {
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
    batchSize: options.batchSize,
    microBatchSize: options.microBatchSize,
    schedule: options.schedule,
    warmup: options.warmup,
    template: options.template?.replaceAll('\\n', '\n'),
    maximumLength: options.maxLength,
    seed: options.seed,
    evaluate: options.evaluate,
  });
}

/** Runs with progress on stderr and the result on stdout. */
export async function performRun(
  settings: RunSettings,
  options: RunOptions,
  words: { target: string; verb: string },
): Promise<void> {
  const progress = progressOn(words.verb, { quiet: options.quiet ?? false });
  const measuring = progressOn('measuring', { quiet: options.quiet ?? false });
  const interrupt = cancelOnInterrupt();
  try {
    const loading = decideLoading(options);
    progress.log(deviceLine(loading));
    const result = await runTraining({ ...settings, load: loading.record }, loading.load, {
      ...watching(progress, measuring, words.target),
      signal: interrupt.signal,
    });
    printResult(options, resultObject(result, loading), resultText(result, words.target, loading));
  } finally {
    progress.end();
    interrupt.dispose();
  }
}

function watching(progress: Progress, measuring: Progress, target: string): RunEvents {
  return {
    onPhase: () => {
      progress.end();
      measuring.end();
    },
    onNote: (note) => progress.log(`note: ${note}`),
    onEvaluated: (done, total) => measuring.update(done, total),
    onStep: (event) => progress.update(event.step, event.steps, stepNote(event, target)),
  };
}

/** Losses and what the optimizer did, in a few words. */
export function stepNote({ losses, statistics }: StepEvent, target: string): string {
  const parts: string[] = [];
  if (losses.target !== undefined) parts.push(`${target} ${losses.target.toFixed(3)}`);
  if (losses.retain !== undefined) parts.push(`retain ${losses.retain.toFixed(3)}`);
  if (statistics.clippedFraction !== undefined) parts.push(`clipped ${(100 * statistics.clippedFraction).toFixed(0)}%`);
  if (statistics.skipped) parts.push('SKIPPED: gradient not finite');
  return parts.join('  ');
}

function resultObject({ out, summary, evaluation, peakMemory }: RunResult, { shown }: Loading): object {
  const { last, ...totals } = summary;
  return {
    out,
    ...shown,
    ...totals,
    secondsPerStep: totals.seconds / totals.steps,
    losses: last.losses,
    evaluation,
    peakMemory,
  };
}

function resultText({ out, summary, evaluation, peakMemory }: RunResult, target: string, { device }: Loading): string {
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
  lines.push(
    `${summary.steps} steps in ${duration(summary.seconds)}${skipped} (${(summary.seconds / summary.steps).toFixed(3)} s a step` +
      `${summary.curvatureShare > 0 ? `, ${(100 * summary.curvatureShare).toFixed(0)} % of it for curvature` : ''}), ${peakLabel(device)} ${memory(peakMemory)}`,
    `written: ${out}`,
  );
  return lines.join('\n');
}
