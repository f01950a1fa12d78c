/**
 * A table of figures as data, whatever form it is shown in.
 *
 * @module
 */

/**
 * How a cell is marked. `best`: of its column; `differs`: from what it is compared with; `same` and `untold`: it does not differ, or
 * whether it does cannot be told.
 */
export type Mark = 'best' | 'differs' | 'same' | 'untold';

export const markOrder = ['best', 'differs', 'same', 'untold'] as const satisfies readonly Mark[];

export interface TableCell {
  /** The value, or `n/a`. */
  readonly value: string;
  readonly interval?: string;
  readonly mark?: Mark;
  /** The number of the line below that says why there is no value. */
  readonly why?: number;
}

export interface TableRow {
  /** Of each of {@link FigureTable.labels}. */
  readonly labels: readonly string[];
  readonly cells: readonly TableCell[];
}

export interface FigureTable {
  /** Titles of the columns that say what a row is. */
  readonly labels: readonly string[];
  readonly columns: readonly { readonly group: string; readonly title: string }[];
  readonly rows: readonly TableRow[];
  /** What the marks mean, in the order of {@link markOrder}, those that are there. */
  readonly legend: Readonly<Partial<Record<Mark, string>>>;
  /** Lines of text below. */
  readonly lines: readonly string[];
}
