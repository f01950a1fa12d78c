/**
 * PyTorch in a process of its own, one call at a time.
 *
 * @module
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { SoulError } from '../../lib/core/errors.ts';
import type { PeerDescription } from '../results.ts';

/** A case of optimizer_steps.py or token_loss.py, and what it is made with. */
export interface TorchCase {
  readonly prepare: 'AdamW' | 'Sophia' | 'TokenLoss';
  readonly with: Readonly<Record<string, string | number | boolean>>;
}

export interface ProcessMemory {
  /** Bytes of resident memory at present. */
  resident: number;
  /** Bytes of resident memory at their highest. */
  peak: number;
}

/** A case that this PyTorch cannot run, in its own words. */
export class TorchError extends Error {}

const script = fileURLToPath(new URL('torch_worker.py', import.meta.url));
const stderrKept = 4000;

export class TorchProcess {
  readonly description: PeerDescription;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #closed: Promise<unknown>;
  readonly #answers: AsyncIterator<string>;

  private constructor(
    child: ChildProcessByStdio<Writable, Readable, Readable>,
    closed: Promise<unknown>,
    answers: AsyncIterator<string>,
    description: PeerDescription,
  ) {
    this.#child = child;
    this.#closed = closed;
    this.#answers = answers;
    this.description = description;
  }

  /**
   * Starts Python and imports torch.
   *
   * @throws SoulError SOUL_NOT_FOUND where Python or torch is missing, with how to get them
   */
  static async start(python: string, threads: number): Promise<TorchProcess> {
    const child = spawn(python, [script, '--threads', String(threads)], {
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
      throw missing(python, complaint.trim());
    }
    return new TorchProcess(child, closed, answers, JSON.parse(first.value) as PeerDescription);
  }

  /** Makes a case and calls it once. */
  async prepare(torchCase: TorchCase): Promise<void> {
    await this.#ask({ ...torchCase });
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

  async #ask<Answer>(command: object): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const line = await this.#answers.next();
    if (line.done)
      throw new SoulError('SOUL_INTERNAL', 'the process that runs PyTorch ended in the middle of its work');
    const answer = JSON.parse(line.value) as Answer & { error?: string };
    if (answer.error !== undefined) throw new TorchError(answer.error.split('\n')[0]);
    return answer;
  }
}

function missing(python: string, complaint: string): SoulError {
  return new SoulError(
    'SOUL_NOT_FOUND',
    `PyTorch could not be started with ${python}:\n${complaint.replace(/^/gm, '  ')}\n` +
      'The peers need Python 3.10 or newer with torch; in an environment of its own:\n' +
      '  python3 -m venv torch-peer && torch-peer/bin/pip install torch==2.13.0 numpy\n' +
      '  npm run bench:peers -- --python torch-peer/bin/python',
    { python },
  );
}
