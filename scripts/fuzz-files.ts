/**
 * Reads hostile files of every kind that the package reads (test/hostile), and says which of them break the property: each is
 * accepted as what it says, or refused with a typed error, in little time and memory.
 *
 *   npx tsx scripts/fuzz-files.ts                                         10,000 of each kind
 *   npx tsx scripts/fuzz-files.ts --kind tokenizers --count 1000000 --seed 7
 *   npx tsx scripts/fuzz-files.ts --kind tokenizers --seed 7 --only 4711  one input again; its files are kept
 *
 * Every input is a function of seed, kind and number (--from says the first number). Inputs are read in a process of their own:
 * where that crashes or hangs, the input counts as a failure and the next process goes on behind it.
 *
 * @module
 */

import { fork } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Failure, type FuzzResult, fuzzFiles } from '../test/hostile/fuzz-files.ts';
import { kinds } from '../test/hostile/kinds.ts';
import type { HostileKind } from '../test/hostile/property.ts';

const patienceSeconds = 30;
const heapMegabytes = 1024;

interface Range {
  readonly kind: HostileKind;
  readonly seed: bigint;
  readonly from: number;
  readonly to: number;
  readonly keep: boolean;
}

function fail(problem: string): never {
  console.error(`fuzz-files: ${problem}`);
  exit(2);
}

function integer(name: string, text: string): number {
  const value = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : fail(`--${name} takes an integer, not ${text}`);
}

function ranges(): { given: Range[]; progress: string | undefined } {
  const options = {
    kind: { type: 'string' },
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    only: { type: 'string' },
    // Between this script and itself: the file that holds the number of the input that is being read.
    progress: { type: 'string' },
  } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    values = parseArgs({ args: argv.slice(2), options }).values;
  } catch (error) {
    fail((error as Error).message);
  }
  const chosen = kinds.filter(({ name }) => values.kind === undefined || name === values.kind);
  const names = kinds.map(({ name }) => name).join(', ');
  if (chosen.length === 0) fail(`there is no kind ${values.kind}; there are ${names}`);
  const keep = values.only !== undefined;
  const from = integer(keep ? 'only' : 'from', values.only ?? values.from);
  const to = from + (keep ? 1 : integer('count', values.count));
  const seed = BigInt(integer('seed', values.seed));
  return { given: chosen.map((kind) => ({ kind, seed, from, to, keep })), progress: values.progress };
}

/** Reads a range in this process, and sends what came of it to the one above. */
async function readHere(range: Range, progress: string): Promise<void> {
  const file = openSync(progress, 'w');
  const onInput = (number: number) => writeSync(file, String(number).padEnd(20), 0);
  process.send!(await fuzzFiles({ ...range, onInput }));
}

/** Reads a range in another process, up to an input that ends it. */
async function readApart({ kind, seed, from, to, keep }: Range, progress: string): Promise<FuzzResult | Failure> {
  const which = keep ? ['--only', String(from)] : ['--from', String(from), '--count', String(to - from)];
  writeFileSync(progress, '');
  const child = fork(
    fileURLToPath(import.meta.url),
    ['--kind', kind.name, '--seed', String(seed), ...which, '--progress', progress],
    { execArgv: ['--import', 'tsx', `--max-old-space-size=${heapMegabytes}`] },
  );
  let result: FuzzResult | undefined;
  let [last, unchanged, hangs] = ['', 0, false];
  const number = () => readFileSync(progress, 'utf8').trim();
  const watch = setInterval(() => {
    const now = number();
    unchanged = now === last && now !== '' ? unchanged + 1 : 0;
    last = now;
    if (unchanged < patienceSeconds) return;
    hangs = true;
    child.kill('SIGKILL');
  }, 1000);
  child.on('message', (message) => {
    result = message as FuzzResult;
  });
  const end = await new Promise<string>((resolve) => {
    child.on('exit', (code, signal) => resolve(signal ?? `code ${code}`));
  });
  clearInterval(watch);
  if (result !== undefined) return result;
  const at = number();
  if (at === '') fail(`${kind.name}: the process ended with ${end} before its first input`);
  const complaint = hangs ? `not read within ${patienceSeconds} seconds` : `the process ended with ${end}`;
  return { number: Number(at), complaint };
}

function report({ kind, from, to }: Range, seconds: number, results: readonly FuzzResult[], failures: Failure[]): void {
  const counts = new Map([['accepted', 0]]);
  for (const { accepted, refused } of results) {
    for (const [code, times] of [['accepted', accepted] as const, ...Object.entries(refused)]) {
      counts.set(code, (counts.get(code) ?? 0) + times);
    }
  }
  const slowest = results.map((each) => each.slowest).toSorted((a, b) => b.milliseconds - a.milliseconds)[0];
  const largest = results.map((each) => each.largest).toSorted((a, b) => b.mebibytes - a.mebibytes)[0];
  console.log(
    `${kind.name}: ${to - from} inputs in ${seconds.toFixed(0)} s: ${[...counts].map((each) => each.join(' ')).join(', ')}, failures ${failures.length}`,
  );
  if (slowest && largest) {
    console.log(
      `  longest: #${slowest.number}, ${slowest.milliseconds.toFixed(0)} ms; most memory: #${largest.number}, ${largest.mebibytes.toFixed(0)} MiB more than before`,
    );
  }
  // Failures of one sort are told together.
  const sorts = new Map<string, { times: number; first: Failure }>();
  for (const failure of failures) {
    const lines = failure.complaint.split('\n').slice(0, 3);
    const sort = lines
      .join('\n')
      .replace(/"[^"]*"/g, '')
      .replace(/\d+/g, '');
    sorts.set(sort, { times: (sorts.get(sort)?.times ?? 0) + 1, first: sorts.get(sort)?.first ?? failure });
  }
  for (const { times, first } of [...sorts.values()].toSorted((a, b) => b.times - a.times).slice(0, 20)) {
    const complaint = first.complaint
      .split('\n')
      .slice(0, 6)
      .map((line) => line.slice(0, 300));
    console.log(`  #${first.number}${times > 1 ? ` and ${times - 1} more` : ''}: ${complaint.join('\n    ')}`);
  }
}

const { given, progress } = ranges();
if (progress !== undefined) {
  await readHere(given[0]!, progress);
  exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'soul-fuzz-'));
let failed = false;
for (const range of given) {
  const begun = performance.now();
  const results: FuzzResult[] = [];
  const failures: Failure[] = [];
  for (let from = range.from; from < range.to; ) {
    const result = await readApart({ ...range, from }, join(folder, 'progress'));
    if ('number' in result) failures.push(result);
    else {
      results.push(result);
      failures.push(...result.failures);
      if (result.folder !== undefined) console.log(`${range.kind.name} #${from}: ${result.folder}`);
    }
    from = 'number' in result ? result.number + 1 : range.to;
  }
  report(range, (performance.now() - begun) / 1000, results, failures);
  failed ||= failures.length > 0;
}
rmSync(folder, { recursive: true });
exit(failed ? 1 : 0);
