/**
 * How the gradients of several terms become one.
 *
 * @module
 */

import { invalidArgument, SoulError } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { axpy, dot, gram, scale } from '../core/vector-operations.ts';

/**
 * A rule that sees the inner products of the terms' gradients alone, and so is a pure function with a closed form. The gradients of
 * weights that the optimizer leaves as they are (`frozen`) are 0 in them, whatever they were.
 *
 * A term's own coefficient acts before the rule.
 */
export interface GradientRule {
  readonly name: string;
  /** Running means of terms' gradients that it looks at too, a <- (1 - decay) * g + decay * a, the first of them g itself. */
  readonly averages?: readonly { readonly of: string; readonly decay: number }[];
  /**
   * @param products the Gram matrix of the terms' gradients and, behind them, of the averages
   * @param names of the terms, in order
   * @returns for each of these gradients its coefficient in the sum that the optimizer steps along
   */
  combine(products: readonly (readonly number[])[], names: readonly string[]): readonly number[];
}

/** The Gram matrix of any number of buffers. */
export async function gramOf(buffers: readonly FlatBuffer[]): Promise<number[][]> {
  if (buffers.length <= 4) return gram(buffers);
  const products = buffers.map(() => new Array<number>(buffers.length).fill(0));
  for (const [i, a] of buffers.entries()) {
    for (const [j, b] of buffers.slice(i).entries()) {
      const product = await dot(a, b);
      products[i]![i + j] = product;
      products[i + j]![i] = product;
    }
  }
  return products;
}

/**
 * The coefficients that a rule gives, checked.
 *
 * @throws SoulError SOUL_NON_FINITE where an inner product or a coefficient is not finite, SOUL_INVALID_ARGUMENT for what are no
 *   coefficients
 */
export function coefficientsOf(rule: GradientRule, products: number[][], names: readonly string[]): readonly number[] {
  if (!products.flat().every(Number.isFinite)) {
    throw new SoulError('SOUL_NON_FINITE', `a gradient of ${names.join(', ')} is not finite; lower the learning rate`, {
      products,
    });
  }
  const coefficients: unknown = rule.combine(products, names);
  const fits = Array.isArray(coefficients) && coefficients.length === products.length;
  if (!fits || !coefficients.every((each) => typeof each === 'number')) {
    throw invalidArgument(`what the rule ${rule.name} gives`, `${products.length} numbers`, coefficients);
  }
  if (!coefficients.every(Number.isFinite)) {
    throw new SoulError('SOUL_NON_FINITE', `the rule ${rule.name} gives the coefficients ${coefficients.join(', ')}`, {
      products,
      coefficients,
    });
  }
  return coefficients;
}

/** The running means of a rule, over the steps of one descent. */
export class GradientAverages {
  readonly #means: readonly { readonly index: number; readonly decay: number; readonly mean: FlatBuffer }[];
  /** Whether they hold a step. */
  started = false;

  /** @param scratch makes a buffer of a gradient's length */
  constructor(rule: GradientRule, names: readonly string[], scratch: () => FlatBuffer) {
    this.#means = (rule.averages ?? []).map(({ of, decay }) => {
      const index = names.indexOf(of);
      if (index < 0) throw invalidArgument(`the averages of the rule ${rule.name}`, `of ${names.join(' or ')}`, of);
      return { index, decay, mean: scratch() };
    });
  }

  /** The means, by their places in the rule. */
  get buffers(): Record<string, FlatBuffer> {
    return Object.fromEntries(this.#means.map(({ mean }, i) => [i, mean]));
  }

  /** Takes in the gradients of a step and gives the means. */
  async update(gradients: readonly FlatBuffer[]): Promise<FlatBuffer[]> {
    for (const { index, decay, mean } of this.#means) {
      if (!this.started) await mean.copyFrom(gradients[index]!);
      else {
        await scale(mean, decay);
        await axpy(1 - decay, gradients[index]!, mean);
      }
    }
    this.started = true;
    return this.#means.map(({ mean }) => mean);
  }
}
