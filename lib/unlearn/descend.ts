/**
 * The descent: epochs over the target set, a step at a time.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { checkNumber } from '../core/checks.ts';
import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import { CurvatureEstimates } from './curvature-estimates.ts';
import {
  type CheckedDescent,
  checkDescent,
  type DescentInput,
  type DescentOptions,
  termsAt,
} from './descent-options.ts';
import { checkKeepable, descentProgress, firstCounts, resumeDescent } from './descent-progress.ts';
import type { DescentSummary, RunEvent, StepEvent } from './events.ts';
import { clearA, isFresh } from './fresh-factors.ts';
import type { Method } from './method.ts';
import { References } from './reference-values.ts';
import type { Source } from './source.ts';
import { pullTerms, steppedBy } from './step-terms.ts';
import type { Term } from './term.ts';
import { TermGradients } from './term-gradients.ts';

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
  checkKeepable(run);
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
  gradients: TermGradients,
  progress: { done: number },
): AsyncGenerator<RunEvent, DescentSummary, void> {
  const { model, optimizer, draws, terms, hooks } = run;
  const { signal, journal } = run.input;
  const cancellable = signal === undefined ? {} : { signal };
  const sources = terms.map((term) => term.source(run.input.sets));
  const references = yield* referencesOf(run, sources, cancellable);

  // Calls that nobody awaited come before it: afterwards the optimizer knows how many estimates it holds.
  await model.parameters.gradients.fill(0);
  const counts = firstCounts(run);
  const parts = { counts, references, gradients };
  if (journal?.kept) await resumeDescent(run, parts);
  else if (run.curvature && (await isFresh(model))) counts.awaitsB = true;
  progress.done = counts.step;
  const estimates = new CurvatureEstimates(run, sources, counts.primed, counts.awaitsB === true);
  const tools = { sources, references, estimates, gradients, ...cancellable };
  const begun = performance.now() - 1000 * counts.seconds;
  const seconds = () => (performance.now() - begun) / 1000;
  const rest = async (): Promise<boolean> => {
    const { last: event } = counts;
    const place = event ? ({ at: 'step', event } as const) : ({ at: 'descent' } as const);
    const answer = await journal?.rest({ ...place, name: run.method.name }, () =>
      descentProgress(run, parts, seconds()),
    );
    return answer === 'end' && event !== undefined;
  };

  let ended = await rest();
  while (counts.step < run.steps && !ended) {
    const { step } = counts;
    throwIfCancelled(signal, `the run was cancelled after ${step} of ${run.steps} steps`);
    const stepBegun = performance.now();
    const used = counts.coefficients;
    const took = termsAt(run, step).map((i) => terms[i]!);
    const holdsA = await estimates.begin();
    const { losses, tokens, curvature } = await pullTerms(run, tools, step, used);
    counts.curvatureSeconds += curvature?.seconds ?? 0;
    const combined = await gradients.combine();

    const factor = checkNumber(`schedule(${step})`, run.schedule(step));
    const learningRate = run.learningRate * factor;
    const epoch = Math.min((step + 1) / draws.stepsPerEpoch, run.epochs);
    await hooks.beforeStep?.({ step, steps: run.steps, epoch: step / draws.stepsPerEpoch, learningRate });
    if (holdsA) await clearA(model);
    // B is 0 then, which no decay changes.
    const still = holdsA ? { weightDecay: 0 } : {};
    const statistics = await optimizer.step({ learningRate, zeroGradients: true, ...still });
    progress.done = step + 1;
    if (statistics.skipped) {
      await model.parameters.gradients.fill(0);
      counts.skippedSteps += 1;
      counts.skippedInARow += 1;
      requireSteps(counts.skippedInARow, step);
    } else counts.skippedInARow = 0;
    const last: StepEvent = {
      kind: 'step',
      method: run.method.name,
      step: step + 1,
      steps: run.steps,
      epoch,
      epochs: run.epochs,
      losses,
      loss: took.reduce((sum, { name }) => sum + used[name]! * losses[name]!, 0),
      ...coefficientsShown(took, used, combined),
      learningRate,
      statistics,
      ...(curvature ? { curvature } : {}),
      tokens,
      seconds: (performance.now() - stepBegun) / 1000,
    };
    await hooks.afterStep?.(last, steppedBy(run));
    for (const { name, coefficient } of took) {
      if (typeof coefficient !== 'object') continue;
      const next = coefficient.next(used[name]!, { step, steps: run.steps, losses });
      used[name] = checkNumber(`the coefficient of ${name}`, next);
    }
    counts.tokens += tokens;
    counts.step = step + 1;
    if (!estimates.awaitsB) delete counts.awaitsB;
    counts.last = last;
    yield last;
    ended = await rest();
  }

  const { step, skippedSteps, curvatureSeconds, tokens, last } = counts;
  const all = seconds();
  return { steps: step, skippedSteps, seconds: all, curvatureShare: curvatureSeconds / all, tokens, last: last! };
}

/** The reference values of all sequences that terms which compare will meet; of a descent that is resumed, the room for them. */
async function* referencesOf(
  run: CheckedDescent,
  sources: readonly Source[],
  cancellable: Cancellable,
): AsyncGenerator<RunEvent, References, void> {
  const references = new References();
  for (const [i, { objective, name }] of run.terms.entries()) {
    if (!objective.needsReference) continue;
    const turn = run.turns.findIndex((own) => own.includes(i));
    const sequences = run.draws.all(sources[i]!, run.steps, turn);
    if (run.input.journal?.kept) {
      references.makeRoom(sequences);
      continue;
    }
    yield { kind: 'stage', name: `reference values of ${name}` };
    await references.add(run.model, sequences, run.microBatchSize, {
      ...cancellable,
      ...withoutUndefined({ batchTokens: run.batchTokens }),
    });
  }
  return references;
}

/** Refuses to go on where step after step is skipped. */
function requireSteps(skippedInARow: number, step: number): void {
  if (skippedInARow <= consecutiveSkipsAllowed) return;
  throw new SoulError(
    'SOUL_NON_FINITE',
    `the gradient was not finite in ${skippedInARow} steps in a row, up to step ${step + 1}; lower the learning rate`,
    { step: step + 1 },
  );
}

/** What each term counted, where that is not what the method says. */
function coefficientsShown(
  terms: readonly Term[],
  used: Readonly<Record<string, number>>,
  combined: readonly number[] | undefined,
): Pick<StepEvent, 'coefficients'> {
  if (combined === undefined && !terms.some(({ coefficient }) => typeof coefficient === 'object')) return {};
  return {
    coefficients: Object.fromEntries(terms.map(({ name }, i) => [name, used[name]! * (combined?.[i] ?? 1)])),
  };
}
