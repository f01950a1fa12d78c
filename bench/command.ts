/**
 * What the benchmark commands do alike.
 *
 * @module
 */

import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { integer, number } from '../lib/cli/arguments.ts';
import { nativeAddon } from '../lib/core/addon.ts';
import type { Device } from '../lib/core/devices.ts';
import { SoulError } from '../lib/core/errors.ts';
import { Budget } from './budget.ts';
import { describeMachine, type MachineDescription } from './machine.ts';
import { device } from './options.ts';
import { devicePlace, hostPlace, type Place } from './place.ts';
import { formatResults, type Results, writeResults } from './results.ts';

/** Load that a shell and an idle system stay below. */
const busyLoad = 0.5;

export interface BenchmarkOptions {
  device: Device;
  threads?: number;
  instructionSet?: string;
  seconds?: number;
  budget?: number;
  /** MiB. */
  flush: number;
  json?: boolean | string;
  out?: string;
}

/** A run that has begun. */
export interface Run {
  readonly startedAt: Date;
  readonly machine: MachineDescription;
  readonly place: Place;
  readonly budget: Budget;
  /** Seconds for each measurement. */
  readonly seconds: number;
}

/** MiB: many times the largest cache of a GPU, and as long to read as the host takes to enqueue a call. */
const flushedByDefault = 1024;
/** Seconds of a whole run on a device. */
const deviceBudget = 120;

/** A command with the options that all benchmarks have. */
export function benchmarkCommand(script: string, description: string): Command {
  return new Command(`npm run ${script} --`)
    .description(description)
    .addOption(
      new Option('--device <name>', 'cpu, or cuda or cuda:N').argParser(device).default('cpu' satisfies Device, 'cpu'),
    )
    .option(
      '--threads <n>',
      'threads of the kernels; by default SOUL_THREADS, else all that the machine has',
      integer(),
    )
    .option(
      '--instruction-set <name>',
      'portable, avx2, avx512 or neon; by default SOUL_INSTRUCTION_SET, else the widest that the machine has',
    )
    .option('--seconds <n>', 'time for each measurement, beyond the fewest turns', number())
    .option(
      '--budget <seconds>',
      `time for the whole run, the most important first; what it leaves out is named; by default ${deviceBudget} on a device, else none`,
      number(),
    )
    .addOption(
      new Option('--flush <MiB>', 'on a device: memory that is read before each timed call, so that caches are cold')
        .argParser(number())
        .default(flushedByDefault),
    )
    .option(
      '--out <file>',
      'where results go; by default bench/results/<processor and date, or GPU>.json, nowhere where options leave a part out',
    )
    .option('--json [file]', 'the results on stdout as JSON, instead of a table; with a file as --out')
    .showHelpAfterError('(add --help for the options)');
}

/**
 * Sets up the addon's threads and code path.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for an instruction set that this machine or build lacks
 */
async function configureAddon({ threads, instructionSet }: BenchmarkOptions): Promise<void> {
  const { instructionSets } = nativeAddon().machine();
  if (instructionSet !== undefined && !instructionSets.includes(instructionSet)) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `--instruction-set must be one of ${instructionSets.join(', ')} on this machine, but is ${instructionSet}`,
      { argument: '--instruction-set', expected: instructionSets, found: instructionSet },
    );
  }
  await nativeAddon().configure({
    ...(threads === undefined ? {} : { threads }),
    ...(instructionSet === undefined ? {} : { instructionSet }),
  });
}

/** Options that change no figure. */
const unrecorded = ['--json', '--out', '--python'];
/** Options with the path of a folder, of which the record keeps the name alone. */
const folders = ['--model'];

/**
 * Sets the addon up, describes the machine as it is before anything is measured, and takes the device.
 *
 * @param secondsOn of each measurement by default, on the CPU and on a device
 * @throws SoulError SOUL_UNSUPPORTED where the device cannot be used
 */
export async function beginRun(options: BenchmarkOptions, secondsOn: { cpu: number; device: number }): Promise<Run> {
  const startedAt = new Date();
  const onDevice = options.device !== 'cpu';
  await configureAddon(options);
  return {
    startedAt,
    machine: describeQuietMachine(options.device),
    place: onDevice ? await devicePlace(options.device, options.flush * 2 ** 20) : hostPlace(),
    budget: new Budget(options.budget ?? (onDevice ? deviceBudget : undefined)),
    seconds: options.seconds ?? (onDevice ? secondsOn.device : secondsOn.cpu),
  };
}

/** Says so where the machine is busy with something else. */
function describeQuietMachine(device: Device): MachineDescription {
  const machine = describeMachine(device);
  if (machine.load > busyLoad) {
    process.stderr.write(
      `The machine is busy (load ${machine.load.toFixed(1)}): figures of a run beside other work are worth nothing.\n`,
    );
  }
  return machine;
}

/** Of the options that leave something out, those that were given, as they are written on the command line. */
export function givenFilters(command: Command, filters: readonly string[]): string[] {
  return filters.filter((name) => command.getOptionValueSource(name) === 'cli').map((name) => `--${name}`);
}

/** @throws SoulError SOUL_INVALID_ARGUMENT where the filters leave nothing to measure */
export function checkPlan(planned: number, filters: readonly string[]): void {
  if (planned > 0) return;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `Nothing to measure: expected at least one case that meets ${filters.join(', ')}, but found none; ask for less, or see --help for the names`,
    { argument: filters.join(', ') },
  );
}

/** The command that was given, for the record, without what belongs to one machine's folders. */
export function givenCommand(script: string, given: readonly string[] = process.argv.slice(2)): string {
  const words: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const word = given[i]!;
    const [option, value] = word.split(/=(.*)/s) as [string, string?];
    if (folders.includes(option)) {
      const folder = basename(value ?? given[++i] ?? '');
      words.push(...(value === undefined ? [option, folder] : [`${option}=${folder}`]));
    } else if (!unrecorded.includes(option)) words.push(word);
    else if (!word.includes('=') && !(given[i + 1] ?? '').startsWith('--')) i++; // its value
  }
  return [`npm run ${script}`, ...(words.length > 0 ? ['--', ...words.map(quoted)] : [])].join(' ');
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * Prints the results as a table or as JSON, writes them, and says where they are. A part of the whole, measured with
 * `filters`, would take the place of the day's whole: it is written only where `--out` says.
 */
export function deliver(
  results: Results,
  { out: named, json }: Pick<BenchmarkOptions, 'out' | 'json'>,
  table: string,
  filters: readonly string[],
): void {
  const out = named ?? (typeof json === 'string' ? json : undefined);
  process.stdout.write(json === true ? formatResults(results) : `${table}\n`);
  if (out === undefined && filters.length > 0) {
    process.stderr.write(`Not written: with ${filters.join(', ')} this is a part; --out <file> keeps it.\n`);
    return;
  }
  process.stderr.write(`Written to ${out === undefined ? writeResults(results) : writeResults(results, out)}\n`);
}

/** Runs a command; what it throws becomes a line on stderr and exit code 1. */
export async function runCommand(command: Command): Promise<void> {
  try {
    await command.parseAsync();
  } catch (error) {
    const known = error instanceof SoulError;
    process.stderr.write(`${known ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  }
}
