/**
 * Algorithms that are more than one descent: adding one is a file and a line here.
 *
 * @module
 */

import { ssd } from './ssd.ts';

export const algorithms = [ssd] as const;
