/**
 * `soul demo`: the whole way once, on data and models that it makes itself.
 *
 * @module
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import type { Device } from '../../core/devices.ts';
import { toJson } from '../../core/json.ts';
import { type DemoResult, type DemoRow, runDemo } from '../../study/demo.ts';
import { TorchLM } from '../../torch/torch-lm.ts';
import { integerAtLeast, seed } from '../arguments.ts';
import { chooseDevice, deviceName, type WantedDevice } from '../device-choice.ts';
import { cancelOnInterrupt } from '../interrupt.ts';
import { deviceLine, shownDevice } from '../model-options.ts';
import { progressOn } from '../progress.ts';
import { stepNote } from '../run-options.ts';
import { duration, memory, type OutputOptions, peakLabel, printResult, table } from '../terminal.ts';

interface DemoCommandOptions extends OutputOptions {
  out?: string;
  device: WantedDevice;
  seed: bigint;
  threads: number;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'Trains a small model on invented authors, makes it forget some of them with two optimizers and three objectives, and ' +
        'compares each with a model that never saw them. Takes a few minutes.',
    )
    .option(
      '--out <folder>',
      'keep the data, the models and demo.json there (default: a temporary folder, removed at the end)',
    )
    .addOption(
      new Option('--seed <integer>', 'seed of the data, the weights and every draw').argParser(seed).default(0n, '0'),
    )
    .addOption(
      new Option(
        '--device <name>',
        'where the models run: cpu, cuda, cuda:N or auto; the figures in the README are of the CPU, another device rounds differently',
      )
        .argParser(deviceName)
        .default('cpu' satisfies WantedDevice),
    )
    .option('--threads <number>', 'threads of the engine; figures differ by rounding with it', integerAtLeast(1), 1)
    .option('--json', 'print the result as JSON on stdout')
    .option('--quiet', 'no progress')
    .action(async (options: DemoCommandOptions) => {
      const choice = chooseDevice(options.device);
      const loading = { device: choice.device, dtype: 'f32', threads: options.threads } as const;
      const folder = options.out ?? (await mkdtemp(join(tmpdir(), 'soul-demo-')));
      const progress = progressOn('demo', { quiet: options.quiet ?? false });
      progress.log(deviceLine(choice));
      const interrupt = cancelOnInterrupt();
      try {
        const figures = await runDemo({
          folder,
          seed: options.seed,
          signal: interrupt.signal,
          createModel: (config, weightSeed) => TorchLM.create(config, weightSeed, loading),
          loadModel: (path) => TorchLM.load(path, loading),
          onEvent: (event) => {
            if (event.kind === 'data') {
              progress.log(
                `${event.authors} invented authors: ${event.forgetExamples} questions to forget, ` +
                  `${event.retainExamples} to keep, ${event.vocabulary} words`,
              );
            } else if (event.kind === 'step') {
              progress.update(
                event.step.step,
                event.step.steps,
                `${event.run.padEnd(15)} ${stepNote(event.step, 'loss')}`,
              );
            } else {
              progress.end();
            }
          },
        });
        progress.end();
        const result = { ...shownDevice(choice), ...figures };
        if (options.out) await writeFile(join(folder, 'demo.json'), toJson(result));
        printResult(options, result, demoText(result, choice.device, options.out));
      } finally {
        progress.end();
        interrupt.dispose();
        if (!options.out) await rm(folder, { recursive: true, force: true });
      }
    });
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
  ].join('\n');
}
