/**
 * The examples of one or several files, or those that conditions choose among them.
 *
 * @module
 */

import type { Example } from './example.ts';

/** A file of a set. */
export interface ExampleFile {
  readonly file: string;
  /** Hexadecimal SHA-256 of the file's bytes. */
  readonly sha256: string;
  /** How many examples it has. */
  readonly items: number;
}

/** What chose examples. */
export interface Filter {
  /** As they were given. */
  readonly conditions: readonly string[];
  /** Examples that they were asked of. */
  readonly of: number;
  /** Examples that matched. */
  readonly matched: number;
  /** Whether the set has the others. */
  readonly rest?: true;
}

export interface ExampleSet {
  /** What messages call it: the file, or the first of several and how many more. */
  readonly file: string;
  readonly files: readonly ExampleFile[];
  readonly items: readonly Example[];
  /** What chose them among those of the files, in this order. */
  readonly filters?: readonly Filter[];
}
