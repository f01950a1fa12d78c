/**
 * `soul demo`: the whole way once, on data and models that it makes itself.
 *
 * @module
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import type { Device } from '../../core/devices.ts';
import { replaceFile } from '../../core/files.ts';
import { toJson } from '../../core/json.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { type OptimizerName, optimizerNames } from '../../run/optimizer-choice.ts';
import type { DemoEvent, DemoRow } from '../../study/demo/options.ts';
import { demoMethodNames, demoOptimizerNames } from '../../study/demo/unlearning.ts';
import { type DemoResult, runDemo } from '../../study/demo.ts';
import { nativeEngine } from '../../torch/engine.ts';
import { TorchLM } from '../../torch/torch-lm.ts';
import { type AlgorithmName, algorithms } from '../../unlearn/registry.ts';
import { oneOf, path, seed } from '../arguments.ts';
import { chooseDevice, deviceName, type WantedDevice } from '../device-choice.ts';
import { deviceLine, shownDevice, threadsOption } from '../model-options.ts';
import { addOutputOptions } from '../options.ts';
import { performWork } from '../perform-work.ts';
import { type Progress, progressOn } from '../progress.ts';
import { type CommandResult, duration, memory, type OutputOptions, peakLabel, printing, table } from '../terminal.ts';
import { stepFigures } from '../watching.ts';

interface DemoCommandOptions extends OutputOptions {
  out?: string;
  device: WantedDevice;
  seed: bigint;
  threads: number;
  methods?: AlgorithmName[];
  optimizers?: OptimizerName[];
}

export function demoCommand(): Command {
  const command = new Command('demo')
    .description(
      'Trains a small model on invented authors, makes it forget some of them by several methods, each with several optimizers, and ' +
        'compares each with a model that never saw them. Takes a few minutes and needs no files.',
    )
    .addOption(
      new Option(
        '--out <folder>',
        'keep the data, the models and demo.json in this empty or new folder (default: a temporary one, removed at the end)',
      ).argParser(path),
    )
    .addOption(
      new Option(
        '--methods <names>',
        `what it forgets by, separated by commas, any of \`soul methods\` that needs no --alternatives (default: ${demoMethodNames.join(',')})`,
      ).argParser((text) =>
        namesIn(
          text,
          algorithms.map(({ name }) => name as AlgorithmName),
        ),
      ),
    )
    .addOption(
      new Option(
        '--optimizers <names>',
        `what each method is run with, separated by commas, any of --optimizer (default: ${demoOptimizerNames.join(',')})`,
      ).argParser((text) => namesIn(text, Object.keys(optimizerNames) as OptimizerName[])),
    )
    .addOption(
      new Option('--seed <integer>', 'seed of the data, the weights and every random draw')
        .argParser(seed)
        .default(0n, '0'),
    )
    .addOption(
      new Option(
        '--device <name>',
        'where the models run: cpu, cuda, cuda:N or auto; on another device than the CPU figures differ slightly from the README',
      )
        .argParser(deviceName)
        .default('cpu' satisfies WantedDevice),
    )
    .addOption(threadsOption('threads on the CPU; with another number figures differ slightly').default(1));
  return addOutputOptions(command).action(printing(runTheDemo));
}

function runTheDemo(options: DemoCommandOptions): Promise<CommandResult> {
  const choice = chooseDevice(options.device);
  // Without an engine there would be data in the folder, and the next demo would find it not empty.
  nativeEngine();
  const loading = { device: choice.device, dtype: 'f32', threads: options.threads } as const;
  const progress = progressOn('demo', options);
  progress.log(deviceLine({ ...choice, threads: options.threads }));
  return performWork(progress, async (signal) => {
    const folder = options.out ?? (await mkdtemp(join(tmpdir(), 'soul-demo-')));
    try {
      const figures = await runDemo({
        folder,
        seed: options.seed,
        signal,
        ...withoutUndefined({ methods: options.methods, optimizers: options.optimizers }),
        createModel: (config, weightSeed, cancellable) =>
          TorchLM.create(config, weightSeed, { ...cancellable, ...loading }),
        loadModel: (place, cancellable) => TorchLM.load(place, { ...cancellable, ...loading }),
        onEvent: (event) => show(event, progress),
      });
      const result = { ...shownDevice(choice), ...figures };
      if (options.out !== undefined) await replaceFile(join(folder, 'demo.json'), toJson(result));
      return { result, text: demoText(result, choice.device, options.out) };
    } finally {
      if (options.out === undefined) await rm(folder, { recursive: true, force: true });
    }
  });
}

/** Some of the names that there are, separated by commas. */
function namesIn<Name extends string>(text: string, all: readonly Name[]): Name[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .map(oneOf(all));
}

function show(event: DemoEvent, progress: Progress): void {
  if (event.kind === 'data') {
    progress.log(
      `${event.authors} invented authors: ${event.forgetExamples} questions to forget, ` +
        `${event.retainExamples} to keep, ${event.vocabulary} words`,
    );
  } else if (event.kind === 'phase') {
    progress.phase(`demo ${event.phase}`);
  } else if (event.kind === 'step') {
    const { run, step } = event;
    progress.update(step.step, step.steps, [run.padEnd(15), ...stepFigures(step)]);
  } else {
    progress.end();
  }
}

function demoText(result: DemoResult, device: Device, out: string | undefined): string {
  const figure = (value: number) => value.toFixed(3);
  const cells = (row: DemoRow) => [
    row.name,
    figure(row.forgetProbability),
    figure(row.retainProbability),
    figure(row.forgetRouge),
    figure(row.retainRouge),
    figure(row.distanceToRetrained),
    String(row.steps),
    row.seconds.toFixed(1),
    memory(row.peakMemory),
    row.clippedFraction === undefined ? '' : `${(100 * row.clippedFraction).toFixed(0)}%`,
  ];
  const header = [
    'model',
    'forget prob',
    'retain prob',
    'forget ROUGE-L',
    'retain ROUGE-L',
    'to retrained',
    'steps',
    'seconds',
    peakLabel(device),
    'clipped',
  ];
  return [
    table(header, result.rows.map(cells)),
    '',
    'original: trained on everything; retrained: never saw the forget set, what unlearning aims at.',
    "to retrained: distance of the forget answers' log-likelihood to the retrained model's, in nats a token; smaller is closer.",
    `in ${duration(result.seconds)}, seed ${result.seed}${out ? `; kept in ${out}` : ''}`,
    ...(out
      ? [`with intervals: soul compare ${out}/original ${out}/retrained ${out}/unlearned/* --tofu ${out}/tofu`]
      : []),
  ].join('\n');
}
