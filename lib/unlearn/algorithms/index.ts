/**
 * Algorithms that are more than one descent: adding one is a file and a line here.
 *
 * @module
 */

export const algorithms = [] as const;
