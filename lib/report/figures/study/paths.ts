/**
 * Forget and retain probability over the steps: SOUL's figure 2.
 *
 * @module
 */

import { bandMarks, frame, referenceEntry, referenceStyle } from '../../plot/panels.ts';
import {
  chosenTrials,
  grouped,
  isSame,
  mean,
  optimizerLegend,
  optimizersIn,
  panelTitle,
  retrainedOf,
  type Setting,
  type StudySource,
  settingOf,
  settingsOf,
  styleOf,
} from '../../study-source.ts';
import { figure } from '../figure.ts';

type Row = Setting & {
  readonly optimizer: string;
  readonly set: 'forget' | 'retain';
  readonly step: number;
  readonly epoch: number;
  readonly mean: number;
  readonly lowest: number;
  readonly highest: number;
  readonly draws: number;
};

function rows(source: StudySource): Row[] {
  const chosen = chosenTrials(source);
  return grouped(chosen, ({ cell }) => JSON.stringify([settingOf(cell), cell.optimizer])).flatMap(([, trials]) => {
    const { cell } = trials[0]!;
    const points = trials.flatMap(({ trial }) => trial.path).toSorted((a, b) => a.step - b.step);
    return (['forget', 'retain'] as const).flatMap((set) =>
      grouped(points, ({ step }) => step).map(([step, those]) => {
        const values = those.map(({ test }) => test[set]);
        return {
          ...settingOf(cell),
          optimizer: cell.optimizer,
          set,
          step,
          epoch: those[0]!.epoch,
          mean: mean(values),
          lowest: Math.min(...values),
          highest: Math.max(...values),
          draws: values.length,
        };
      }),
    );
  });
}

export const paths = figure<StudySource, Row>({
  name: 'paths',
  title: 'Forgetting and keeping, step by step',
  text: 'Mean probability of the answers in the half that is reported, of the trials that the other half chose. A line is the mean over draws, the band around it the lowest and the highest draw.',
  rows,
  draw: (all, source, plot) => {
    const settings = settingsOf(source);
    const hasReference = settings.some((setting) => retrainedOf(source, setting) !== undefined);
    return {
      legend: [
        ...optimizerLegend(source, all, 'both'),
        ...(hasReference ? [referenceEntry('retrained without the forget set', 'line')] : []),
      ],
      panels: settings.flatMap((setting) =>
        (['forget', 'retain'] as const).flatMap((set) => {
          const own = all.filter((row) => row.set === set && isSame(row, setting));
          if (own.length === 0) return [];
          const reference = retrainedOf(source, setting)?.[set];
          const marks = optimizersIn(source, own).flatMap((name) => {
            const band = own
              .filter(({ optimizer }) => optimizer === name)
              .map(({ step, mean: value, lowest, highest }) => ({ x: step, mean: value, low: lowest, high: highest }));
            return bandMarks(plot, band, styleOf(source, name));
          });
          const line =
            reference === undefined
              ? []
              : [plot.ruleY([reference], { stroke: referenceStyle.color, strokeDasharray: referenceStyle.dash })];
          return [
            {
              title: panelTitle(
                source,
                setting,
                set === 'forget' ? 'Forget set, lower is better' : 'Retain set, higher is better',
              ),
              plot: frame(
                { label: 'optimizer steps' },
                { label: 'probability', domain: domainOf(set, own, reference) },
                [...line, ...marks],
              ),
            },
          ];
        }),
      ),
    };
  },
});

/** What is forgotten is seen from 0, what is kept as far down as it goes. */
function domainOf(set: Row['set'], rows: readonly Row[], reference = 0): [number, number] {
  const lowest = set === 'forget' ? 0 : Math.min(...rows.map((row) => row.lowest));
  return [
    Math.max(Math.floor(20 * lowest - 1) / 20, 0),
    Math.max(reference, ...rows.map(({ highest }) => highest), 1e-6),
  ];
}
