/**
 * Algorithms that are more than one descent: adding one is a file and a line here.
 *
 * @module
 */

import { ssd } from './ssd.ts';
import { taskArithmetic } from './task-arithmetic.ts';

export const algorithms = [ssd, taskArithmetic] as const;
