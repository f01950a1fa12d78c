/**
 * Figures that all trials of a model and split share: those of the model that they begin with, and of the retrained one.
 *
 * @module
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SoulError } from '../../core/errors.ts';
import { exists, readJsonFile, replaceFile } from '../../core/files.ts';
import { isObject, toJson } from '../../core/json.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { thenRelease } from '../../core/release.ts';
import type { EvaluationLog } from '../../eval/tofu/log.ts';
import { readEvaluationLog } from '../../eval/tofu/read-log.ts';
import { writeEvaluationLog } from '../../eval/tofu/write-log.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import type { Study } from '../definition/study.ts';
import type { MakingOptions } from '../worlds/make-models.ts';
import { digestOf, type StudyWorld } from '../worlds/world.ts';
import { answersShown, askTofu, measureAttacked, measureHalves, measureUtility, tofuFigures } from './measure-model.ts';
import type { PathPoint, TrialRecord } from './record.ts';

export interface References {
  /** Of the model that trials begin with. */
  readonly start: Omit<PathPoint, 'step' | 'epoch'>;
  readonly utility: Readonly<Record<string, number>>;
  /** Its answers to the questions that are shown; absent where no text is kept. */
  readonly answers?: Readonly<Record<'forget' | 'retain', readonly string[]>>;
  readonly retrained?: Omit<PathPoint, 'step' | 'epoch'>;
  readonly retrainedAttacks?: NonNullable<TrialRecord['attacks']>;
  /** TOFU's figures of both, where the study asks for them. */
  readonly referenceTofu?: TrialRecord['referenceTofu'];
  /** The retrained model's answers to TOFU's questions. */
  readonly retrainedLog?: EvaluationLog;
}

const [fileName, logName] = ['references.json', 'retrained.tofu.json'];

/**
 * Measures the models of a pair, or finds what was measured before under the same settings. The caller's process is the only one at it.
 *
 * @throws SoulError of measuring and of files
 */
export async function measureReferences(study: Study, world: StudyWorld, options: MakingOptions): Promise<References> {
  const found = await readReferences(study, world);
  if (found) return found;
  const { loadModel, signal, onEvent } = options;
  const [file, logFile] = [join(world.folder, fileName), join(world.folder, logName)];
  const having = async <Result>(folder: string, work: (model: RunnableModel) => Promise<Result>): Promise<Result> => {
    const model = await loadModel(folder, withoutUndefined({ signal }));
    return thenRelease(
      async () => {
        world.checkTokens(model.vocabularySize);
        return work(model);
      },
      () => [model],
    );
  };
  let originalLog: EvaluationLog | undefined;
  onEvent?.({ kind: 'phase', phase: 'measuring the original model' });
  const own = await having(world.original, async (model) => {
    const measuring = { study, world, model, signal };
    originalLog = await askTofu(measuring);
    return {
      start: await measureHalves(measuring),
      utility: await measureUtility(measuring),
      ...(showsText(study, world) ? { answers: await answersShown(measuring) } : {}),
    };
  });
  let retrained: Pick<References, 'retrained' | 'retrainedAttacks' | 'retrainedLog'> = {};
  if (world.retrained !== undefined) {
    onEvent?.({ kind: 'phase', phase: 'measuring the retrained model' });
    retrained = await having(world.retrained, async (model) => {
      const measuring = { study, world, model, signal };
      const attacks = study.evaluation.attacks.length > 0 ? await measureAttacked(measuring) : undefined;
      const log = await askTofu(measuring);
      return {
        retrained: await measureHalves(measuring),
        ...withoutUndefined({ retrainedAttacks: attacks, retrainedLog: log }),
      };
    });
  }
  const { retrainedLog, ...measured } = { ...own, ...retrained };
  const figures = { ...measured, ...withoutUndefined({ referenceTofu: tofuOf(originalLog, retrainedLog) }) };
  if (retrainedLog) await writeEvaluationLog(logFile, retrainedLog);
  else await rm(logFile, { force: true });
  await replaceFile(file, toJson({ from: digestOfReferences(study, world), ...figures }));
  // As every process that comes later has them.
  return (await readReferences(study, world))!;
}

function tofuOf(
  original: EvaluationLog | undefined,
  retrained: EvaluationLog | undefined,
): References['referenceTofu'] {
  if (original === undefined) return undefined;
  return {
    original: tofuFigures(original, retrained),
    ...(retrained === undefined ? {} : { retrained: tofuFigures(retrained, retrained) }),
  };
}

/**
 * What was measured under the same settings; undefined where nothing was.
 *
 * @throws SoulError SOUL_BAD_FILE for a damaged file
 */
export async function readReferences(study: Study, world: StudyWorld): Promise<References | undefined> {
  const [file, logFile] = [join(world.folder, fileName), join(world.folder, logName)];
  const content = await readJsonFile(file);
  if (content === undefined) return undefined;
  if (!isObject(content) || !isObject(content.start) || !isObject(content.utility)) {
    throw new SoulError('SOUL_BAD_FILE', `${file} is damaged; remove it to have the models measured again`, { file });
  }
  const { from, ...figures } = content;
  if (from !== digestOfReferences(study, world)) return undefined;
  const hasLog = await exists(logFile);
  return {
    ...(figures as unknown as References),
    ...(hasLog ? { retrainedLog: await readEvaluationLog(logFile) } : {}),
  };
}

/** Whether answers may be kept: those about invented people may. */
export function showsText(study: Study, { split }: Pick<StudyWorld, 'split'>): boolean {
  return 'made' in split || study.texts === true;
}

function digestOfReferences(study: Study, world: StudyWorld): string {
  const { seed, dtype, threads } = study;
  const { points: _, ...evaluation } = study.evaluation;
  return digestOf({ from: world.from, seed, dtype, threads, evaluation, texts: showsText(study, world) });
}
