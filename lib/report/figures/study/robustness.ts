/**
 * What attacks bring back against what the model can still do.
 *
 * @module
 */

import { scoredTrial } from '../../../study/analysis/choose.ts';
import { utilityFigure } from '../../../study/analysis/figures/utility.ts';
import { frame, referenceEntry, referenceStyle } from '../../plot/panels.ts';
import {
  chosenTrials,
  isSame,
  optimizerLegend,
  optimizersIn,
  panelsBySetting,
  panelTitle,
  type Setting,
  type StudySource,
  settingOf,
  styleOf,
} from '../../study-source.ts';
import { figure } from '../figure.ts';

type Row = Setting & {
  readonly optimizer: string;
  readonly draw: number;
  readonly trial: number;
  readonly attack: string;
  readonly forgetAfterAttack: number;
  readonly retainAfterAttack: number;
  readonly utility: number;
  /** What the utility is of. */
  readonly utilityOf: string;
};

export const robustness = figure<StudySource, Row>({
  name: 'robustness',
  title: 'Robustness against utility',
  text: 'Probability of the forget answers after an attack, lower is better, against the utility: how much of the sets that no step uses is kept, as in the tables; where the start knows none, the probability of the retain answers. Chosen trials, a mark for each draw, in the half that is reported.',
  rows: (source) =>
    chosenTrials(source).flatMap(({ cell, draw, trial }) => {
      const known = utilityFigure.of({ trials: [trial], end: scoredTrial(trial) });
      const utility = known ?? trial.path.at(-1)?.test.retain;
      if (utility === undefined) return [];
      return Object.entries(trial.attacks ?? {}).map(([attack, figures]) => ({
        ...settingOf(cell),
        optimizer: cell.optimizer,
        draw,
        trial: trial.trial,
        attack,
        forgetAfterAttack: figures.forget.test,
        retainAfterAttack: figures.retain.test,
        utility,
        utilityOf: known === undefined ? 'retain set' : 'sets that no step uses',
      }));
    }),
  draw: (all, source, plot) => {
    const attacks = [...new Set(all.map(({ attack }) => attack))];
    const references = source.trials.some(({ retrainedAttacks }) => retrainedAttacks !== undefined);
    return {
      legend: [
        ...optimizerLegend(source, all, 'mark'),
        ...(references ? [referenceEntry('the retrained model under the same attack', 'line')] : []),
      ],
      panels: panelsBySetting(source, all, (ofSetting, setting) =>
        attacks.flatMap((attack) => {
          const own = ofSetting.filter((row) => row.attack === attack);
          if (own.length === 0) return [];
          const retrained = source.trials.find((trial) => isSame(trial, setting) && trial.retrainedAttacks?.[attack]);
          const line = retrained?.retrainedAttacks?.[attack]?.forget.test;
          const marks = optimizersIn(source, own).map((name) => {
            const { color, symbol } = styleOf(source, name);
            return plot.dot(
              own.filter(({ optimizer }) => optimizer === name),
              {
                x: 'forgetAfterAttack',
                y: 'utility',
                symbol,
                fill: color,
                r: 5,
                title: ({ draw, forgetAfterAttack, utility }: Row) =>
                  `${name}, draw ${draw}: forget ${forgetAfterAttack.toFixed(3)}, utility ${utility.toFixed(3)}`,
              },
            );
          });
          const reference =
            line === undefined
              ? []
              : [plot.ruleX([line], { stroke: referenceStyle.color, strokeDasharray: referenceStyle.dash })];
          return [
            {
              title: panelTitle(source, setting, `After ${attack}`),
              plot: frame(
                { label: `forget probability after ${attack}`, nice: true, zero: true },
                { label: 'utility', nice: true },
                [...reference, ...marks],
              ),
            },
          ];
        }),
      ),
    };
  },
});
