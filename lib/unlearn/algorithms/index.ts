/**
 * Algorithms that are more than one descent: adding one is a file and a line here.
 *
 * @module
 */

import { average } from './average.ts';
import { deepzero } from './deepzero.ts';
import { foZo } from './fo-zo.ts';
import { influence } from './influence.ts';
import { l1Sparse } from './l1-sparse.ts';
import { mezo } from './mezo.ts';
import { prune } from './prune.ts';
import { rmu } from './rmu.ts';
import { sam } from './sam.ts';
import { spunge } from './spunge.ts';
import { ssd } from './ssd.ts';
import { taskArithmetic } from './task-arithmetic.ts';
import { wagle } from './wagle.ts';

export const algorithms = [
  rmu,
  wagle,
  prune,
  l1Sparse,
  ssd,
  influence,
  taskArithmetic,
  spunge,
  sam,
  average,
  mezo,
  deepzero,
  foZo,
] as const;
