/**
 * Forget against retain of all trials, and what no other trial of the optimizer beats in both.
 *
 * @module
 */

import { frame, referenceEntry, referenceStyle } from '../../plot/panels.ts';
import {
  grouped,
  optimizerLegend,
  optimizersIn,
  panelsBySetting,
  panelTitle,
  retrainedOf,
  type Setting,
  type StudySource,
  settingOf,
  settingsOf,
  styleOf,
} from '../../study-source.ts';
import { figure } from '../figure.ts';

export type FrontRow = Setting & {
  readonly optimizer: string;
  readonly draw: number;
  readonly trial: number;
  readonly forget: number;
  readonly retain: number;
  /** Whether no trial of its optimizer, model, split and method forgets more and keeps more. */
  readonly front: boolean;
};

/**
 * Points that no other beats: none forgets at least as much and keeps at least as much, and one of them more. In the order of what is
 * forgotten, a point is beaten by those before it that keep as much, and by those beside it that keep more.
 */
export function frontOf<Point extends { readonly forget: number; readonly retain: number }>(
  points: readonly Point[],
): Set<Point> {
  const best = new Set<Point>();
  let [before, beside, forget] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const point of points.toSorted((a, b) => a.forget - b.forget || b.retain - a.retain)) {
    if (point.forget > forget) {
      before = Math.max(before, beside);
      beside = point.retain;
      forget = point.forget;
    }
    if (point.retain === beside && beside > before) best.add(point);
  }
  return best;
}

function rows({ trials }: StudySource): FrontRow[] {
  const ends = trials.flatMap((trial) => {
    const end = trial.path.at(-1);
    if (trial.outcome !== 'done' || end === undefined) return [];
    const { optimizer, draw, trial: number } = trial;
    return [{ ...settingOf(trial), optimizer, draw, trial: number, ...end.test }];
  });
  const cells = grouped(ends, ({ model, split, method, optimizer }) =>
    JSON.stringify([model, split, method, optimizer]),
  );
  const best = new Set(cells.flatMap(([, own]) => [...frontOf(own)]));
  return ends.map((end) => ({ ...end, front: best.has(end) }));
}

function titleOf({ optimizer, draw, trial, forget, retain }: FrontRow): string {
  return `${optimizer}, draw ${draw}, trial ${trial}: forget ${forget.toFixed(3)}, retain ${retain.toFixed(3)}`;
}

export const front = figure<StudySource, FrontRow>({
  name: 'front',
  title: 'What is forgotten against what is kept',
  text: 'Each mark is a trial at its end, in the half that is reported; the best place is at the top left. The line joins the trials of an optimizer that none of its others beats in both (the Pareto front). Trials that diverged have no mark.',
  rows,
  draw: (all, source, plot) => {
    const hasReference = settingsOf(source).some((setting) => retrainedOf(source, setting) !== undefined);
    return {
      legend: [
        ...optimizerLegend(source, all, 'both'),
        ...(hasReference ? [referenceEntry('retrained without the forget set', 'mark')] : []),
      ],
      panels: panelsBySetting(source, all, (own, setting) => {
        const reference = retrainedOf(source, setting);
        const marks = optimizersIn(source, own).flatMap((name) => {
          const { color, symbol, dash } = styleOf(source, name);
          const points = own.filter(({ optimizer }) => optimizer === name);
          const best = points.filter((point) => point.front).toSorted((a, b) => a.forget - b.forget);
          const place = { x: 'forget', y: 'retain' };
          return [
            plot.line(best, { ...place, stroke: color, strokeWidth: 1.5, strokeDasharray: dash, curve: 'step-after' }),
            ...[false, true].map((isFront) =>
              plot.dot(
                points.filter((point) => point.front === isFront),
                { ...place, symbol, fill: color, fillOpacity: isFront ? 0.95 : 0.4, r: 4, title: titleOf },
              ),
            ),
          ];
        });
        const panel = {
          title: panelTitle(source, setting, 'Retain against forget'),
          plot: frame(
            { label: 'probability of the forget answers', nice: true, zero: true },
            { label: 'probability of the retain answers', nice: true },
            [
              ...marks,
              ...(reference
                ? [
                    plot.dot([reference], {
                      x: 'forget',
                      y: 'retain',
                      symbol: referenceStyle.symbol,
                      fill: referenceStyle.color,
                      stroke: 'var(--page)',
                      r: 7,
                      title: () => 'retrained without the forget set',
                    }),
                  ]
                : []),
            ],
          ),
        };
        return [panel];
      }),
    };
  },
});
