/**
 * Algorithms that are more than one descent: adding one is a file and a line here.
 *
 * @module
 */

import { spunge } from './spunge.ts';
import { ssd } from './ssd.ts';
import { taskArithmetic } from './task-arithmetic.ts';

export const algorithms = [ssd, taskArithmetic, spunge] as const;
