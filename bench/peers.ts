/**
 * `npm run bench:peers`: ours beside PyTorch as its users run it, in turn in one run.
 *
 * @module
 */

import { Option } from 'commander';
import { integerAtLeast } from '../lib/cli/arguments.ts';
import { type Progress, progressOn } from '../lib/cli/progress.ts';
import { measureSteps } from './cases/call-overhead.ts';
import { type KernelCase, kernelContestant, limitContestant, type Prepared } from './cases/case.ts';
import { collectGarbage } from './cases/memory.ts';
import {
  type BenchmarkOptions,
  benchmarkCommand,
  configureAddon,
  deliver,
  describeQuietMachine,
  givenCommand,
  runCommand,
} from './command.ts';
import { alternate, type Contestant, median } from './measure.ts';
import { atMost, type Comparison, comparisons, logitsShapes } from './peers/comparisons.ts';
import { compareMemory } from './peers/token-loss-memory.ts';
import { type TorchCase, TorchError, TorchProcess } from './peers/torch-process.ts';
import { peerTable } from './report/peer-tables.ts';
import { textTable } from './report/table.ts';
import { type PeerResults, type PeerRow, resultsHead } from './results.ts';

interface Options extends BenchmarkOptions {
  size: number;
  python: string;
  only?: string;
}

/** Calls of one turn; the turn's time is their median. */
const callsPerTurn = 3;
/** Nanoseconds. */
const callBound = 20_000;
/** Long enough for the threads of either side to fall asleep. */
const pauseMilliseconds = 30;

const command = benchmarkCommand('bench:peers', 'Ours beside PyTorch as its users run it, in turn in one run.', 2)
  .addOption(
    new Option('--size <n>', 'weights of each optimizer').argParser(integerAtLeast(1)).default(2 ** 25, '2^25'),
  )
  .addOption(new Option('--only <words>', 'only rows whose names have these words in them'))
  .addOption(new Option('--python <path>', 'a Python with torch').env('SOUL_PYTHON').default('python3'))
  .addHelpText(
    'after',
    `
PyTorch runs in a process of its own, on as many threads. The two take turns of ${callsPerTurn} calls, with a pause after each, in
which idle threads fall asleep; a ratio is taken of each pair of turns. Of peak memory, each side has fresh processes.

To get PyTorch:
  python3 -m venv torch-peer && torch-peer/bin/pip install torch==2.13.0 numpy
  npm run bench:peers -- --python torch-peer/bin/python      `,
  )
  .action(run);

await runCommand(command);

async function run(options: Options): Promise<void> {
  const startedAt = new Date();
  await configureAddon(options);
  const machine = describeQuietMachine();
  const { threads } = machine;
  const progress = progressOn('bench:peers');
  const torch = await TorchProcess.start(options.python, threads);
  const rows: PeerRow[] = [];
  const wanted = (...names: string[]): boolean => options.only === undefined || names.join(' ').includes(options.only);
  const plan = comparisons(options.size).filter(({ title, other }) =>
    wanted(title, other.kind === 'limit' ? '' : other.title),
  );
  const memoryPlan = (wanted('Peak memory') ? logitsShapes : []).map((shape, index) => ({
    shape,
    ...(index === 0 ? { bar: atMost(1 / 2) } : {}),
  }));
  const total = plan.length + memoryPlan.length;
  try {
    for (const comparison of plan) {
      progress.update(rows.length, total, comparison.title);
      rows.push(await compare(comparison, torch, options, progress));
    }
  } finally {
    await torch.stop();
  }
  for (const { shape, bar } of memoryPlan) {
    progress.update(rows.length, total, 'peak memory of the token loss');
    rows.push(await compareMemory('sampled', shape, options.python, threads, bar));
  }
  progress.update(total, total);
  progress.end();
  if (wanted('call')) rows.push(...(await callRows()));
  const results: PeerResults = {
    kind: 'peers',
    ...resultsHead(startedAt, givenCommand('bench:peers'), machine),
    peer: torch.description,
    elements: options.size,
    rows,
  };
  deliver(results, options, textTable(peerTable(rows)));
}

async function compare(
  { subject, title, ours, other, bar }: Comparison,
  torch: TorchProcess,
  { size, seconds }: Options,
  progress: Progress,
): Promise<PeerRow> {
  const row: PeerRow = {
    subject,
    ours: title,
    theirs: other.kind === 'limit' ? 'the same bytes in the same pattern' : other.title,
    unit: 'ns',
    ...(bar ? { bar } : {}),
  };
  // A turn is as long as the median of its calls.
  const time = { seconds: seconds / callsPerTurn };
  const held: Prepared[] = [];
  const prepare = async (kernelCase: KernelCase) => {
    const prepared = await kernelCase.prepare(size);
    held.push(prepared);
    return prepared;
  };
  try {
    await collectGarbage();
    const prepared = await prepare(ours);
    const our = severalCalls(kernelContestant(prepared));
    if (other.kind === 'limit') {
      const limit = severalCalls(limitContestant(prepared));
      const { first, second, ratio } = await alternate(limit, our, time);
      return { ...row, measured: { ours: second, theirs: first, ratio } };
    }
    const their =
      other.kind === 'torch'
        ? await torchContestant(torch, other.torchCase)
        : severalCalls(kernelContestant(await prepare(other.other)));
    const { first, second, ratio } = await alternate(our, their, { ...time, pauseMilliseconds });
    return { ...row, measured: { ours: first, theirs: second, ratio } };
  } catch (error) {
    if (!(error instanceof TorchError)) throw error;
    progress.log(`not measured: ${row.theirs}: ${error.message}`);
    return { ...row, missing: error.message };
  } finally {
    for (const prepared of held) await prepared.release();
    if (other.kind === 'torch') await torch.release();
  }
}

async function torchContestant(torch: TorchProcess, torchCase: TorchCase): Promise<Contestant> {
  await torch.prepare(torchCase);
  return { turn: async () => median(await torch.run(callsPerTurn)) };
}

/** A turn of several calls, as long as the median of them. */
function severalCalls(contestant: Contestant): Contestant {
  return {
    async turn() {
      const times: number[] = [];
      for (let i = 0; i < callsPerTurn; i++) times.push(await contestant.turn());
      return median(times);
    },
  };
}

/** What a call costs, against its bar alone. */
async function callRows(): Promise<PeerRow[]> {
  return (await measureSteps()).map(({ title, time }) => ({
    subject: 'A call from JavaScript',
    ours: title,
    unit: 'ns',
    measured: { ours: time },
    bar: atMost(callBound),
  }));
}
