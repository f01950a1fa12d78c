/**
 * PyTorch in a process of its own, one call at a time.
 *
 * @module
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Device } from '../../lib/core/devices.ts';
import { SoulError } from '../../lib/core/errors.ts';
import type { PeerDescription } from '../results.ts';

/** A case of optimizer_steps.py, token_loss.py or whole_model.py, and what it is made with. */
export interface TorchCase {
  readonly prepare: 'AdamW' | 'Sophia' | 'TokenLoss' | 'TrainingStep' | 'Generation';
  readonly with: Readonly<Record<string, string | number | boolean | readonly number[] | readonly number[][]>>;
}

/** Of the process, on a device what PyTorch has allocated there; bytes. */
export interface ProcessMemory {
  /** At present. */
  resident: number;
  /** At the highest; on a device since the case was made. */
  peak: number;
  /** On a device: what all processes together have taken of it. */
  takenOfDevice?: number;
}

/** What a process of PyTorch is started with. */
export interface TorchOptions {
  threads: number;
  /** Default `'cpu'`. */
  device?: Device;
  /** Bytes of a device's memory that are read before each timed call. Default 0. */
  flushBytes?: number;
  /** A program that answers as torch_worker.py does; by default that. */
  script?: string;
}

/** What PyTorch cannot do, in its own words, or that its process has ended. */
export class TorchError extends Error {}

const workerScript = fileURLToPath(new URL('torch_worker.py', import.meta.url));
const stderrKept = 4000;

export class TorchProcess {
  readonly description: PeerDescription;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #closed: Promise<unknown>;
  readonly #answers: AsyncIterator<string>;
  /** The end of what it said on stderr. */
  readonly #complaint: () => string;
  #firstResult: number | undefined;

  private constructor(
    child: ChildProcessByStdio<Writable, Readable, Readable>,
    closed: Promise<unknown>,
    answers: AsyncIterator<string>,
    complaint: () => string,
    description: PeerDescription,
  ) {
    this.#child = child;
    this.#closed = closed;
    this.#answers = answers;
    this.#complaint = complaint;
    this.description = description;
  }

  /**
   * Starts Python and imports torch.
   *
   * @throws SoulError SOUL_NOT_FOUND where Python, torch or its device is missing, with how to get them
   */
  static async start(python: string, options: TorchOptions): Promise<TorchProcess> {
    const { threads, device = 'cpu', flushBytes = 0, script = workerScript } = options;
    const words = ['--threads', String(threads), '--device', device, '--flush', String(flushBytes)];
    const child = spawn(python, [script, ...words], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    let complaint = '';
    child.on('error', (error) => {
      complaint = error.message;
    });
    child.stdin.on('error', () => {}); // it has ended; the next answer says so
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-stderrKept);
    });
    const closed = new Promise((resolve) => child.once('close', resolve));
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await answers.next();
    if (first.done) {
      await closed; // all that it had to say has come
      throw missing(python, device, complaint.trim());
    }
    return new TorchProcess(child, closed, answers, () => complaint, JSON.parse(first.value) as PeerDescription);
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Makes a case and calls it once. */
  async prepare(torchCase: TorchCase): Promise<void> {
    this.#firstResult = (await this.#ask<{ result?: number }>({ ...torchCase })).result;
  }

  /** What the first call of the case gave, where it gives a number. */
  get firstResult(): number | undefined {
    return this.#firstResult;
  }

  /** Nanoseconds of each of `repeats` calls. */
  async run(repeats: number): Promise<number[]> {
    return (await this.#ask<{ times: number[] }>({ run: repeats })).times;
  }

  async memory(): Promise<ProcessMemory> {
    return this.#ask({ memory: true });
  }

  /** Gives the case's memory up. */
  async release(): Promise<void> {
    await this.#ask({ release: true });
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    this.#child.stdin.end();
    await this.#closed;
  }

  /** @throws TorchError with the error that it answers, or where it has ended */
  async #ask<Answer>(command: object): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const line = await this.#answers.next();
    const answer = line.done ? undefined : parsed<Answer & { error?: string }>(line.value);
    if (answer === undefined) {
      // Half an answer comes of a process that is ending, too.
      this.#child.kill();
      await this.#closed;
      const { exitCode, signalCode } = this.#child;
      const last = this.#complaint().trim().split('\n').at(-1);
      const how = signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`;
      throw new TorchError(`the process that runs PyTorch was ended ${how}${last ? `: ${last}` : ''}`);
    }
    if (answer.error !== undefined) throw new TorchError(answer.error.split('\n')[0]);
    return answer;
  }
}

/** PyTorch for one case after another, in a process that is started anew where the one before has ended. */
export class TorchPeer {
  readonly #start: () => Promise<TorchProcess>;
  #process: TorchProcess | undefined;

  /** @param how as {@link TorchProcess.start} takes it */
  constructor(...how: Parameters<typeof TorchProcess.start>) {
    this.#start = () => TorchProcess.start(...how);
  }

  /** @throws SoulError as {@link TorchProcess.start} */
  async describe(): Promise<PeerDescription> {
    return (await this.#running()).description;
  }

  /**
   * Makes a case, calls it once, and returns the process that has it.
   *
   * @throws TorchError where it cannot be run
   */
  async prepare(torchCase: TorchCase): Promise<TorchProcess> {
    const running = await this.#running();
    await running.prepare(torchCase);
    return running;
  }

  async memory(): Promise<ProcessMemory> {
    return (await this.#running()).memory();
  }

  /** Gives the case's memory up, where it has not gone with its process. */
  async release(): Promise<void> {
    if (this.#process?.ended === false) await this.#process.release();
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  async #running(): Promise<TorchProcess> {
    if (this.#process?.ended !== false) this.#process = await this.#start();
    return this.#process;
  }
}

function parsed<Answer>(line: string): Answer | undefined {
  try {
    return JSON.parse(line) as Answer;
  } catch {
    return undefined;
  }
}

function missing(python: string, device: Device, complaint: string): SoulError {
  const wheel = device === 'cpu' ? '' : ', built for CUDA,';
  return new SoulError(
    'SOUL_NOT_FOUND',
    `PyTorch could not be started with ${python} on ${device}:\n${complaint.replace(/^/gm, '  ')}\n` +
      `The peers need Python 3.10 or newer with torch${wheel}; in an environment of its own:\n` +
      '  python3 -m venv torch-peer && torch-peer/bin/pip install torch==2.13.0 numpy\n' +
      '  npm run bench:peers -- --python torch-peer/bin/python',
    { python },
  );
}
