/**
 * `npm run bench:peers`: ours beside PyTorch as its users run it, in turn in one run.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { integer } from '../lib/cli/arguments.ts';
import { progressOn } from '../lib/cli/progress.ts';
import { readModelConfig } from '../lib/model/config.ts';
import { plannedCalls } from './cases/calls.ts';
import type { LogitsShape } from './cases/token-loss.ts';
import {
  type BenchmarkOptions,
  beginRun,
  benchmarkCommand,
  checkPlan,
  deliver,
  givenCommand,
  givenFilters,
  type Run,
  runCommand,
} from './command.ts';
import { tokenLossGoals } from './goals.ts';
import { Omissions } from './omissions.ts';
import { shapes } from './options.ts';
import { callsPerTurn, comparisonRow } from './peers/compare.ts';
import { comparisons, compiles, deviceComparisons } from './peers/comparisons.ts';
import { hasWords, measureRow, type PlannedRow } from './peers/planned-row.ts';
import { deviceMemoryRow, memoryRows } from './peers/token-loss-memory.ts';
import { TorchPeer } from './peers/torch-process.ts';
import { wholeModelRows, whyNoModel } from './peers/whole-model.ts';
import { peerTable } from './report/peer-tables.ts';
import { textTable } from './report/table.ts';
import { callSubject, type PeerResults, type PeerRow, resultsHead } from './results.ts';

interface Options extends BenchmarkOptions {
  size?: number;
  shapes?: LogitsShape[];
  model?: string;
  python: string;
  only?: string;
}

/** The logits of a model of 135 million weights, and of a small vocabulary; on a device also of a large one. */
const defaults = {
  cpu: { size: 2 ** 25, shapes: '512x49152,4096x2048' },
  cuda: { size: 2 ** 28, shapes: '512x49152,4096x2048,2048x151936' },
} as const;

const command = benchmarkCommand('bench:peers', 'Ours beside PyTorch as its users run it, in turn in one run.')
  .addOption(
    new Option('--size <n>', 'weights of each optimizer; by default 2^25, on a device 2^28').argParser(integer()),
  )
  .addOption(
    new Option(
      '--shapes <list>',
      `logits of the token losses, rows x vocabulary; by default ${defaults.cpu.shapes}, on a device ${defaults.cuda.shapes}`,
    ).argParser(shapes),
  )
  .option(
    '--model <folder>',
    'a Hugging Face folder, on the CPU: rows of its training and generation beside transformers; without it there are none',
  )
  .addOption(
    new Option('--only <words>', 'only rows whose first two columns have all of these words in them, in any case'),
  )
  .addOption(new Option('--python <path>', 'a Python with torch').env('SOUL_PYTHON').default('python3'))
  .addHelpText(
    'after',
    `
PyTorch runs in a process of its own, on as many threads, or on the same device. The two take turns of ${callsPerTurn} calls, on
the CPU with a pause after each, in which idle threads fall asleep; a ratio is taken of each pair of turns. On a device
times are the device's own, with cold caches. Of peak memory, each side has fresh processes on the CPU. Rows of a whole model
have turns of one call, take some minutes, need the libtorch engine and 8 GiB of memory for 135 million weights. A row
that fails is shown with the reason. With --only, --size or --shapes nothing is written but where --out says.
Without npm: node --import tsx bench/peers.ts

To get PyTorch:
  python3 -m venv torch-peer && torch-peer/bin/pip install torch==2.13.0 numpy transformers
  npm run bench:peers -- --python torch-peer/bin/python`,
  )
  .action(run);

await runCommand(command);

async function run(options: Options, given: Command): Promise<void> {
  const filters = givenFilters(given, ['only', 'size', 'shapes']);
  const begun = await beginRun(options, { cpu: 2, device: 0.2 });
  const { place, machine, budget } = begun;
  const { threads } = machine;
  const usual = place.device === 'cpu' ? defaults.cpu : defaults.cuda;
  const { size = usual.size, shapes: logits = shapes(usual.shapes) } = options;
  const flushBytes = options.flush * 2 ** 20;
  const torch = new TorchPeer(options.python, { threads, device: place.device, flushBytes });
  const progress = progressOn('bench:peers');
  const omissions = new Omissions(progress.log);
  const plan = [
    ...everyRow(torch, size, logits, options.python, begun),
    ...(await modelRows(torch, options, begun, omissions)),
  ].filter(({ head }) => options.only === undefined || hasWords(options.only, head));
  checkPlan(plan.length, filters);
  const peer = await torch.describe();
  const rows: PeerRow[] = [];
  try {
    for (const planned of plan) {
      progress.update(rows.length, plan.length, [planned.head.ours]);
      const { head, mayTake } = planned;
      const spent = budget.isSpent(mayTake);
      rows.push(spent ? { ...head, missing: budget.reason } : await measureRow(planned, progress.log));
    }
    progress.update(plan.length, plan.length);
  } finally {
    progress.end();
    await torch.stop();
    await place.release();
  }
  const results: PeerResults = {
    kind: 'peers',
    ...resultsHead(begun.startedAt, givenCommand('bench:peers'), machine),
    peer,
    elements: size,
    rows,
    ...(omissions.lines.length > 0 ? { leftOut: omissions.lines } : {}),
  };
  deliver(results, options, textTable(peerTable(rows)), filters);
}

/** Rows of whole-model work, where there is a model for them and an engine. */
async function modelRows(
  torch: TorchPeer,
  { model, python }: Options,
  { place, machine, seconds }: Run,
  omissions: Omissions,
): Promise<PlannedRow[]> {
  const reason = await whyNoModel(model, place.device);
  if (reason !== undefined) {
    omissions.leave('rows of whole-model work', reason);
    return [];
  }
  const folder = model!;
  const { vocabularySize } = await readModelConfig(folder);
  return wholeModelRows({ folder, vocabularySize, torch, python, threads: machine.threads, seconds });
}

function everyRow(
  torch: TorchPeer,
  size: number,
  logits: readonly LogitsShape[],
  python: string,
  { place, machine, seconds }: Run,
): PlannedRow[] {
  const sides = { place, torch, size, seconds };
  const calls = plannedCalls(place, size).map(({ title, goal, measure }) => ({
    head: { subject: callSubject, ours: title, unit: 'ns' as const, ...(goal ? { goal } : {}) },
    measure: async () => ({ ours: await measure() }),
  }));
  if (place.device === 'cpu') {
    return [
      ...comparisons(size, logits).map((comparison) => comparisonRow(comparison, sides)),
      ...logits.flatMap((shape) => memoryRows('sampled', shape, python, machine.threads, tokenLossGoals.memory)),
      ...calls,
    ];
  }
  const compared = deviceComparisons(size, logits);
  const rowsOf = (late: boolean) =>
    compared.filter((comparison) => compiles(comparison) === late).map((one) => comparisonRow(one, sides));
  return [
    ...calls,
    ...rowsOf(false),
    ...logits.map((shape) => deviceMemoryRow('sampled', shape, torch, place.device, tokenLossGoals.memory)),
    ...rowsOf(true),
  ];
}
