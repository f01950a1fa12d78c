/**
 * Progress on a terminal: one line that is redrawn and never wider than the terminal. It has no colours.
 *
 * @module
 */

import { noteLine, type Progress } from './progress-form.ts';
import { Aside, PresentPhase } from './progress-phase.ts';
import { duration } from './terminal.ts';

const redrawMilliseconds = 100;
/** How often the time of a phase without figures is redrawn, and how long it must take for its line to stay. */
const clockMilliseconds = 1000;

export function progressBar(firstLabel: string, stream: NodeJS.WriteStream): Progress {
  const present = new PresentPhase(firstLabel);
  const within = new Aside();
  /** The text on the terminal's present line. */
  let drawn: string | undefined;
  /** Set while a phase has no figures: redraws its time. */
  let clock: NodeJS.Timeout | undefined;

  // A line that fills the last column makes some terminals begin another.
  const room = () => (stream.columns || 120) - 1;
  const draw = (text: string) => {
    drawn = text;
    stream.write(`\r\x1b[K${text.slice(0, room())}`);
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
    if (stopClock() && present.elapsed < clockMilliseconds) clear();
    if (drawn !== undefined) stream.write('\n');
    drawn = undefined;
    present.end();
  };
  const log = (line: string) => {
    const interrupted = drawn;
    clear();
    stream.write(`${line}\n`);
    if (interrupted !== undefined) draw(interrupted);
  };
  const part = (name: string) => {
    end();
    present.begin(name);
  };
  return {
    log,
    warn: log,
    note: (text) => log(noteLine(text)),
    part,
    phase(name) {
      part(name);
      const tick = () => draw(`${name}  ${duration(present.elapsed / 1000)}`);
      tick();
      // It must not keep the process alive.
      clock = setInterval(tick, clockMilliseconds).unref();
    },
    aside(name, done, total) {
      stopClock();
      const time = within.timeDue(name, done, total, redrawMilliseconds);
      if (time !== undefined) draw(fittingLine({ label: name, done, total, figures: [], time }, room()));
    },
    update(done, total, figures = []) {
      stopClock();
      const time = present.timeDue(done, total, redrawMilliseconds);
      if (time !== undefined) draw(fittingLine({ label: present.label, done, total, figures, time }, room()));
    },
    end,
  };
}

/** What stands on the line, of which the figures may be left out from the last on. */
export interface LineParts {
  readonly label: string;
  readonly done: number;
  readonly total: number;
  readonly figures: readonly string[];
  readonly time: string;
}

/** Characters of the bar, from the widest to none. */
const barWidths = [24, 12, 0];

/** The line with as much as fits: a shorter bar first, then fewer figures; the count and the time stay. */
export function fittingLine({ label, done, total, figures, time }: LineParts, room: number): string {
  const lineOf = (barWidth: number, count: number) => {
    const filled = Math.min(barWidth, Math.round((barWidth * done) / total));
    const bar = barWidth === 0 ? '' : ` [${'='.repeat(filled)}${' '.repeat(barWidth - filled)}]`;
    return `${label}${bar} ${[`${done}/${total}`, ...figures.slice(0, count), time].join('  ')}`;
  };
  for (let count = figures.length; count >= 0; count--) {
    for (const width of barWidths) {
      const line = lineOf(width, count);
      if (line.length <= room) return line;
    }
  }
  return lineOf(0, 0).slice(0, room);
}
