/**
 * All trials of a study: what was searched, and what each came to.
 *
 * @module
 */

import type { TrialRecord } from '../../study/trial/record.ts';
import { html, type Markup } from '../page/html.ts';
import { numberText } from '../page/numbers.ts';
import { type Column, table } from '../page/table.ts';
import { optimizerNames, type Setting, type StudySource, settingOf } from '../study-source.ts';
import { recordedTrials, recordId } from './records.ts';

/** Columns for what differs within a study. */
function settingColumns<Row extends Setting>({ summary }: StudySource): Column<Row>[] {
  const { models, splits, methods } = summary.study;
  return [
    ...(models.length > 1 ? [{ head: 'model', cell: ({ model }: Row) => model }] : []),
    ...(splits.length > 1 ? [{ head: 'split', cell: ({ split }: Row) => split }] : []),
    ...(methods.length > 1 ? [{ head: 'method', cell: ({ method }: Row) => method }] : []),
  ];
}

/** Every trial with what was searched and what it came to. */
export function trialsTable(source: StudySource): Markup {
  const choices = source.summary.cells.flatMap((cell) => cell.chosen);
  const [atEnd, atEqual] = [new Set(choices.map(({ end }) => end)), new Set(choices.map(({ equal }) => equal))];
  const chosenAs = (id: string) =>
    [...(atEnd.has(id) ? ['at the end'] : []), ...(atEqual.has(id) ? ['at equal forgetting'] : [])].join(', ');
  const recorded = new Set(recordedTrials(source).map(({ id }) => id));
  const end = (trial: TrialRecord) => (trial.outcome === 'done' ? trial.path.at(-1)?.test : undefined);
  const rate = ({ optimizerSettings }: TrialRecord) => {
    const { learningRate } = optimizerSettings;
    return typeof learningRate === 'number' ? learningRate : undefined;
  };
  const number = (head: string, value: (trial: TrialRecord) => number | undefined, text = ''): Column<TrialRecord> => ({
    head,
    text,
    cell: (trial) => numberText(value(trial)),
    by: value,
  });
  const probability = (head: string, value: (trial: TrialRecord) => number | undefined, text: string) => ({
    ...number(head, value, text),
    cell: (trial: TrialRecord) => numberText(value(trial), 'probability'),
  });
  const columns: Column<TrialRecord>[] = [
    {
      head: 'optimizer',
      cell: ({ optimizer, id }) => (recorded.has(id) ? html`<a href="#${recordId(id)}">${optimizer}</a>` : optimizer),
      by: ({ optimizer }) => optimizer,
    },
    ...settingColumns<TrialRecord>(source),
    number('draw', ({ draw }) => draw),
    number('trial', ({ trial }) => trial),
    {
      head: 'outcome',
      cell: ({ outcome, reason }) => html`<span title="${reason ?? ''}">${outcome}</span>`,
      by: ({ outcome }) => outcome,
    },
    {
      head: 'chosen',
      text: 'By the validation half: by its score at the end, or by what it keeps at equal forgetting.',
      cell: ({ id }) => chosenAs(id),
    },
    number('learning rate', rate),
    number('retain coefficient', ({ searched }) => searched.retainCoefficient),
    number('clipped', ({ searched }) => searched.clippedFraction, 'The share of weights that was asked for.'),
    probability(
      'forget',
      (trial) => end(trial)?.forget,
      'Probability of the forget answers at the end, in the half that is reported.',
    ),
    probability('retain', (trial) => end(trial)?.retain, 'Probability of the retain answers, likewise.'),
    probability('moved', ({ moved }) => moved, 'Share of weights whose value differs from the start\u2019s.'),
    { ...number('seconds', ({ cost }) => cost.seconds), cell: ({ cost }) => numberText(cost.seconds, 'seconds') },
  ];
  const order = optimizerNames(source);
  const rows = source.trials.toSorted(
    (a, b) => order.indexOf(a.optimizer) - order.indexOf(b.optimizer) || a.draw - b.draw || a.trial - b.trial,
  );
  const own = columns.filter(({ by, cell }) => rows.some((trial) => (by ? by(trial) : cell(trial)) !== undefined));
  return table({
    id: 'table-trials',
    caption: `${rows.length} trials; the name of each${recorded.size < rows.length ? ' that was chosen' : ''} leads to its record.`,
    columns: own,
    rows,
    data: rows.map((trial) => {
      const { id, optimizer, draw, trial: counted, outcome, reason, searched, steps, moved, distance, cost } = trial;
      return {
        id,
        ...settingOf(trial),
        ...{ optimizer, draw, trial: counted, outcome, reason },
        chosen: chosenAs(id),
        learningRate: rate(trial),
        ...searched,
        steps,
        forget: end(trial)?.forget,
        retain: end(trial)?.retain,
        forgetValidation: trial.outcome === 'done' ? trial.path.at(-1)?.validation.forget : undefined,
        retainValidation: trial.outcome === 'done' ? trial.path.at(-1)?.validation.retain : undefined,
        moved,
        distance,
        ...cost,
      };
    }),
  });
}
