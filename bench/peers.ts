/**
 * `npm run bench:peers`: ours beside PyTorch as its users run it, in turn in one run.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { integerAtLeast } from '../lib/cli/arguments.ts';
import { progressOn } from '../lib/cli/progress.ts';
import { callCases, measureCall } from './cases/call-overhead.ts';
import {
  type BenchmarkOptions,
  benchmarkCommand,
  checkPlan,
  configureAddon,
  deliver,
  describeQuietMachine,
  givenCommand,
  givenFilters,
  runCommand,
} from './command.ts';
import { callsPerTurn, comparisonRow } from './peers/compare.ts';
import { atMost, comparisons, logitsShapes } from './peers/comparisons.ts';
import { hasWords, measureRow, type PlannedRow } from './peers/planned-row.ts';
import { memoryRows } from './peers/token-loss-memory.ts';
import { TorchPeer } from './peers/torch-process.ts';
import { peerTable } from './report/peer-tables.ts';
import { textTable } from './report/table.ts';
import { callSubject, type PeerResults, type PeerRow, resultsHead } from './results.ts';

interface Options extends BenchmarkOptions {
  size: number;
  python: string;
  only?: string;
}

/** Nanoseconds. */
const callBound = 20_000;

const command = benchmarkCommand('bench:peers', 'Ours beside PyTorch as its users run it, in turn in one run.', 2)
  .addOption(
    new Option('--size <n>', 'weights of each optimizer').argParser(integerAtLeast(1)).default(2 ** 25, '2^25'),
  )
  .addOption(
    new Option('--only <words>', 'only rows whose first two columns have all of these words in them, in any case'),
  )
  .addOption(new Option('--python <path>', 'a Python with torch').env('SOUL_PYTHON').default('python3'))
  .addHelpText(
    'after',
    `
PyTorch runs in a process of its own, on as many threads. The two take turns of ${callsPerTurn} calls, with a pause after each, in
which idle threads fall asleep; a ratio is taken of each pair of turns. Of peak memory, each side has fresh processes. A row
that fails is shown with the reason. With --only or --size nothing is written but where --out says.

To get PyTorch:
  python3 -m venv torch-peer && torch-peer/bin/pip install torch==2.13.0 numpy
  npm run bench:peers -- --python torch-peer/bin/python`,
  )
  .action(run);

await runCommand(command);

async function run(options: Options, given: Command): Promise<void> {
  const startedAt = new Date();
  const filters = givenFilters(given, ['only', 'size']);
  await configureAddon(options);
  const machine = describeQuietMachine();
  const torch = new TorchPeer(options.python, machine.threads);
  const plan = everyRow(torch, options, machine.threads).filter(
    ({ head }) => options.only === undefined || hasWords(options.only, head),
  );
  checkPlan(plan.length, filters);
  const peer = await torch.describe();
  const progress = progressOn('bench:peers');
  const rows: PeerRow[] = [];
  try {
    for (const planned of plan) {
      progress.update(rows.length, plan.length, planned.head.ours);
      rows.push(await measureRow(planned, progress.log));
    }
    progress.update(plan.length, plan.length);
  } finally {
    progress.end();
    await torch.stop();
  }
  const results: PeerResults = {
    kind: 'peers',
    ...resultsHead(startedAt, givenCommand('bench:peers'), machine),
    peer,
    elements: options.size,
    rows,
  };
  deliver(results, options, textTable(peerTable(rows)), filters);
}

function everyRow(torch: TorchPeer, { size, seconds, python }: Options, threads: number): PlannedRow[] {
  return [
    ...comparisons(size).map((comparison) => comparisonRow(comparison, torch, size, seconds)),
    ...logitsShapes.flatMap((shape) => memoryRows('sampled', shape, python, threads, atMost(1 / 2))),
    ...callRows(),
  ];
}

/** What a call costs; of work that is done at once, against its bar. */
function callRows(): PlannedRow[] {
  return callCases.map((callCase) => ({
    head: {
      subject: callSubject,
      ours: callCase.title,
      unit: 'ns',
      ...(callCase.dispatched ? {} : { bar: atMost(callBound) }),
    },
    measure: async () => ({ ours: (await measureCall(callCase)).time }),
  }));
}
