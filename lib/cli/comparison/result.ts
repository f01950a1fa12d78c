/**
 * A comparison as a command's result.
 *
 * @module
 */

import { withoutUndefined } from '../../core/optional.ts';
import type { Comparison, ComparisonCell } from '../../eval/comparison/compare-logs.ts';
import { runOf } from '../../run/run-list.ts';
import type { CommandResult } from '../terminal.ts';
import type { EvaluatedRow } from './evaluate-models.ts';
import { type ComparisonForm, printComparison } from './forms.ts';
import { comparisonTable, type RowFacts } from './table.ts';

/** What the command prints of a comparison; `rows` are its models. */
export async function comparisonResult(
  comparison: Comparison,
  rows: readonly EvaluatedRow[],
  { format, intervals }: { readonly format: ComparisonForm | 'json'; readonly intervals: boolean },
): Promise<CommandResult> {
  const facts = await Promise.all(rows.map(factsOf));
  const { models, ...head } = comparison;
  const result = {
    ...head,
    models: models.map(({ name, cells }, row) => ({
      name,
      path: rows[row]!.path,
      log: rows[row]!.file,
      ...withoutUndefined({ attack: rows[row]!.log.recorded?.attack }),
      ...facts[row],
      cells: cells.map(cellResult),
    })),
  };
  const table = comparisonTable(comparison, facts, { intervals });
  return { result, text: printComparison(format === 'json' ? 'text' : format, table) };
}

/** JSON has no infinity. */
function cellResult({ value, ...rest }: ComparisonCell): object {
  const hasValue = Number.isFinite(value);
  return { value: hasValue ? value : null, ...(hasValue || rest.why ? {} : { why: 'infinite' }), ...rest };
}

/** By which method and optimizer a model came to be, where its folder is that of a run. */
async function factsOf({ path: folder, file }: EvaluatedRow): Promise<RowFacts> {
  if (folder === file) return {};
  const { method, optimizer } = (await runOf(folder)) ?? {};
  return withoutUndefined({ method, optimizer });
}
