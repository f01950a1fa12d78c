import { expect, test } from '@jest/globals';
import { escapeLatex, escapeMarkdown, printComparison } from '../../lib/cli/comparison/forms.ts';
import { comparisonTable } from '../../lib/cli/comparison/table.ts';
import type { Comparison } from '../../lib/eval/index.ts';

const column = (group: string, title: string) => ({ metric: title, group, title, direction: 'higher' as const });

const comparison: Comparison = {
  profile: 'tofu',
  truthRatioMean: 'geometric',
  embedder: 'mini_lm',
  items: { forget: 40 },
  columns: [column('', 'utility'), column('forget', 'p_1'), column('forget', 'MIA')],
  models: [
    {
      name: 'a|b_c',
      cells: [
        { value: 0.5, interval: [0.25, 0.75], standing: 'best' },
        { value: 1e-21, standing: 'alike' },
        { why: 'no 50% & more' },
      ],
    },
    {
      name: 'long name',
      cells: [{ value: -2, standing: 'different' }, { value: 0.1, standing: 'best' }, { why: 'no 50% & more' }],
    },
  ],
  resamples: 1000,
  level: 0.95,
  notes: [],
};
const table = comparisonTable(comparison, [{ method: 'npo' }, {}], { intervals: true });

test('text has aligned columns, marks, their meaning, and why there is no value', () => {
  const lines = printComparison('text', table, 200).split('\n');
  expect(lines.slice(0, 4)).toEqual([
    'model      method  utility                forget p_1  forget MIA',
    '---------  ------  ---------------------  ----------  ----------',
    'a|b_c      npo     0.500* [0.250, 0.750]  1.00e-21~   n/a (1)',
    'long name          -2.000                 0.100*      n/a (1)',
  ]);
  const below = lines.slice(5);
  expect(below).toContain('* the best of its column');
  expect(below).toContain(
    '~ does not differ from the best of its column: the 95% interval of their difference holds 0',
  );
  expect(below).toContain('(1) no 50% & more');
  expect(below).toContain('accuracy by the sentence embeddings of mini_lm');
  expect(below.filter((line) => line.includes('profile tofu') && line.includes('40 of forget'))).toHaveLength(1);
});

test('columns without room stand below beside the names, and no line is longer', () => {
  const lines = printComparison('text', table, 44)
    .split('\n')
    .filter((line) => /^(model|a\||long)/.test(line));
  expect(lines).toEqual([
    'model      method  utility',
    'a|b_c      npo     0.500* [0.250, 0.750]',
    'long name          -2.000',
    'model      forget p_1  forget MIA',
    'a|b_c      1.00e-21~   n/a (1)',
    'long name  0.100*      n/a (1)',
  ]);
});

test('Markdown has as many cells in every row, and nothing of a name acts', () => {
  const lines = printComparison('markdown', table).split('\n');
  expect(lines.slice(0, 4)).toEqual([
    '| model | method | utility | forget p\\_1 | forget MIA |',
    '| :--- | :--- | ---: | ---: | ---: |',
    '| a\\|b\\_c | npo | **0.500** \\[0.250, 0.750\\] | 1.00e-21 \\~ | n/a (1) |',
    '| long name |  | -2.000 | **0.100** | n/a (1) |',
  ]);
  expect(escapeMarkdown('*a*\n<b> `c` [d](e) \\')).toBe('\\*a\\* \\<b\\> \\`c\\` \\[d\\](e) \\\\');
});

test('LaTeX has groups above its columns, powers of ten, and escapes', () => {
  const text = printComparison('latex', table);
  expect(text).toContain('\\begin{tabular}{llrrr}');
  expect(text).toContain(' &  & \\multicolumn{1}{c}{} & \\multicolumn{2}{c}{forget} \\\\\n\\cmidrule(lr){4-5}\n');
  expect(text).toContain(
    'a\\textbar{}b\\_c & npo & \\textbf{0.500} {\\scriptsize [0.250, 0.750]} & $1.00 \\cdot 10^{-21}$$^{\\sim}$ & n/a$^{(1)}$ \\\\',
  );
  expect(text).toContain('(1) no 50\\% \\& more');
  for (const row of text.split('\n').filter((line) => line.endsWith(' \\\\') && !line.includes('multicolumn'))) {
    expect(row.match(/(?<!\\)&/g)).toHaveLength(4);
  }
  expect(escapeLatex('\\{}_^~%$#&')).toBe(
    '\\textbackslash{}\\{\\}\\_\\textasciicircum{}\\textasciitilde{}\\%\\$\\#\\&',
  );
});

test('one model alone is marked nowhere', () => {
  const alone = comparisonTable({ ...comparison, models: comparison.models.slice(0, 1) }, [{}], { intervals: false });
  expect(printComparison('text', alone, 200).split('\n')[2]).toBe('a|b_c    0.500  1.00e-21    n/a (1)');
});
