/**
 * The forms that a table of figures is printed in.
 *
 * @module
 */

import { type FigureTable, type Mark, markOrder, type TableCell } from '../../eval/comparison/figure-table.ts';
import { table } from '../terminal.ts';

export const comparisonForms = ['text', 'markdown', 'latex'] as const;
export type ComparisonForm = (typeof comparisonForms)[number];

/** @param room characters of a line, of text */
export function printComparison(form: ComparisonForm, of: FigureTable, room = process.stdout.columns ?? 120): string {
  switch (form) {
    case 'markdown':
      return markdown(of);
    case 'latex':
      return latex(of);
    default:
      return text(of, room);
  }
}

const textMarks = { best: '*', differs: '*', same: '~', untold: '?' } as const satisfies Record<Mark, string>;

/** Columns that find no room stand below, beside the models' names once more. */
function text(of: FigureTable, room: number): string {
  const titles = of.columns.map(({ group, title }) =>
    group === '' || title.startsWith(group) ? title : `${group} ${title}`,
  );
  const cells = of.rows.map((row) =>
    row.cells.map(({ value, mark, why, interval }) =>
      [`${value}${isMarked(of, mark) ? textMarks[mark] : ''}`, why === undefined ? interval : `(${why})`]
        .filter((part) => part !== undefined)
        .join(' '),
    ),
  );
  const widths = titles.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]!.length)) + 2);
  const blocks = blocksOf(
    widths,
    (count) => {
      const labels = of.rows.map((row) => row.labels.slice(0, count));
      return of.labels
        .slice(0, count)
        .map((label, i) => Math.max(label.length, ...labels.map((row) => row[i]!.length)) + 2)
        .reduce((sum, width) => sum + width, 0);
    },
    room,
    of.labels.length,
  );
  const tables = blocks.map(({ columns, labels }) =>
    table(
      [...of.labels.slice(0, labels), ...columns.map((column) => titles[column]!)],
      of.rows.map((row, i) => [...row.labels.slice(0, labels), ...columns.map((column) => cells[i]![column]!)]),
      labels,
    ),
  );
  const legend = markOrder
    .filter((mark) => of.legend[mark] !== undefined)
    .map((mark) => `${textMarks[mark]} ${of.legend[mark]}`);
  return [...tables, [...legend, ...of.lines].join('\n')].join('\n\n');
}

/** Which columns stand in which block; the first has all labels, others the models' names alone. */
function blocksOf(
  widths: readonly number[],
  labelsWidth: (count: number) => number,
  room: number,
  labels: number,
): { columns: number[]; labels: number }[] {
  const blocks: { columns: number[]; labels: number; left: number }[] = [];
  for (const [column, width] of widths.entries()) {
    const last = blocks.at(-1);
    if (last && last.left >= width) {
      last.columns.push(column);
      last.left -= width;
      continue;
    }
    const shown = blocks.length === 0 ? labels : 1;
    blocks.push({ columns: [column], labels: shown, left: room + 2 - labelsWidth(shown) - width });
  }
  return blocks.length > 0 ? blocks : [{ columns: [], labels }];
}

function isMarked({ legend }: FigureTable, mark: Mark | undefined): mark is Mark {
  return mark !== undefined && legend[mark] !== undefined;
}

/** As GitHub reads it; the best is bold. */
function markdown(of: FigureTable): string {
  const cell = ({ value, mark, why, interval }: TableCell) => {
    const shown = isMarked(of, mark)
      ? { best: `**${value}**`, differs: `**${value}**`, same: `${value} \\~`, untold: `${value} ?` }[mark]
      : value;
    return [shown, why === undefined ? interval && escapeMarkdown(interval) : `(${why})`]
      .filter((part) => part !== undefined)
      .join(' ');
  };
  const titles = of.columns.map(({ group, title }) =>
    escapeMarkdown(group === '' || title.startsWith(group) ? title : `${group} ${title}`),
  );
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const legend = { best: '**bold**: ', differs: '**bold**: ', same: '\\~: ', untold: '?: ' };
  return [
    line([...of.labels.map(escapeMarkdown), ...titles]),
    line([...of.labels.map(() => ':---'), ...titles.map(() => '---:')]),
    ...of.rows.map(({ labels, cells }) => line([...labels.map(escapeMarkdown), ...cells.map(cell)])),
    '',
    ...[
      ...markOrder
        .filter((mark) => of.legend[mark] !== undefined)
        .map((mark) => legend[mark] + escapeMarkdown(of.legend[mark]!)),
      ...of.lines.map(escapeMarkdown),
    ].map((each, i, all) => (i < all.length - 1 ? `${each}  ` : each)),
  ].join('\n');
}

