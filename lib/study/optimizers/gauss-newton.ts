/**
 * Sophia with an estimate of the Gauss-Newton diagonal (arXiv 2305.14342): of which set, by which labels, and how much it clips.
 *
 * rho is found at the first step, as runs do it: the share that is clipped there drifts later, and a trial's record follows it.
 *
 * @module
 */

import type { HessianData } from '../../unlearn/curvature.ts';
import type { StudyOptimizer } from '../definition/study.ts';

const sophia = {
  optimizer: 'sophia',
  settings: {},
  curvature: { labels: 'sampled' },
  hessianData: 'retain',
  searches: [],
} as const satisfies Omit<StudyOptimizer, 'name' | 'text'>;

const shares = { retain: 'the retain set', forget: 'the forget set', both: 'both sets' } satisfies Record<
  HessianData,
  string
>;

function clipping(percent: number, data: HessianData, name: string): StudyOptimizer {
  return {
    ...sophia,
    name,
    text: `Sophia, Gauss-Newton-Bartlett estimate of ${shares[data]}, ${percent} % of the weights clipped at the first step`,
    settings: { clippedFraction: percent / 100 },
    hessianData: data,
  };
}

export const gnb1 = clipping(1, 'retain', 'gnb-1');
export const gnb10 = clipping(10, 'retain', 'gnb-10');
export const gnb50 = clipping(50, 'retain', 'gnb-50');
export const gnbForget = clipping(10, 'forget', 'gnb-forget');
export const gnbBoth = clipping(10, 'both', 'gnb-both');

/** The share that is clipped is searched with the learning rate. */
export const gnb: StudyOptimizer = {
  ...sophia,
  name: 'gnb',
  text: 'Sophia, Gauss-Newton-Bartlett estimate of the retain set, the clipped share searched',
  searches: ['clippedFraction'],
};

/** The data's own labels in place of the model's: the empirical Fisher. */
export const fisher: StudyOptimizer = {
  ...sophia,
  name: 'fisher',
  text: "Sophia, empirical Fisher of the retain set (the data's labels in place of sampled ones), 10 % of the weights clipped at the first step",
  settings: { clippedFraction: 0.1 },
  curvature: { labels: 'given' },
};
