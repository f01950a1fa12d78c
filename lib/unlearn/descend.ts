/**
 * The descent: epochs over the target set, a step at a time.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { checkNumber } from '../core/checks.ts';
import { SoulError } from '../core/errors.ts';
import { FlatBuffer } from '../core/flat-buffer.ts';
import { fillFrozen } from '../core/frozen-masks.ts';
import { withoutUndefined } from '../core/optional.ts';
import { axpy, cast, scale } from '../core/vector-operations.ts';
import { type CurvatureEstimate, curvaturePlan, estimateCurvature } from './curvature.ts';
import { type CheckedDescent, checkDescent, type DescentInput, type DescentOptions } from './descent-options.ts';
import type { DescentSummary, RunEvent, StepEvent } from './events.ts';
import { coefficientsOf, GradientAverages, gramOf } from './gradient-rule.ts';
import type { Method } from './method.ts';
import { pullBack, type TermValue } from './pull-back.ts';
import { References } from './reference-values.ts';
import type { Source } from './source.ts';
import { initialCoefficient, type Term } from './term.ts';

const consecutiveSkipsAllowed = 4;

/**
 * Minimises the method's loss, in place. Terms of weight 0 are left out.
 *
 * When it fails, is cancelled or is left early, parameters and optimizer are as after the last whole step, and the gradients are
 * 0. Of a curvature estimate that was under way, the chunks that were done stay in the Hessian diagonal
 * ({@link estimateCurvature}).
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for options that do not fit together, SOUL_NON_FINITE when a loss stops being
 *   finite or gradients stay non-finite for 5 steps, SOUL_CANCELLED when the signal fires, with its reason as the cause
 */
export async function* descend(
  input: DescentInput,
  method: Method,
  options: DescentOptions = {},
): AsyncGenerator<RunEvent, DescentSummary, void> {
  const run = checkDescent(input, method, options);
  const { gradients } = run.model.parameters;
  const buffers = new TermGradients(run);
  const progress = { done: 0 };
  let finished = false;
  try {
    const summary = yield* steps(run, buffers, progress);
    finished = true;
    return summary;
  } catch (error) {
    if (error instanceof SoulError && error.code === 'SOUL_CANCELLED') {
      throwIfCancelled(input.signal, `the run was cancelled after ${progress.done} of ${run.steps} steps`, {
        done: progress.done,
        total: run.steps,
      });
    }
    throw error;
  } finally {
    // What was pulled back belongs to no step. A device that failed cannot do it.
    if (!finished) await gradients.fill(0).catch(() => {});
    await buffers.release();
  }
}

async function* steps(
  run: CheckedDescent,
  buffers: TermGradients,
  progress: { done: number },
): AsyncGenerator<RunEvent, DescentSummary, void> {
  const { model, optimizer, draws, terms, hooks } = run;
  const { signal } = run.input;
  const cancellable = signal === undefined ? {} : { signal };
  const { gradients } = model.parameters;
  const sources = terms.map((term) => term.source(run.input.sets));
  const references = yield* referencesOf(run, sources, cancellable);

  // Calls that nobody awaited come before it: afterwards the optimizer knows how many estimates it holds.
  await gradients.fill(0);
  const estimates = estimatesOf(run);
  const coefficients = new Map(terms.map((term) => [term.name, initialCoefficient(term)]));
  const begun = performance.now();
  let curvatureSeconds = 0;
  let tokens = 0;
  let skippedSteps = 0;
  let skippedInARow = 0;
  let last: StepEvent | undefined;

  for (let step = 0; step < run.steps; step++) {
    throwIfCancelled(signal, `the run was cancelled after ${step} of ${run.steps} steps`);
    const stepBegun = performance.now();
    const curvature = await estimates(step, cancellable);
    curvatureSeconds += curvature?.seconds ?? 0;

    const used = new Map(coefficients);
    const losses: Record<string, number> = {};
    let stepTokens = 0;
    for (const [i, term] of terms.entries()) {
      const source = sources[i]!;
      const sequences = draws.sequences(source, step);
      const pull = async (): Promise<TermValue> => {
        const value = await pullBack(model, term, sequences, {
          microBatchSize: run.microBatchSize,
          ...withoutUndefined({ batchTokens: run.batchTokens }),
          coefficient: used.get(term.name)!,
          width: source.width,
          ...(term.objective.needsReference ? { reference: references.of(sequences) } : {}),
          ...(run.input.referenceModel ? { referenceModel: run.input.referenceModel } : {}),
          ...cancellable,
        });
        if (hooks.aroundTerm && optimizer.frozen) await fillFrozen(gradients, optimizer.frozen, 0);
        return value;
      };
      const value = hooks.aroundTerm ? await hooks.aroundTerm(term, pull) : await pull();
      requireFinite(value.loss, term, step, run.method);
      losses[term.name] = value.loss;
      stepTokens += value.tokens;
      await buffers.keep(i);
    }
    const combined = await buffers.combine();

    const factor = checkNumber(`schedule(${step})`, run.schedule(step));
    const learningRate = run.learningRate * factor;
    const epoch = Math.min((step + 1) / draws.stepsPerEpoch, run.epochs);
    await hooks.beforeStep?.({ step, steps: run.steps, epoch: step / draws.stepsPerEpoch, learningRate });
    const statistics = await optimizer.step({ learningRate, zeroGradients: true });
    progress.done = step + 1;
    if (statistics.skipped) {
      await gradients.fill(0);
      skippedSteps += 1;
      skippedInARow += 1;
      if (skippedInARow > consecutiveSkipsAllowed) {
        throw new SoulError(
          'SOUL_NON_FINITE',
          `the gradient was not finite in ${skippedInARow} steps in a row, up to step ${step + 1}; lower the learning rate`,
          { step: step + 1 },
        );
      }
    } else skippedInARow = 0;
    tokens += stepTokens;
    last = {
      kind: 'step',
      method: run.method.name,
      step: step + 1,
      steps: run.steps,
      epoch,
      epochs: run.epochs,
      losses,
      loss: terms.reduce((sum, { name }) => sum + used.get(name)! * losses[name]!, 0),
      ...coefficientsShown(terms, used, combined),
      learningRate,
      statistics,
      ...(curvature ? { curvature } : {}),
      tokens: stepTokens,
      seconds: (performance.now() - stepBegun) / 1000,
    };
    await hooks.afterStep?.(last, steppedBy(run));
    for (const { name, coefficient } of terms) {
      if (typeof coefficient !== 'object') continue;
      const next = coefficient.next(used.get(name)!, { step, steps: run.steps, losses });
      coefficients.set(name, checkNumber(`the coefficient of ${name}`, next));
    }
    yield last;
  }

  const seconds = (performance.now() - begun) / 1000;
  return { steps: run.steps, skippedSteps, seconds, curvatureShare: curvatureSeconds / seconds, tokens, last: last! };
}

