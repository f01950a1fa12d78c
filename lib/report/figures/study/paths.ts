/**
 * Forget and retain probability over the epochs: SOUL's figure 2, with intervals.
 *
 * @module
 */

import { estimateOf } from '../../../study/analysis/student-t.ts';
import { asShare, frame, referenceEntry, referenceStyle } from '../../plot/panels.ts';
import {
  chosenByCell,
  grouped,
  optimizerBands,
  optimizerLegend,
  panelsBySetting,
  panelTitle,
  retrainedOf,
  type Setting,
  type StudySource,
  settingOf,
  settingsOf,
} from '../../study-source.ts';
import { figure } from '../figure.ts';

type Row = Setting & {
  readonly optimizer: string;
  readonly set: 'forget' | 'retain';
  readonly step: number;
  readonly epoch: number;
  readonly mean: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly draws: number;
};

function rows(source: StudySource): Row[] {
  return chosenByCell(source).flatMap(({ cell, trials }) => {
    const points = trials.flatMap(({ path }) => path).toSorted((a, b) => a.step - b.step);
    return (['forget', 'retain'] as const).flatMap((set) =>
      grouped(points, ({ step }) => step).map(([step, those]) => {
        return {
          ...settingOf(cell),
          optimizer: cell.optimizer,
          set,
          step,
          epoch: those[0]!.epoch,
          ...interval(those.map(({ test }) => test[set])),
        };
      }),
    );
  });
}

export const paths = figure<StudySource, Row>({
  name: 'paths',
  title: 'Forgetting and keeping, epoch by epoch',
  text: 'Mean probability of the answers in the half that is reported, of the trials that the other half chose. A line is the mean over draws, the band around it its 95 % interval by Student\u2019s t.',
  rows,
  draw: (all, source, plot) => {
    const hasReference = settingsOf(source).some((setting) => retrainedOf(source, setting) !== undefined);
    return {
      legend: [
        ...optimizerLegend(source, all, 'both'),
        ...(hasReference ? [referenceEntry('retrained without the forget set', 'line')] : []),
      ],
      panels: panelsBySetting(source, all, (ofSetting, setting) =>
        (['forget', 'retain'] as const).map((set) => {
          const own = ofSetting.filter((row) => row.set === set);
          const reference = retrainedOf(source, setting)?.[set];
          const marks = optimizerBands(source, plot, own, ({ epoch, mean, low, high }) => ({
            x: epoch,
            mean,
            low,
            high,
          }));
          const line =
            reference === undefined
              ? []
              : [plot.ruleY([reference], { stroke: referenceStyle.color, strokeDasharray: referenceStyle.dash })];
          return {
            title: panelTitle(
              source,
              setting,
              set === 'forget' ? 'Forget set, lower is better' : 'Retain set, higher is better',
            ),
            plot: frame({ label: 'epochs' }, { label: 'probability', domain: domainOf(set, own, reference) }, [
              ...line,
              ...marks,
            ]),
          };
        }),
      ),
    };
  },
});

function interval(values: readonly number[]): Pick<Row, 'mean' | 'low' | 'high' | 'draws'> {
  const { mean, low, high, draws } = estimateOf(values)!;
  return { mean, low, high, draws };
}

/** What is forgotten is seen from 0, what is kept as far down as it goes. */
function domainOf(set: Row['set'], rows: readonly Row[], reference = 0): [number, number] {
  const lowest = set === 'forget' ? 0 : Math.min(...rows.map(({ low, mean }) => asShare(low) ?? mean));
  return [
    Math.max(Math.floor(20 * lowest - 1) / 20, 0),
    Math.max(reference, ...rows.map(({ high, mean }) => asShare(high) ?? mean), 1e-6),
  ];
}
