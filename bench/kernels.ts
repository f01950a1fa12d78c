/**
 * `npm run bench`: every kernel and storage beside the memory limit of its own pattern.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { type Progress, progressOn } from '../lib/cli/progress.ts';
import { plannedCalls } from './cases/calls.ts';
import { kernelContestant, limitContestant } from './cases/case.ts';
import { collectGarbage } from './cases/memory.ts';
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
import { type DeviceCopy, deviceCopy } from './device-copy.ts';
import { inTurn, spreadOf, spreadOfRatios } from './measure.ts';
import { Omissions } from './omissions.ts';
import { namesOf, shapes, sizes } from './options.ts';
import { turnOptions } from './place.ts';
import {
  byImportance,
  type Choice,
  defaults,
  kernelNames,
  labelOf,
  type Measurement,
  measurements,
  sizesOf,
  sizeText,
  storageNames,
  wantsCalls,
} from './plan.ts';
import { callTable, kernelTable } from './report/kernel-tables.ts';
import { textTable } from './report/table.ts';
import { type CallMeasurement, type KernelMeasurement, type KernelResults, resultsHead } from './results.ts';

type Options = BenchmarkOptions & Choice;

const command = benchmarkCommand('bench', 'Every kernel and storage, beside the memory limit of its own pattern.')
  .addOption(
    new Option(
      '--sizes <exponents>',
      `numbers of weights as exponents of two, as in 16,20,24 or 16-28; by default ${defaults.cpu.sizes}, on a device ${defaults.cuda.sizes}`,
    ).argParser(sizes),
  )
  .addOption(
    new Option(
      '--shapes <list>',
      `logits of the token losses, rows x vocabulary; by default ${defaults.cpu.shapes}, on a device ${defaults.cuda.shapes}`,
    ).argParser(shapes),
  )
  .option('--quick', `only the sizes ${defaults.quick.sizes}, and logits of ${defaults.quick.shapes}`)
  .option('--kernels <list>', `some of ${kernelNames.join(', ')}`, namesOf(kernelNames))
  .option('--storage <list>', `some of ${storageNames.join(', ')}`, namesOf(storageNames))
  .addHelpText(
    'after',
    `
Kernel and limit take turns: the limit is a plain loop over the same buffers, on the same threads or the same device, that
reads and writes the same bytes. On the CPU times are of awaited calls. On a device they are the device's own, with cold
caches, and its copy of two large buffers has its turn too. A ratio is taken of each round of turns. Sizes whose buffers do
not fit into the free memory are left out, and named on stderr. With --kernels, --storage, --sizes, --shapes or --quick
nothing is written but where --out says. Without npm: node --import tsx bench/kernels.ts`,
  )
  .action(run);

await runCommand(command);

async function run(options: Options, given: Command): Promise<void> {
  const filters = givenFilters(given, ['kernels', 'storage', 'sizes', 'shapes', 'quick']);
  const all = measurements(options);
  const withCalls = wantsCalls(options);
  checkPlan(all.length + (withCalls ? 1 : 0), filters);
  const begun = await beginRun(options, { cpu: 1, device: 0.1 });
  const { place, machine } = begun;
  const progress = progressOn('bench');
  const omissions = new Omissions(progress.log);
  const largest = sizesOf(options).at(-1)!;
  const calls = withCalls ? await measureCalls(begun, largest, progress, omissions) : [];
  const copy = place.device === 'cpu' || all.length === 0 ? undefined : await largeCopy(begun, all);
  const kernels = await measureKernels(all, begun, copy, progress, omissions);
  await copy?.release();
  await place.release();
  const results: KernelResults = {
    kind: 'kernels',
    ...resultsHead(begun.startedAt, givenCommand('bench'), machine),
    ...(copy ? { copy: copy.measurement } : {}),
    kernels,
    calls,
    ...(omissions.lines.length > 0 ? { leftOut: omissions.lines } : {}),
  };
  deliver(results, options, textTables(results), filters);
}

/** The copy of the largest buffers that a kernel has, where they leave room for a kernel's own. */
async function largeCopy({ place, seconds }: Run, all: readonly Measurement[]): Promise<DeviceCopy> {
  const roomy = 2 ** Math.floor(Math.log2(place.usableMemory() / 32));
  const elements = Math.min(roomy, Math.max(...all.map((measurement) => measurement.elements)));
  return deviceCopy(place, elements, turnOptions(place.device, seconds));
}

/** What does not fit, or comes after the time is over, is left out. */
async function measureKernels(
  all: readonly Measurement[],
  run: Run,
  copy: DeviceCopy | undefined,
  progress: Progress,
  omissions: Omissions,
): Promise<KernelMeasurement[]> {
  const measured = new Map<Measurement, KernelMeasurement>();
  const ordered = run.place.device === 'cpu' ? all : byImportance(all);
  for (const [index, measurement] of ordered.entries()) {
    const label = labelOf(measurement);
    progress.update(index, ordered.length, [label]);
    if (run.budget.isSpent()) {
      omissions.leave(label, run.budget.reason);
      continue;
    }
    await collectGarbage();
    const needed = measurement.kernelCase.residentBytesPerElement * measurement.elements;
    if (needed > run.place.usableMemory() - (copy?.residentBytes ?? 0)) {
      omissions.leave(label, 'does not fit into memory');
      continue;
    }
    const figures = await omissions.attempt(label, () => measure(measurement, run, copy));
    if (figures) measured.set(measurement, figures);
  }
  progress.update(ordered.length, ordered.length);
  progress.end();
  return all.flatMap((measurement) => measured.get(measurement) ?? []);
}

async function measure(
  { kernelCase, elements, goal }: Measurement,
  { place, seconds }: Run,
  copy: DeviceCopy | undefined,
): Promise<KernelMeasurement> {
  const prepared = await kernelCase.prepare(elements, place.device);
  try {
    const contestants = [
      limitContestant(prepared, place),
      kernelContestant(prepared, place),
      ...(copy ? [copy.contestant(kernelCase.bytesPerElement * elements)] : []),
    ];
    const [limit, kernel, copied] = await inTurn(contestants, turnOptions(place.device, seconds));
    return {
      subject: kernelCase.subject,
      kernel: kernelCase.kernel,
      title: kernelCase.title,
      storage: kernelCase.storage,
      elements,
      ...(kernelCase.shape ? { shape: sizeText(kernelCase, elements) } : {}),
      bytesPerElement: kernelCase.bytesPerElement,
      time: spreadOf(kernel!),
      limit: spreadOf(limit!),
      fractionOfLimit: spreadOfRatios(limit!, kernel!),
      ...(copied ? { copy: spreadOf(copied), fractionOfCopy: spreadOfRatios(copied, kernel!) } : {}),
      ...(goal ? { goal } : {}),
    };
  } finally {
    await prepared.release();
  }
}

async function measureCalls(
  { place }: Run,
  elements: number,
  progress: Progress,
  omissions: Omissions,
): Promise<CallMeasurement[]> {
  const planned = plannedCalls(place, elements);
  const calls: CallMeasurement[] = [];
  for (const [index, { title, goal, measure: take }] of planned.entries()) {
    progress.update(index, planned.length, [title]);
    const time = await omissions.attempt(title, take);
    if (time) calls.push({ title, time, ...(goal ? { goal } : {}) });
  }
  progress.end();
  return calls;
}

function textTables({ kernels, calls }: KernelResults): string {
  const tables: string[] = [];
  if (kernels.length > 0) tables.push(textTable(kernelTable(kernels)));
  if (calls.length > 0) tables.push(textTable(callTable(calls)));
  return tables.join('\n\n');
}
