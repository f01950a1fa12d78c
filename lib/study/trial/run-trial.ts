/**
 * One trial: a descent with one choice of settings, measured on the way and at its end.
 *
 * @module
 */

import { cpus } from 'node:os';
import { type Cancellable, throwIfCancelled } from '../../core/cancellation.ts';
import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { packageVersion } from '../../core/package.ts';
import { thenRelease } from '../../core/release.ts';
import { createOptimizer } from '../../run/optimizer-choice.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import { Lab } from '../../unlearn/lab.ts';
import type { StudyListener } from '../events.ts';
import { trialIdentity } from '../search/trial-identity.ts';
import { type TrialSettings, trialSettings } from '../search/trial-settings.ts';
import type { TrialBench } from './bench.ts';
import { collectGarbage } from './collect-garbage.ts';
import {
  answersShown,
  askTofu,
  type Measuring,
  measureAttacked,
  measureHalves,
  measureUtility,
  shownItems,
  tofuFigures,
} from './measure-model.ts';
import { type Watched, watch } from './path.ts';
import type { TrialRecord, TrialTask } from './record.ts';

export interface TrialOptions extends Cancellable {
  readonly onEvent?: StudyListener;
  /** What the engine is and where it runs, for the record. */
  readonly made?: Readonly<Record<string, string | number>>;
}

type EndFigures = Pick<TrialRecord, 'utility' | 'tofu' | 'attacks' | 'texts'>;

/**
 * Runs a trial from its start to its end. A descent that diverges is a result. The figures are a function of study, task and bench alone,
 * with one thread to the bit.
 *
 * @throws SoulError of the descent and of measuring, with the trial's `id` in the details; SOUL_CANCELLED
 */
export async function runTrial(bench: TrialBench, task: TrialTask, options: TrialOptions = {}): Promise<TrialRecord> {
  const { signal } = options;
  throwIfCancelled(signal, `the study was cancelled before the trial ${task.id}`);
  try {
    return await trial(bench, task, options);
  } catch (error) {
    if (!(error instanceof SoulError)) throw new Error(`trial ${task.id}: ${String(error)}`, { cause: error });
    const { code, message, details } = error;
    if (code === 'SOUL_CANCELLED') throw error;
    throw new SoulError(code, `trial ${task.id}: ${message}`, { ...details, trial: task.id }, { cause: error });
  }
}

async function trial(bench: TrialBench, task: TrialTask, options: TrialOptions): Promise<TrialRecord> {
  const begun = performance.now();
  const { study, world, references, model } = bench;
  const { signal } = options;
  const settings = trialSettings(study, task, {
    weights: model.parameters.layout.parameterCount,
    examples: world.sets.target.length,
  });
  const measuring: Measuring = { study, world, model, signal };
  await bench.reset();
  await collectGarbage();
  const watched = await descent(bench, settings, measuring, options);
  const { nonFinite, moved, distance } = await bench.distance();
  const reason =
    watched.reason ?? (nonFinite > 0 ? `${nonFinite} weights were not finite after the last step` : undefined);
  const end = reason === undefined ? await endFigures(bench, measuring) : { reason };
  const diverged = 'reason' in end ? end.reason : undefined;
  const { retrained, retrainedAttacks, referenceTofu } = references;
  return {
    version: 1,
    ...task,
    study: trialIdentity(study, task, { world: world.from }),
    outcome: diverged === undefined ? 'done' : 'diverged',
    ...(diverged === undefined ? {} : { reason: diverged }),
    optimizerSettings: { optimizer: settings.optimizer, ...settings.optimizerSettings, ...estimatesOf(settings) },
    methodSettings: { algorithm: settings.chosen.algorithm.name, ...settings.methodSettings },
    steps: watched.steps,
    path: watched.path,
    ...withoutUndefined({ retrained, retrainedAttacks, referenceTofu }),
    ...('reason' in end ? {} : end),
    ...(watched.clipped.length > 0 ? { clipped: watched.clipped } : {}),
    moved,
    distance,
    cost: { ...watched.cost, wholeSeconds: (performance.now() - begun) / 1000 },
    made: {
      package: `soul-unlearn ${packageVersion}`,
      processor: cpus()[0]?.model ?? 'unknown',
      threads: study.threads,
      dtype: study.dtype,
      weights: model.parameters.layout.parameterCount,
      ...options.made,
      ended: new Date().toISOString(),
    },
  };
}

function estimatesOf({ curvature, hessianData }: TrialSettings): object {
  return withoutUndefined({ curvature, hessianData });
}

async function descent(
  bench: TrialBench,
  settings: TrialSettings,
  measuring: Measuring,
  { signal, onEvent }: TrialOptions,
): Promise<Watched> {
  const { model, world, references, study } = bench;
  const { chosen, optimizer, optimizerSettings, seed } = settings;
  let reference: RunnableModel | undefined;
  const lab = new Lab({
    model,
    sets: world.sets,
    optimizer: (own) => createOptimizer(optimizer, model.parameters, optimizerSettings, { ...own, seed }),
    referenceModel: async () => {
      reference ??= await bench.loadReference(withoutUndefined({ signal }));
      return reference;
    },
    descent: settings.descent,
    seed,
    ...withoutUndefined({ signal }),
  });
  return thenRelease(
    () =>
      watch(lab.run(chosen.algorithm, chosen.settings), {
        points: study.evaluation.points,
        measuresOnTheWay: chosen.algorithm.endsAnywhere === true,
        start: references.start,
        measure: () => measureHalves(measuring),
        onStep: (step) => onEvent?.({ kind: 'step', step }),
      }),
    () => [lab, reference],
  );
}

/** What is measured of the model at the end; a reason where it shows only there that it diverged. */
async function endFigures(
  { study, references, world }: TrialBench,
  measuring: Measuring,
): Promise<EndFigures | { readonly reason: string }> {
  try {
    const after = await measureUtility(measuring);
    const utility = Object.entries(after).map(([name, value]) => [
      name,
      { before: references.utility[name]!, after: value },
    ]);
    const log = await askTofu(measuring);
    const attacks = study.evaluation.attacks.length > 0 ? await measureAttacked(measuring) : undefined;
    const texts = references.answers && (await textsOf(measuring, references.answers, world));
    return {
      ...(utility.length > 0 ? { utility: Object.fromEntries(utility) } : {}),
      ...(log ? { tofu: tofuFigures(log, references.retrainedLog) } : {}),
      ...withoutUndefined({ attacks, texts }),
    };
  } catch (error) {
    if (!(error instanceof SoulError) || error.code !== 'SOUL_NON_FINITE') throw error;
    return { reason: error.message };
  }
}

async function textsOf(
  measuring: Measuring,
  before: Readonly<Record<'forget' | 'retain', readonly string[]>>,
  world: Measuring['world'],
): Promise<NonNullable<TrialRecord['texts']>> {
  const after = await answersShown(measuring);
  return (['forget', 'retain'] as const).flatMap((set) =>
    shownItems(world, set).map((example, i) => ({
      set,
      question: example.prompt,
      answer: example.completion,
      before: before[set][i]!,
      after: after[set][i]!,
    })),
  );
}
