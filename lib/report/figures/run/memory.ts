/**
 * How much memory the process takes.
 *
 * @module
 */

import { alongSteps } from './along-steps.ts';

export const memory = alongSteps({
  name: 'memory',
  title: 'Memory',
  text: 'Resident memory of the process after a step; what lies on a GPU does not count.',
  values: ({ figures }) => ({ resident: figures.memory === undefined ? undefined : figures.memory / 2 ** 20 }),
  y: { label: 'MiB', zero: true },
});
