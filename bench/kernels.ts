/**
 * `npm run bench`: every kernel and storage beside the memory limit of its own pattern.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { progressOn } from '../lib/cli/progress.ts';
import { callCases, measureCall } from './cases/call-overhead.ts';
import { type KernelCase, kernelContestant, limitContestant } from './cases/case.ts';
import { helperCases } from './cases/helpers.ts';
import { collectGarbage } from './cases/memory.ts';
import { optimizerCases } from './cases/optimizers.ts';
import { type StorageName, storages } from './cases/storages.ts';
import { type LogitsShape, tokenLossCases, tokenLossKernels } from './cases/token-loss.ts';
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
import { alternate } from './measure.ts';
import { namesOf, shapes, sizes } from './options.ts';
import { callTable, kernelTable } from './report/kernel-tables.ts';
import { textTable } from './report/table.ts';
import { type CallMeasurement, type KernelMeasurement, type KernelResults, resultsHead } from './results.ts';

interface Options extends BenchmarkOptions {
  sizes: number[];
  shapes: LogitsShape[];
  kernels?: string[];
  storage?: StorageName[];
}

/** A case at one size. */
interface Measurement {
  readonly kernelCase: KernelCase;
  readonly elements: number;
}

const storageNames = storages.map(({ name }) => name);
const callOverhead = 'calls';
const kernelNames = [
  ...new Set([...optimizerCases, ...helperCases].map(({ kernel }) => kernel)),
  ...tokenLossKernels,
  callOverhead,
];

const defaultSizes = '16,18,20,22,24,26,28';
const defaultShapes = '16x49152,512x49152,4096x2048,128x151936';

/** Of the memory that is free, what buffers may take. */
const usableShare = 0.85;

const command = benchmarkCommand('bench', 'Every kernel and storage, beside the memory limit of its own pattern.', 1)
  .addOption(
    new Option('--sizes <exponents>', 'numbers of weights as exponents of two, as in 16,20,24 or 16-28')
      .argParser(sizes)
      .default(sizes(defaultSizes), defaultSizes),
  )
  .addOption(
    new Option('--shapes <list>', 'logits of the token losses, rows x vocabulary')
      .argParser(shapes)
      .default(shapes(defaultShapes), defaultShapes),
  )
  .option('--kernels <list>', `some of ${kernelNames.join(', ')}`, namesOf(kernelNames))
  .option('--storage <list>', `some of ${storageNames.join(', ')}`, namesOf(storageNames))
  .addHelpText(
    'after',
    `
Kernel and limit take turns: the limit is a plain loop over the same buffers, on the same threads, that reads and writes the
same bytes. Their times are of awaited calls; a ratio is taken of each pair of turns. Sizes whose buffers do not fit into
the free memory are left out, and named on stderr. With --kernels, --storage, --sizes or --shapes nothing is written but where
--out says.`,
  )
  .action(run);

await runCommand(command);

async function run(options: Options, given: Command): Promise<void> {
  const startedAt = new Date();
  const filters = givenFilters(given, ['kernels', 'storage', 'sizes', 'shapes']);
  const plan = measurements(options);
  const callPlan = wantsCalls(options) ? callCases : [];
  const total = plan.length + callPlan.length;
  checkPlan(total, filters);
  await configureAddon(options);
  const machine = describeQuietMachine();
  const progress = progressOn('bench');
  const kernels: KernelMeasurement[] = [];
  for (const [index, { kernelCase, elements }] of plan.entries()) {
    const label = `${kernelCase.kernel} ${kernelCase.storage} ${sizeText(kernelCase, elements)}`;
    progress.update(index, total, label);
    const needed = kernelCase.residentBytesPerElement * elements;
    await collectGarbage();
    if (needed > process.availableMemory() * usableShare) {
      progress.log(`left out, does not fit into memory: ${label}`);
      continue;
    }
    kernels.push(await measure(kernelCase, elements, options.seconds));
  }
  const calls: CallMeasurement[] = [];
  for (const callCase of callPlan) {
    progress.update(plan.length + calls.length, total, callCase.title);
    calls.push(await measureCall(callCase));
  }
  progress.update(total, total);
  progress.end();
  const results: KernelResults = {
    kind: 'kernels',
    ...resultsHead(startedAt, givenCommand('bench'), machine),
    kernels,
    calls,
  };
  deliver(results, options, textTables(results), filters);
}

/** Everything that can be measured, the small sizes of a kernel before the large ones. */
function measurements({ sizes: elementCounts, shapes: logits, storage, kernels }: Options): Measurement[] {
  const sized = [...optimizerCases, ...helperCases].flatMap((kernelCase) =>
    elementCounts.map((elements) => ({ kernelCase, elements })),
  );
  const shaped = logits.flatMap((shape) =>
    tokenLossCases(shape).map((kernelCase) => ({ kernelCase, elements: shape.rows * shape.vocabulary })),
  );
  return [...sized, ...shaped].filter(
    ({ kernelCase }) =>
      (storage?.includes(kernelCase.storage) ?? true) && (kernels?.includes(kernelCase.kernel) ?? true),
  );
}

/** A call has no storage. */
function wantsCalls({ kernels, storage }: Options): boolean {
  return kernels ? kernels.includes(callOverhead) : storage === undefined;
}

async function measure(kernelCase: KernelCase, elements: number, seconds: number): Promise<KernelMeasurement> {
  const prepared = await kernelCase.prepare(elements);
  try {
    const { first, second, ratio } = await alternate(limitContestant(prepared), kernelContestant(prepared), {
      seconds,
    });
    return {
      subject: kernelCase.subject,
      kernel: kernelCase.kernel,
      title: kernelCase.title,
      storage: kernelCase.storage,
      elements,
      ...(kernelCase.shape ? { shape: sizeText(kernelCase, elements) } : {}),
      bytesPerElement: kernelCase.bytesPerElement,
      time: second,
      limit: first,
      fractionOfLimit: ratio,
    };
  } finally {
    await prepared.release();
  }
}

function sizeText({ shape }: KernelCase, elements: number): string {
  return shape ? `${shape.rows} x ${shape.vocabulary}` : `2^${Math.log2(elements)}`;
}

function textTables({ kernels, calls }: KernelResults): string {
  const tables: string[] = [];
  if (kernels.length > 0) tables.push(textTable(kernelTable(kernels)));
  if (calls.length > 0) tables.push(textTable(callTable(calls)));
  return tables.join('\n\n');
}
