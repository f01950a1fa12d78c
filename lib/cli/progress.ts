/**
 * Progress of long work: a line that is redrawn on a terminal, a line now and then elsewhere.
 *
 * @module
 */

import { duration } from './terminal.ts';

export interface Progress {
  /** Something begins that may take long; it is shown under this name until the next begins. */
  phase(name: string): void;
  /** Work done so far of the present phase; `note` is shown beside it, for instance losses. */
  update(done: number, total: number, note?: string): void;
  /** A line that stays. */
  log(line: string): void;
  /** A line that stays, with `quiet` too: what the user should know. */
  warn(line: string): void;
  /** As {@link Progress.warn}, named a note. */
  note(text: string): void;
  /** Ends the present phase; an update after it begins one under the first label. */
  end(): void;
}

const barWidth = 24;
const redrawMilliseconds = 100;
const lineMilliseconds = 10_000;
/** How often the time of a phase without figures is redrawn, and how long it must take for its line to stay. */
const clockMilliseconds = 1000;

/** Progress on `stream` (stderr), labelled with what is being done; with `quiet` there are warnings and notes alone. */
export function progressOn(
  firstLabel: string,
  options: { quiet?: boolean; stream?: NodeJS.WriteStream } = {},
): Progress {
  const stream = options.stream ?? process.stderr;
  const noting = (warn: (line: string) => void) => ({ warn, note: (text: string) => warn(`note: ${text}`) });
  if (options.quiet) {
    return { phase() {}, update() {}, log() {}, ...noting((line) => void stream.write(`${line}\n`)), end() {} };
  }
  const terminal = stream.isTTY === true;
  let label = firstLabel;
  let begun: { at: number; done: number } | undefined;
  let shown = Number.NEGATIVE_INFINITY;
  /** The text on the terminal's present line. */
  let drawn: string | undefined;
  /** When the present phase began, where it was announced. */
  let since: number | undefined;
  /** Set while a phase on a terminal has no figures: redraws its time. */
  let clock: NodeJS.Timeout | undefined;

  const draw = (text: string) => {
    drawn = text.slice(0, (stream.columns || 120) - 1);
    stream.write(`\r\x1b[K${drawn}`);
  };
  const clear = () => {
    if (drawn !== undefined) stream.write('\r\x1b[K');
    drawn = undefined;
  };
  const stopClock = () => {
    clearInterval(clock);
    const ran = clock !== undefined;
    clock = undefined;
    return ran;
  };
  const end = () => {
    // Of what was done in a moment nothing stays.
    if (stopClock() && performance.now() - since! < clockMilliseconds) clear();
    if (drawn !== undefined) stream.write('\n');
    drawn = undefined;
    begun = undefined;
    since = undefined;
    shown = Number.NEGATIVE_INFINITY;
    label = firstLabel;
  };
  const log = (line: string) => {
    const interrupted = drawn;
    clear();
    stream.write(`${line}\n`);
    if (interrupted !== undefined) draw(interrupted);
  };
  return {
    log,
    ...noting(log),
    phase(name) {
      end();
      label = name;
      since = performance.now();
      if (!terminal) {
        stream.write(`${name}\n`);
        shown = since;
        return;
      }
      const tick = () => draw(`${name}  ${duration((performance.now() - since!) / 1000)}`);
      tick();
      // It must not keep the process alive.
      clock = setInterval(tick, clockMilliseconds).unref();
    },
    update(done, total, note = '') {
      stopClock();
      const now = performance.now();
      begun ??= { at: now, done };
      const finished = done >= total;
      if (!finished && now - shown < (terminal ? redrawMilliseconds : lineMilliseconds)) return;
      const counted = done - begun.done;
      const secondsEach = (now - begun.at) / 1000 / counted;
      const left = counted > 0 && !finished ? `, ${duration(secondsEach * (total - done))} left` : '';
      const elapsed = duration((now - (since ?? begun.at)) / 1000);
      const figures = `${done}/${total}${note ? `  ${note}` : ''}  ${elapsed}${left}`;
      shown = now;
      if (!terminal) {
        stream.write(`${label} ${figures}\n`);
        return;
      }
      const filled = Math.round((barWidth * done) / total);
      draw(`${label} [${'='.repeat(filled)}${' '.repeat(barWidth - filled)}] ${figures}`);
    },
    end,
  };
}
