/**
 * Each optimizer less the study's first, paired by draw.
 *
 * @module
 */

import { withoutUndefined } from '../../../core/optional.ts';
import { numberText } from '../../page/numbers.ts';
import { rowsFrame } from '../../plot/panels.ts';
import {
  optimizerLegend,
  optimizerNames,
  panelsBySetting,
  panelTitle,
  type Setting,
  type StudySource,
  settingOf,
  styleOf,
} from '../../study-source.ts';
import { figure } from '../figure.ts';

type Row = Setting & {
  readonly figure: string;
  readonly better: string;
  readonly optimizer: string;
  readonly other: string;
  readonly difference: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly draws: number;
};

function rows(source: StudySource): Row[] {
  const { figures, comparisons } = source.summary;
  const first = optimizerNames(source)[0];
  return figures
    .filter(({ unit, better }) => (unit === 'probability' || unit === 'share') && better !== 'neither')
    .flatMap(({ name, better }) =>
      comparisons
        .filter((comparison) => comparison.figure === name && comparison.other === first)
        .map((comparison) => {
          const { optimizer, other, difference } = comparison;
          const { mean, low, high, draws } = difference;
          return {
            ...settingOf(comparison),
            figure: name,
            better,
            optimizer,
            other,
            difference: mean,
            low,
            high,
            draws,
          };
        }),
    );
}

/** Half of the narrowest axis: what is less is rounding, and would look like a difference. */
const narrowest = 0.001;

const betterText = { lower: ', lower is better', higher: ', higher is better', neither: '' } as const;

export const differences = figure<StudySource, Row>({
  name: 'differences',
  title: 'How the others differ from the first optimizer',
  text: 'Mean of the differences between chosen trials of the same draw, with its 95 % interval by Student\u2019s t over draws. An interval that holds 0 says that these draws do not tell the two apart.',
  rows,
  draw: (all, source, plot) => {
    const { figures } = source.summary;
    const first = optimizerNames(source)[0]!;
    return {
      legend: optimizerLegend(source, all, 'mark'),
      panels: panelsBySetting(source, all, (ofSetting, setting) =>
        figures.flatMap(({ name, label, unit, better }) => {
          const own = ofSetting.filter((row) => row.figure === name);
          if (own.length === 0) return [];
          const marks = own.flatMap((row) => {
            const { color, symbol } = styleOf(source, row.optimizer);
            const y = () => row.optimizer;
            const interval =
              row.low === undefined || row.high === undefined
                ? []
                : [plot.ruleY([row], { y, x1: 'low', x2: 'high', stroke: color, strokeWidth: 2 })];
            const title = () => `${row.optimizer} less ${first}: ${numberText(row.difference, unit)}`;
            return [...interval, plot.dot([row], { y, x: 'difference', fill: color, symbol, r: 5, title })];
          });
          const optimizers = own.map(({ optimizer }) => optimizer);
          const widest = Math.max(
            ...own.flatMap(({ difference, low = 0, high = 0 }) => [difference, low, high].map(Math.abs)),
          );
          const domain = widest < narrowest ? [-narrowest, narrowest] : undefined;
          const x = {
            label: `difference to ${first}`,
            zero: true,
            tickFormat: shortTick,
            ...withoutUndefined({ domain }),
          };
          return [
            {
              title: panelTitle(source, setting, `${label}${betterText[better]}`),
              plot: rowsFrame(optimizers, x, [plot.ruleX([0], { stroke: 'currentColor' }), ...marks]),
            },
          ];
        }),
      ),
    };
  },
});

/** A tick with no more digits than it needs. */
function shortTick(value: number): string {
  return String(Number(value.toPrecision(3))).replace('-', '\u2212');
}
