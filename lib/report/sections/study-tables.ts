/**
 * The tables of a study as the analysis makes them, SOUL's tables 2 and 6 among them, with columns that sort.
 *
 * @module
 */

import type { Mark, TableCell, TableRow } from '../../eval/comparison/figure-table.ts';
import { studyTables } from '../../study/analysis/tables/list.ts';
import { columnTitle } from '../../study/analysis/tables/numbers.ts';
import type { StudyTable } from '../../study/analysis/tables/study-table.ts';
import { csvLink, type DataRow } from '../page/csv.ts';
import { html, type Markup } from '../page/html.ts';
import { type Column, table } from '../page/table.ts';
import { type StudySource, settingOf } from '../study-source.ts';
import { facts } from './facts.ts';

/** All tables, and the figures behind them in full. */
export function resultTables(source: StudySource): Markup {
  const tables = studyTables(source.summary);
  if (tables.length === 0) return html`<p class="quiet">No draw has all its trials yet.</p>`;
  const figures = summaryRows(source);
  return html`${tables.map((each) => tablePart(each, source))}<p>${csvLink('summary', figures)}: all figures of all optimizers, with all digits.</p>
${figureTexts(source)}`;
}

const signs: Readonly<Record<Mark, string>> = { best: '\u2020', differs: '*', same: '\u2248', untold: '?' };

function tablePart({ name, title, labels, columns, rows, legend, lines }: StudyTable, source: StudySource): Markup {
  const own: Column<TableRow>[] = [
    // The optimizer names the row.
    ...labels.map((head, i): Column<TableRow> => ({ head, cell: (row) => row.labels[i] })).reverse(),
    ...columns.map(
      ({ group, title: head }, i): Column<TableRow> => ({
        head,
        group,
        text: textOf(head, source),
        cell: ({ cells }) => cellPart(cells[i]!),
        by: ({ cells }) => numberOf(cells[i]!),
      }),
    ),
  ];
  const marks = Object.entries(legend).map(([mark, text]) => `${signs[mark as Mark]} ${text}`);
  return html`<h3>${title}</h3>
${table({ id: `table-${name}`, caption: [...lines, ...marks].join('; '), columns: own, rows })}`;
}

/** What all figures that stand in the tables are, for those who have no mouse to point at the head of a column. */
function figureTexts({ summary: { figures, cells } }: StudySource): Markup {
  const shown = figures.filter(({ name }) => cells.some((cell) => cell.figures[name]));
  return html`<details id="figure-texts"><summary>What the figures are</summary>
${facts(shown.map(({ label, text }) => [label, text]))}</details>\n`;
}

/** What a figure is, by the head of its column. */
function textOf(head: string, { summary }: StudySource): string | undefined {
  return summary.figures.find((figure) => columnTitle(figure) === head)?.text;
}

function cellPart({ value, interval, mark }: TableCell): Markup {
  return html`${value}${mark && html`<sup>${signs[mark]}</sup>`}${interval && html` <span class="quiet">${interval}</span>`}`;
}

/** Values of a column have one unit, which its head names. */
function numberOf({ value }: TableCell): number | undefined {
  const number = Number(value);
  return Number.isNaN(number) ? undefined : number;
}

function summaryRows({ summary }: StudySource): DataRow[] {
  return summary.cells.flatMap((cell) =>
    Object.entries(cell.figures).map(([figure, { mean, low, high, draws }]) => ({
      ...settingOf(cell),
      optimizer: cell.optimizer,
      figure,
      mean,
      low,
      high,
      draws,
    })),
  );
}
