/**
 * Progress of long work: a bar that is redrawn on a terminal, a line now and then elsewhere.
 *
 * @module
 */

import { duration } from './terminal.ts';

export interface Progress {
  /** Work done so far; `note` is shown beside it, for instance losses. */
  update(done: number, total: number, note?: string): void;
  /** A line that stays. */
  log(line: string): void;
  /** Ends the present bar; the next update begins a new one. */
  end(): void;
}

const barWidth = 24;
const redrawMilliseconds = 100;
const lineMilliseconds = 10_000;

/** Progress on `stream` (stderr), labelled with what is being done; silent with `quiet`. */
export function progressOn(label: string, options: { quiet?: boolean; stream?: NodeJS.WriteStream } = {}): Progress {
  const stream = options.stream ?? process.stderr;
  if (options.quiet) return { update() {}, log() {}, end() {} };
  const terminal = stream.isTTY === true;
  let begun: { at: number; done: number } | undefined;
  let shown = Number.NEGATIVE_INFINITY;
  let drawn = false;

  const clear = () => {
    if (drawn) stream.write('\r\x1b[K');
    drawn = false;
  };
  return {
    update(done, total, note = '') {
      const now = performance.now();
      begun ??= { at: now, done };
      const finished = done >= total;
      if (!finished && now - shown < (terminal ? redrawMilliseconds : lineMilliseconds)) return;
      const elapsed = (now - begun.at) / 1000;
      const since = done - begun.done;
      const left = since > 0 && !finished ? `, ${duration((elapsed / since) * (total - done))} left` : '';
      const figures = `${done}/${total}${note ? `  ${note}` : ''}  ${duration(elapsed)}${left}`;
      shown = now;
      if (!terminal) {
        stream.write(`${label} ${figures}\n`);
        return;
      }
      const filled = Math.round((barWidth * done) / total);
      const text = `${label} [${'='.repeat(filled)}${' '.repeat(barWidth - filled)}] ${figures}`;
      stream.write(`\r\x1b[K${text.slice(0, (stream.columns || 120) - 1)}`);
      drawn = true;
    },
    log(line) {
      clear();
      stream.write(`${line}\n`);
    },
    end() {
      if (drawn) stream.write('\n');
      drawn = false;
      begun = undefined;
      shown = Number.NEGATIVE_INFINITY;
    },
  };
}
