/**
 * Projections: what points against another term is taken out of a gradient.
 *
 * @module
 */

import type { GradientRule } from '../gradient-rule.ts';
import { gradientNorms } from './gradient-norms.ts';

/** The coefficient of g, of this norm, in f's projection onto the plane across g: f - (f.g / g.g) g, where they conflict. */
function against(fg: number, norm: number): number {
  return fg < 0 && norm > 0 ? -fg / norm / norm : 0;
}

export interface GruOptions {
  /** Share of the running mean that stays at each step. Default 0.2: the released code takes 0.8 of the new gradient. */
  decay?: number;
}

/**
 * The forget gradient without what raises the retain loss, plus the retain gradient: f + max(0, -f.a / a.a) a + r, with a the running
 * mean of r. To first order a step along it does not raise the retain loss that a stands for.
 *
 * Source: GRU, Wang et al., arXiv 2503.09117.
 *
 * @param forget name of the term that forgets
 * @param retain name of the term that is protected
 */
export function gradientRectified(forget: string, retain: string, { decay = 0.2 }: GruOptions = {}): GradientRule {
  return {
    name: 'gru',
    averages: [{ of: retain, decay }],
    combine(products, names) {
      const [f, r, a] = [names.indexOf(forget), names.indexOf(retain), names.length];
      const coefficients = products.map((_, i): number => (i === r || i === f ? 1 : 0));
      if (f >= 0) coefficients[a] = against(products[f]![a]!, gradientNorms(products)[a]!);
      return coefficients;
    },
  };
}

/**
 * Each gradient without what points against each other one, summed: for two terms f - (f.r / r.r) r + r - (f.r / f.f) f where they
 * disagree. With more, each is projected onto the others in their order; the paper shuffles that order.
 *
 * Source: PCGrad, Yu et al., arXiv 2001.06782.
 */
export function projectConflicts(): GradientRule {
  return {
    name: 'pcgrad',
    combine(products) {
      const norms = gradientNorms(products);
      const sum = new Array<number>(products.length).fill(0);
      for (const i of products.keys()) {
        // The projected gradient as a combination of all.
        const own = products.map((_, j): number => (j === i ? 1 : 0));
        for (const j of products.keys()) {
          if (j === i) continue;
          const inner = own.reduce((total, each, k) => total + each * products[k]![j]!, 0);
          own[j]! += against(inner, norms[j]!);
        }
        for (const [j, each] of own.entries()) sum[j]! += each;
      }
      return sum;
    },
  };
}
