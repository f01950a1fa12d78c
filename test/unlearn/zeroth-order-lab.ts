/**
 * Labs of a few sequences, and runs of algorithms in them, for tests of gradients from differences of losses.
 *
 * @module
 */

import type { TokenSequence } from '../../lib/model/token-batch.ts';
import type { DescentOptions } from '../../lib/unlearn/descent-options.ts';
import type { RunEvent, StepEvent } from '../../lib/unlearn/events.ts';
import { Lab, type LabOptions } from '../../lib/unlearn/lab.ts';
import { algorithm, settingsFor } from '../../lib/unlearn/registry.ts';
import { PlainDescent } from './plain-descent.ts';

export const size = 8;
export const count = size ** 2;
export const target: TokenSequence[] = [0, 1, 2].map((first) => ({ tokens: [first, 1, 2, 3], labelsFrom: 1 }));
export const retain: TokenSequence[] = [{ tokens: [4, 6, 7, 5], labelsFrom: 1 }];

export function labOf(model: LabOptions['model'], descent: DescentOptions = {}, more: Partial<LabOptions> = {}) {
  const optimizer = new PlainDescent(model.parameters);
  const lab = new Lab({
    model,
    sets: { target, retain },
    optimizer: ({ frozen }) => {
      optimizer.frozen = frozen ?? optimizer.frozen;
      return optimizer;
    },
    descent: { batchSize: 3, steps: 1, ...descent },
    ...more,
  });
  return { lab, optimizer };
}

export async function all(events: AsyncGenerator<RunEvent, unknown, void>): Promise<RunEvent[]> {
  const found: RunEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

export const run = (name: string, lab: Lab, given: object = {}) =>
  all(algorithm(name).run(lab, settingsFor(algorithm(name), given) as never));
export const stepsOf = (events: readonly RunEvent[]) =>
  events.filter((event): event is StepEvent => event.kind === 'step');

export const squared = (numbers: ArrayLike<number>) => Array.from(numbers).reduce((sum, x) => sum + x * x, 0);
export const distance = (a: ArrayLike<number>, b: ArrayLike<number>) => squared(Array.from(b, (x, i) => a[i]! - x));
