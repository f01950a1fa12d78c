/**
 * Progress where nothing can be redrawn, in a log for instance: a line when a phase begins, now and then, and at its end.
 *
 * @module
 */

import { noteLine, type Progress } from './progress-form.ts';
import { Aside, PresentPhase } from './progress-phase.ts';

const lineMilliseconds = 10_000;

export function progressLines(firstLabel: string, stream: NodeJS.WriteStream): Progress {
  const present = new PresentPhase(firstLabel);
  const within = new Aside();
  const log = (line: string) => void stream.write(`${line}\n`);
  const begin = (name: string) => {
    present.begin(name);
    present.wasShown();
  };
  return {
    log,
    warn: log,
    note: (text) => log(noteLine(text)),
    phase(name) {
      begin(name);
      log(name);
    },
    part: begin,
    aside(name, done, total) {
      const time = within.timeDue(name, done, total, lineMilliseconds);
      if (time !== undefined) log(`${name} ${done}/${total}  ${time}`);
    },
    update(done, total, figures = []) {
      const time = present.timeDue(done, total, lineMilliseconds);
      if (time !== undefined) log(`${present.label} ${[`${done}/${total}`, ...figures, time].join('  ')}`);
    },
    end: () => present.end(),
  };
}
