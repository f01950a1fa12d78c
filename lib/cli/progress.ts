/**
 * Progress of long work on standard error: a bar that is redrawn on a terminal, a line now and then elsewhere, JSON for machines.
 *
 * @module
 */

import { progressBar } from './progress-bar.ts';
import { noteLine, type Progress, type ProgressKind } from './progress-form.ts';
import { progressJson } from './progress-json.ts';
import { progressLines } from './progress-lines.ts';

export type { Progress } from './progress-form.ts';

export interface ProgressOptions {
  /** Default: a bar on a terminal that can redraw a line, else lines. */
  readonly progress?: ProgressKind | undefined;
  /** `none`. */
  readonly quiet?: boolean | undefined;
  /** Default stderr. */
  readonly stream?: NodeJS.WriteStream;
}

/** Progress labelled with what is being done; with `none` there are warnings and notes alone. */
export function progressOn(firstLabel: string, options: ProgressOptions = {}): Progress {
  const { quiet = false, stream = process.stderr } = options;
  const redraws = stream.isTTY === true && process.env.TERM !== 'dumb';
  switch (quiet ? 'none' : (options.progress ?? (redraws ? 'bar' : 'lines'))) {
    case 'bar':
      return progressBar(firstLabel, stream);
    case 'lines':
      return progressLines(firstLabel, stream);
    case 'json':
      return progressJson(firstLabel, stream);
    default: {
      const warn = (line: string) => void stream.write(`${line}\n`);
      return {
        phase() {},
        part() {},
        update() {},
        aside() {},
        log() {},
        warn,
        note: (text) => warn(noteLine(text)),
        end() {},
      };
    }
  }
}
