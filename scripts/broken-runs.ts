/**
 * What the scripts share that break runs: a tiny model with data made here, the command in a process of its own, and what a finished
 * run must come to.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../lib/core/package.ts';
import { writeWordTokenizer } from '../lib/study/word-tokenizer.ts';
import { TorchLM } from '../lib/torch/index.ts';

/** Ways of a run that keep different things: moving averages, estimates, gradients' means, masks, merged parts, evaluations. */
export const ways = {
  adamw: ['--method', 'npo', '--optimizer', 'adamw'],
  sophia: ['--method', 'graddiff', '--optimizer', 'sophia', '--hessian-every', '3', '--hessian-chunk-size', '4'],
  bf16: ['--method', 'npo', '--optimizer', 'adamw', '--dtype', 'bf16'],
  mollm: ['--method', 'mollm', '--optimizer', 'adamw'],
  wagle: ['--method', 'wagle', '--optimizer', 'adamw'],
  spunge: ['--method', 'spunge', '--optimizer', 'adamw', '--set', 'attribute=author'],
  evaluated: [
    ...['--method', 'npo', '--optimizer', 'adamw'],
    ...['--evaluate-every', '3', '--evaluate-figures', 'rougeLRecall,exactMemorization'],
  ],
} as const satisfies Record<string, readonly string[]>;

export type Way = keyof typeof ways;

/** The scripts' options: how often, of which ways, and the seed of what is random. */
export function readOptions(times: number): { times: number; ways: Way[]; seed: number } {
  const options = { times: { type: 'string' }, ways: { type: 'string' }, seed: { type: 'string' } } as const;
  const { values } = parseArgs({ options });
  const chosen = values.ways?.split(',') ?? Object.keys(ways);
  const unknown = chosen.find((name) => !(name in ways));
  if (unknown !== undefined) throw new Error(`--ways takes ${Object.keys(ways).join(', ')}, not ${unknown}`);
  return { times: Number(values.times ?? times), ways: chosen as Way[], seed: Number(values.seed ?? 1) };
}

/** Numbers from 0 to 1 that are the same for a seed. */
export function randomNumbers(seed: number): () => number {
  let count = 0;
  return () => createHash('sha256').update(`${seed} ${count++}`).digest().readUInt32LE() / 2 ** 32;
}

/** A folder with a model and data, removed at the end. */
export async function withWorkplace(work: (place: Workplace) => Promise<void>, folder?: string): Promise<void> {
  const base = folder ?? (await mkdtemp(join(tmpdir(), 'soul-broken-')));
  try {
    const model = join(base, 'model');
    const names = ['Ada', 'Bea', 'Cleo', 'Dora', 'Ella', 'Flora', 'Greta', 'Hedda'];
    const lines = (verb: string) =>
      names.map((name, i) => ({
        question: `Who ${verb} ${name}?`,
        answer: `${names[(i + 3) % names.length]} and ${names[(i + 5) % names.length]}.`,
        author: i < 4 ? 'first' : 'second',
      }));
    const data = { forget: lines('wrote'), retain: lines('knew'), others: lines('saw') };
    const texts = Object.values(data).flatMap((each) => each.flatMap(({ question, answer }) => [question, answer]));
    const { size } = await writeWordTokenizer(model, ['Question: \nAnswer: ', ...texts]);
    const lm = await TorchLM.create({ ...architecture, vocab_size: size }, 5n);
    await lm.save(model);
    lm.release();
    for (const [name, records] of Object.entries(data)) {
      await writeFile(join(base, `${name}.jsonl`), records.map((each) => `${JSON.stringify(each)}\n`).join(''));
    }
    await writeFile(join(base, 'items.key'), '7e'.repeat(32), { mode: 0o600 });
    await work(new Workplace(base));
  } finally {
    if (folder === undefined) await rm(base, { recursive: true, force: true });
  }
}

const architecture = {
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', tie_word_embeddings: true },
  ...{ hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 2 },
  ...{ max_position_embeddings: 64, rms_norm_eps: 1e-5, rope_theta: 10000 },
};

export class Workplace {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** The words of a run. */
  words(way: Way, out: string): string[] {
    const files = [
      '--model',
      'model',
      '--forget',
      'forget.jsonl',
      '--retain',
      'retain.jsonl',
      '--item-key',
      'items.key',
    ];
    const given = files.map((word, i) => (i % 2 === 1 ? this.path(word) : word));
    const measured = way === 'evaluated' ? ['--evaluate-data', `others=${this.path('others.jsonl')}`] : [];
    return [
      ...['unlearn', ...given, '--out', this.path(out), ...ways[way], ...measured, '--device', 'cpu', '--threads', '1'],
      ...[
        '--steps',
        '12',
        '--batch-size',
        '4',
        '--evaluate',
        '4',
        '--learning-rate',
        '0.001',
        '--checkpoint-every',
        '1',
      ],
    ];
  }
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly errors: string;
  readonly milliseconds: number;
}

/** Runs the command; `watch` is given the process, and what it said so far with each piece. */
export function soul(
  words: readonly string[],
  watch: (child: ChildProcess, said: () => string) => void = () => {},
): Promise<Ended> {
  const begun = performance.now();
  const command = ['--import', 'tsx', join(packageRoot, 'lib/cli/main.ts'), ...words];
  const child = spawn(process.execPath, command, { cwd: packageRoot, stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  watch(child, () => errors);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal, errors, milliseconds: performance.now() - begun });
    });
  });
}

/** Names of what is another each time. */
const ofTheMoment = [
  ...['seconds', 'measuringSeconds', 'curvatureShare', 'peakMemory', 'plannedMemory', 'resumed', 'out'],
  ...['time', 'tokensPerSecond', 'memory'],
];

/** What must be the same whatever befell a run: the bits of its weights, its steps, what was measured on the way, and its record but for times and versions. */
export async function outcomeOf(folder: string): Promise<string> {
  const weights = createHash('sha256')
    .update(await readFile(join(folder, 'model.safetensors')))
    .digest('hex');
  const files = (await readdir(folder)).sort();
  const logs = ['metrics.jsonl', 'evaluations.jsonl'].filter((name) => files.includes(name));
  const texts = await Promise.all(logs.map((name) => readFile(join(folder, name), 'utf8')));
  const lines = texts.flatMap((text) => text.trim().split('\n'));
  const { settings, inputs, results } = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8'));
  const timeless = (value: unknown) =>
    JSON.stringify(value, (name, each) => (ofTheMoment.includes(name) ? undefined : each));
  return [weights, ...lines.map((line) => timeless(JSON.parse(line))), timeless([settings, inputs, results]), files]
    .map(String)
    .join('\n');
}

/** Refuses an outcome that is not the expected one, with the first line of it that differs. */
export function requireOutcome(found: string, expected: string, what: string): void {
  if (found === expected) return;
  const lines = found.split('\n');
  const wanted = expected.split('\n');
  const at = lines.findIndex((line, i) => line !== wanted[i]);
  throw new Error(`${what}: another outcome in line ${at}:\n${lines[at]}\n${wanted[at]}`);
}

/** Ends the script with a message, unless it holds. */
export function requireThat(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}
