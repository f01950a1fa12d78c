/**
 * Algorithms that are more than one descent: adding one is a file and a line here.
 *
 * @module
 */

import { average } from './average.ts';
import { l1Sparse } from './l1-sparse.ts';
import { prune } from './prune.ts';
import { sam } from './sam.ts';
import { spunge } from './spunge.ts';
import { ssd } from './ssd.ts';
import { taskArithmetic } from './task-arithmetic.ts';
import { wagle } from './wagle.ts';

export const algorithms = [wagle, prune, l1Sparse, ssd, taskArithmetic, spunge, sam, average] as const;
