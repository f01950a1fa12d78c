/**
 * Giving up what work held, whatever becomes of the work.
 *
 * @module
 */

/** What holds memory until it is released. */
export interface Releasable {
  release(): void | Promise<void>;
}

/**
 * Does the work, then releases what it held, one after the other, each in any case.
 *
 * @param held asked when the work has ended; what it had not come to make is undefined
 * @throws the first error: the work's, else that of a release
 */
export async function thenRelease<Result>(
  work: () => Promise<Result>,
  held: () => readonly (Releasable | undefined)[],
): Promise<Result> {
  const errors: unknown[] = [];
  const result = await work().catch((error: unknown) => {
    errors.push(error);
  });
  for (const one of held()) {
    try {
      await one?.release();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return result as Result;
}
