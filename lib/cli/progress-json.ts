/**
 * Progress for machines: a JSON object a line, told apart by `kind`.
 *
 * @module
 */

import type { Progress, ToldEvent } from './progress-form.ts';

export function progressJson(firstLabel: string, stream: NodeJS.WriteStream): Progress {
  let label = firstLabel;
  const tell = (event: ToldEvent) => void stream.write(jsonLine(event));
  const note = (text: string) => tell({ kind: 'note', text });
  return {
    tell,
    log: (text) => tell({ kind: 'log', text }),
    warn: note,
    note,
    phase(name) {
      label = name;
      tell({ kind: 'phase', phase: name });
    },
    part(name) {
      label = name;
    },
    update: (done, total) => tell({ kind: 'progress', what: label, done, total }),
    aside: (name, done, total) => tell({ kind: 'progress', what: name, done, total }),
    end() {
      label = firstLabel;
    },
  };
}

/** Numbers that are not finite are null there. */
export function jsonLine(value: object): string {
  return `${JSON.stringify(value, (_, entry) => (typeof entry === 'bigint' ? entry.toString() : entry))}\n`;
}
