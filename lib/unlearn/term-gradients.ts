/**
 * The gradients of a method's terms, until they are one.
 *
 * @module
 */

import { FlatBuffer } from '../core/flat-buffer.ts';
import { fillFrozen } from '../core/frozen-masks.ts';
import { takingMemory } from '../core/out-of-memory.ts';
import { axpy, cast, scale } from '../core/vector-operations.ts';
import type { CheckedDescent } from './descent-options.ts';
import { coefficientsOf, GradientAverages, gramOf } from './gradient-rule.ts';

/**
 * Gradients of the terms, apart where a rule is to see them, without those of frozen weights; without a rule they add up where they
 * are.
 */
export class TermGradients {
  readonly #run: CheckedDescent;
  readonly #buffers: readonly FlatBuffer[];
  readonly #scratch: FlatBuffer[] = [];
  /** The running means of the rule. */
  readonly averages: GradientAverages | undefined;

  constructor(run: CheckedDescent) {
    this.#run = run;
    const { rule } = run.method;
    const { gradients } = run.model.parameters;
    const scratch = () => {
      const { length, device } = gradients;
      const alloc = () => FlatBuffer.alloc(length, { dtype: 'f32', device });
      const made = takingMemory("the gradients of the method's terms", alloc);
      this.#scratch.push(made);
      return made;
    };
    // The last one stays where it was computed, unless sums there would be rounded.
    const stays = (i: number) => i === run.terms.length - 1 && gradients.dtype === 'f32';
    try {
      this.#buffers = rule ? run.terms.map((_, i) => (stays(i) ? gradients : scratch())) : [];
      this.averages = rule && new GradientAverages(rule, this.#names(), scratch);
    } catch (error) {
      // Nobody else could: a device's memory would be gone until garbage is collected.
      for (const buffer of this.#scratch) buffer.release().catch(() => {});
      throw error;
    }
  }

  /** Takes what the term has left in the model's gradients. */
  async keep(index: number): Promise<void> {
    const { gradients } = this.#run.model.parameters;
    const { frozen } = this.#run.optimizer;
    const own = this.#buffers[index];
    if (own !== undefined && frozen) await fillFrozen(gradients, frozen, 0);
    if (own === undefined || own === gradients) return;
    await cast(gradients, own);
    await gradients.fill(0);
  }

  /** Puts the rule's sum into the model's gradients; the coefficients of the terms, where there is a rule. */
  async combine(): Promise<readonly number[] | undefined> {
    const { rule } = this.#run.method;
    if (rule === undefined) return undefined;
    const { gradients } = this.#run.model.parameters;
    const all = [...this.#buffers, ...(await this.averages!.update(this.#buffers))];
    const coefficients = coefficientsOf(rule, await gramOf(all), this.#names());
    const target = this.#buffers.at(-1)!;
    await scale(target, coefficients[this.#buffers.length - 1]!);
    for (const [i, gradient] of all.entries()) {
      if (gradient !== target && coefficients[i] !== 0) await axpy(coefficients[i]!, gradient, target);
    }
    if (target !== gradients) await cast(target, gradients);
    return coefficients;
  }

  async release(): Promise<void> {
    for (const buffer of this.#scratch) await buffer.release().catch(() => {});
  }

  #names(): string[] {
    return this.#run.terms.map(({ name }) => name);
  }
}
