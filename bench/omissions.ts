/**
 * What was asked for and not measured, and why.
 *
 * @module
 */

import { SoulError } from '../lib/core/errors.ts';

export class Omissions {
  readonly lines: string[] = [];
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  leave(label: string, reason: string): void {
    this.lines.push(`${label}: ${reason}`);
    this.#log(`left out: ${label}: ${reason}`);
  }

  /** What `measure` gives; where it fails, that is left out, and unless memory was short the process ends with exit code 1. */
  async attempt<Figures>(label: string, measure: () => Promise<Figures>): Promise<Figures | undefined> {
    try {
      return await measure();
    } catch (error) {
      if (!(error instanceof SoulError && error.code === 'SOUL_OUT_OF_MEMORY')) process.exitCode = 1;
      this.leave(label, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }
}