/** A text in which no character has a meaning of its own. */
export function escapeMarkdown(plain: string): string {
  return plain.replace(/\s*\n\s*/g, ' ').replace(/[\\`*_{}[\]<>|~#&$]/g, (character) => `\\${character}`);
}

/** A tabular with the rules of booktabs, and the lines below it; the best is bold. */
function latex(of: FigureTable): string {
  const cell = ({ value, mark, why, interval }: TableCell) => {
    if (why !== undefined) return `n/a$^{(${why})}$`;
    const number = numberOfLatex(value);
    const shown = isMarked(of, mark)
      ? {
          best: `\\textbf{${number}}`,
          differs: `\\textbf{${number}}`,
          same: `${number}$^{\\sim}$`,
          untold: `${number}$^{?}$`,
        }[mark]
      : number;
    return interval === undefined ? shown : `${shown} {\\scriptsize ${intervalOfLatex(interval)}}`;
  };
  const row = (cells: readonly string[]) => `${cells.join(' & ')} \\\\`;
  const { labels, columns } = of;
  const groups = groupsOf(columns.map(({ group }) => group));
  let at = labels.length + 1;
  const rules = groups.map(({ name, count }) => {
    const rule = name === '' ? '' : `\\cmidrule(lr){${at}-${at + count - 1}}`;
    at += count;
    return rule;
  });
  const legend = { best: '\\textbf{bold}: ', differs: '\\textbf{bold}: ', same: '$^{\\sim}$: ', untold: '$^{?}$: ' };
  return [
    '% needs \\usepackage{booktabs}',
    `\\begin{tabular}{${'l'.repeat(labels.length)}${'r'.repeat(columns.length)}}`,
    '\\toprule',
    ...(groups.some(({ name }) => name !== '')
      ? [
          row([
            ...labels.map(() => ''),
            ...groups.map(({ name, count }) => `\\multicolumn{${count}}{c}{${escapeLatex(name)}}`),
          ]),
          rules.join(''),
        ]
      : []),
    row([...labels.map(escapeLatex), ...columns.map(({ title }) => escapeLatex(title))]),
    '\\midrule',
    ...of.rows.map((each) => row([...each.labels.map(escapeLatex), ...each.cells.map(cell)])),
    '\\bottomrule',
    '\\end{tabular}',
    '',
    ...[
      ...markOrder
        .filter((mark) => of.legend[mark] !== undefined)
        .map((mark) => legend[mark] + escapeLatex(of.legend[mark]!)),
      ...of.lines.map(escapeLatex),
    ].map((each) => `\\par\\footnotesize ${each}`),
  ].join('\n');
}

/** Neighbours of one name. */
function groupsOf(names: readonly string[]): { name: string; count: number }[] {
  const groups: { name: string; count: number }[] = [];
  for (const name of names) {
    const last = groups.at(-1);
    if (last?.name === name) last.count += 1;
    else groups.push({ name, count: 1 });
  }
  return groups;
}

function numberOfLatex(value: string): string {
  const [mantissa, exponent] = value.split('e');
  if (exponent !== undefined) return `$${mantissa} \\cdot 10^{${Number(exponent)}}$`;
  return value.startsWith('-') ? `$${value}$` : value;
}

function intervalOfLatex(interval: string): string {
  return interval.replace(/[-\d.]+(e[-+]\d+)?/g, numberOfLatex);
}

const latexCharacters: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '|': '\\textbar{}',
};

/** A text in which no character has a meaning of its own. */
export function escapeLatex(plain: string): string {
  return plain
    .replace(/\s*\n\s*/g, ' ')
    .replace(/[\\~^<>|&%$#_{}]/g, (character) => latexCharacters[character] ?? `\\${character}`);
}
