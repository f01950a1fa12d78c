/**
 * Standard output and standard error whose readers may go away: a `head` that has its lines, a terminal that was closed.
 *
 * @module
 */

import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';

/**
 * Runs a command that outlives the readers of what it prints. A reader of the result that goes away has what it wanted, and is
 * no failure; a result that cannot be written for another reason, to a full disk for instance, is one. What becomes of the
 * progress on standard error never matters.
 *
 * @param command gives an exit code
 * @returns that code, or 1 where the command succeeded and its result is lost
 */
export async function outliveReaders(command: () => Promise<number>): Promise<number> {
  let failure: NodeJS.ErrnoException | undefined;
  // Without a listener the first write to a closed pipe would end the process, in the middle of a run.
  process.stdout.on('error', (error) => {
    failure ??= error;
  });
  process.stderr.on('error', () => {});
  leaveClosedTerminals();
  const code = await command();
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  if (failure === undefined || isReaderGone(failure, process.stdout)) return code;
  process.stderr.write(`soul: the result could not be written to standard output: ${failure.message}\n`);
  return code === 0 ? 1 : code;
}

/** Whether a write failed since nobody reads any more; a terminal that was closed says EIO, and so does a broken disk. */
function isReaderGone({ code }: NodeJS.ErrnoException, stream: NodeJS.WriteStream): boolean {
  return code === 'EPIPE' || code === 'ECONNRESET' || (code === 'EIO' && stream.isTTY === true);
}

/** Node.js sets terminals back as they were when it ends, and aborts where one is gone by then; it passes over what is closed. */
function leaveClosedTerminals(): void {
  const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor));
  process.on('exit', () => {
    for (const descriptor of terminals) if (!isatty(descriptor)) closeSync(descriptor);
  });
}
