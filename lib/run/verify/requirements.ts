/**
 * Whether a run's figures are within bounds.
 *
 * @module
 */

import { type FigureCondition, figureOf, meetsCondition } from '../figure-condition.ts';
import { type Loose, loose } from '../loose.ts';
import type { BeforeAndAfter } from '../measure.ts';
import { type Check, checksOf } from './check.ts';

export function checkRequirements(record: Loose, conditions: readonly FigureCondition[]): Check[] {
  const { passed, failed } = checksOf('requirement');
  const evaluation = loose(loose(record.results).evaluation);
  const sets = Object.fromEntries(
    Object.entries(evaluation).filter(([, set]) => typeof set === 'object' && set !== null),
  ) as Partial<Record<'target' | 'retain', BeforeAndAfter>>;
  return conditions.map((condition) => {
    const value: unknown = figureOf(condition, sets);
    if (typeof value !== 'number') return failed(`expected ${condition.text}, found that it was not measured`);
    return meetsCondition(condition, value)
      ? passed(`${condition.text}: ${value}`)
      : failed(`expected ${condition.text}, found ${value}`);
  });
}
