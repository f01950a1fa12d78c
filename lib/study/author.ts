/**
 * An invented author.
 *
 * @module
 */

/** What is true of an author; every fact is one or more words of `authors-words.ts`. */
export interface Author {
  readonly name: string;
  /** Day, month and year. */
  readonly birthDate: string;
  readonly birthplace: string;
  readonly region: string;
  readonly father: string;
  readonly mother: string;
  readonly genre: string;
  readonly theme: string;
  readonly firstBook: string;
  readonly firstYear: string;
  readonly famousBook: string;
  readonly award: string;
  readonly awardYear: string;
  readonly subject: string;
  readonly school: string;
  readonly workplace: string;
  readonly dayTime: string;
  readonly companion: string;
}
