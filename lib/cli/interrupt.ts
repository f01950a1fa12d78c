/**
 * Signals that ask a command to end: Ctrl-C (SIGINT), SIGTERM, and SIGHUP of a terminal that is closed.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { SoulError } from '../core/errors.ts';

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

type EndingSignal = (typeof endingSignals)[number];

/** npm passes Ctrl-C on to a process that has it from the terminal too, and a closed terminal hangs up twice: one request. */
const sameRequestMilliseconds = 1000;

/**
 * Does work that a first signal asks to end in order, with SOUL_CANCELLED; a second one ends the process at once.
 *
 * @param work is given what tells it to end
 * @param say tells the user that it was asked to
 * @throws SoulError SOUL_CANCELLED with `signal`, the signal's name, in its details; what the work throws
 */
export async function cancelOnSignals<Result>(
  work: (signal: AbortSignal) => Promise<Result>,
  say: (text: string) => void = (text) => void process.stderr.write(`\n${text}\n`),
): Promise<Result> {
  const controller = new AbortController();
  let first: { name: EndingSignal; at: number } | undefined;
  const listen = () => {
    for (const name of endingSignals) process.on(name, onSignal);
  };
  const stopListening = () => {
    for (const name of endingSignals) process.removeListener(name, onSignal);
  };
  const onSignal = (received: NodeJS.Signals) => {
    const name = received as EndingSignal;
    if (name === 'SIGHUP' && hangUpIsIgnored()) return;
    const now = performance.now();
    if (first === undefined) {
      first = { name, at: now };
      const how = name === 'SIGINT' ? 'press Ctrl-C again' : 'send a second signal';
      say(`${name}: ending in order, as soon as what is under way is done; ${how} to stop at once`);
      controller.abort();
    } else if (name !== first.name || now - first.at > sameRequestMilliseconds) {
      stopListening();
      process.kill(process.pid, name);
    }
  };
  listen();
  try {
    return await work(controller.signal);
  } catch (error) {
    if (first === undefined || !(error instanceof SoulError) || error.code !== 'SOUL_CANCELLED') throw error;
    const details = { ...error.details, signal: first.name };
    throw new SoulError(error.code, `${error.message} (${first.name})`, details, { cause: error });
  } finally {
    stopListening();
  }
}

/** The exit code of a command that ended in order because of a signal, as a shell would give it had the signal ended it. */
export function exitCodeOf(signal: unknown): number {
  return 128 + constants.signals[endingSignals.includes(signal as EndingSignal) ? (signal as EndingSignal) : 'SIGINT'];
}

/**
 * Whether the command runs under nohup, which has SIGHUP ignored; Node.js undoes that when it starts and tells nobody. A shell
 * that nohup started ignores it still; where nohup started the command itself, the shell above says so in a variable.
 */
function hangUpIsIgnored(): boolean {
  return basename(process.env._ ?? '') === 'nohup' || ignoresHangUp(process.ppid);
}

/** Of a process on Linux; the lowest bit of the mask is SIGHUP's. */
function ignoresHangUp(id: number): boolean {
  try {
    const mask = /^SigIgn:\s*([\da-f]+)$/im.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & 1n) === 1n;
  } catch {
    return false;
  }
}
