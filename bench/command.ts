/**
 * What the benchmark commands do alike.
 *
 * @module
 */

import { Command } from 'commander';
import { integerAtLeast, numberAtLeast } from '../lib/cli/arguments.ts';
import { nativeAddon } from '../lib/core/addon.ts';
import { SoulError } from '../lib/core/errors.ts';
import { describeMachine, type MachineDescription } from './machine.ts';
import { formatResults, type Results, writeResults } from './results.ts';

/** Load that a shell and an idle system stay below. */
const busyLoad = 0.5;

export interface BenchmarkOptions {
  threads?: number;
  instructionSet?: string;
  seconds: number;
  json?: boolean;
  out?: string;
}

/** A command with the options that all benchmarks have. */
export function benchmarkCommand(script: string, description: string, seconds: number): Command {
  return new Command(`npm run ${script} --`)
    .description(description)
    .option(
      '--threads <n>',
      'threads of the kernels; by default SOUL_THREADS, else all that the machine has',
      integerAtLeast(1),
    )
    .option(
      '--instruction-set <name>',
      'portable, avx2, avx512 or neon; by default SOUL_INSTRUCTION_SET, else the widest that the machine has',
    )
    .option('--seconds <n>', 'time for each measurement, beyond the fewest turns', numberAtLeast(0), seconds)
    .option(
      '--out <file>',
      'where results go; by default bench/results/<processor and date>.json, nowhere where options leave a part out',
    )
    .option('--json', 'the results on stdout as JSON, instead of a table')
    .showHelpAfterError('(add --help for the options)');
}

/**
 * Sets up the addon's threads and code path.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for an instruction set that this machine or build lacks
 */
export async function configureAddon({ threads, instructionSet }: BenchmarkOptions): Promise<void> {
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

/** Describes the machine as it is before anything is measured, and says so where it is busy with something else. */
export function describeQuietMachine(): MachineDescription {
  const machine = describeMachine();
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
    if (!unrecorded.includes(word.split('=')[0]!)) words.push(word);
    else if (word !== '--json' && !word.includes('=')) i++; // its value
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
  { out, json }: BenchmarkOptions,
  table: string,
  filters: readonly string[],
): void {
  process.stdout.write(json ? formatResults(results) : `${table}\n`);
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