/** The reference values of all sequences that terms which compare will meet. */
async function* referencesOf(
  run: CheckedDescent,
  sources: readonly Source[],
  cancellable: Cancellable,
): AsyncGenerator<RunEvent, References, void> {
  const references = new References();
  for (const [i, { objective, name }] of run.terms.entries()) {
    if (!objective.needsReference) continue;
    yield { kind: 'stage', name: `reference values of ${name}` };
    await references.add(run.model, run.draws.all(sources[i]!, run.steps), run.microBatchSize, {
      ...cancellable,
      ...withoutUndefined({ batchTokens: run.batchTokens }),
    });
  }
  return references;
}

/** Makes the curvature estimate that is due before a step. An optimizer that holds one already goes on with it. */
function estimatesOf(
  run: CheckedDescent,
): (step: number, cancellable: Cancellable) => Promise<CurvatureEstimate | undefined> {
  const { curvature, model, draws } = run;
  if (curvature === undefined) return async () => undefined;
  const { optimizer, options, data } = curvature;
  const primed = optimizer.state.estimates > 0;
  const plan = curvaturePlan(
    primed ? { ...options, primingChunks: options.chunks } : options,
    data,
    run.input.sets,
    run.seed,
  );
  return async (step, cancellable) => {
    if (step % plan.every !== 0) return undefined;
    return estimateCurvature(model, optimizer, plan.chunksAt(step), {
      prime: step === 0 && !primed,
      ...(plan.labels === 'sampled' ? { labelSeed: (chunk: number) => draws.labelSeed(step, chunk) } : {}),
      ...cancellable,
    });
  };
}

/** The memory that steps act on. */
function steppedBy({ model, optimizer }: CheckedDescent): FlatBuffer {
  const { master } = optimizer.state as { readonly master?: FlatBuffer };
  return master ?? model.parameters.values;
}

/**
 * Gradients of the terms, apart where a rule is to see them, without those of frozen weights; without a rule they add up where they
 * are.
 */
class TermGradients {
  readonly #run: CheckedDescent;
  readonly #buffers: readonly FlatBuffer[];
  readonly #scratch: FlatBuffer[] = [];
  readonly #averages: GradientAverages | undefined;

  constructor(run: CheckedDescent) {
    this.#run = run;
    const { rule } = run.method;
    const { gradients } = run.model.parameters;
    const scratch = () => {
      const made = FlatBuffer.alloc(gradients.length, { dtype: 'f32', device: gradients.device });
      this.#scratch.push(made);
      return made;
    };
    // The last one stays where it was computed, unless sums there would be rounded.
    const stays = (i: number) => i === run.terms.length - 1 && gradients.dtype === 'f32';
    try {
      this.#buffers = rule ? run.terms.map((_, i) => (stays(i) ? gradients : scratch())) : [];
      this.#averages = rule && new GradientAverages(rule, this.#names(), scratch);
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
    const all = [...this.#buffers, ...(await this.#averages!.update(this.#buffers))];
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

/** What each term counted, where that is not what the method says. */
function coefficientsShown(
  terms: readonly Term[],
  used: ReadonlyMap<string, number>,
  combined: readonly number[] | undefined,
): Pick<StepEvent, 'coefficients'> {
  if (combined === undefined && !terms.some(({ coefficient }) => typeof coefficient === 'object')) return {};
  return {
    coefficients: Object.fromEntries(terms.map(({ name }, i) => [name, used.get(name)! * (combined?.[i] ?? 1)])),
  };
}

function requireFinite(loss: number, { name }: Term, step: number, method: Method): void {
  if (Number.isFinite(loss)) return;
  throw new SoulError(
    'SOUL_NON_FINITE',
    `the ${name} loss of ${method.name} is ${loss} at step ${step + 1}: the model has diverged. ` +
      'Lower the learning rate, raise the retain coefficient, or take a method that is bounded (npo)',
    { step: step + 1, term: name, loss },
  );
}
