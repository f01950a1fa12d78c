/**
 * A whole model's training and generation beside transformers with PyTorch, on as many threads.
 *
 * @module
 */

import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Device } from '../../lib/core/devices.ts';
import { soulCommand } from '../../lib/core/package.ts';
import { describeEngine } from '../../lib/torch/engine.ts';
import { collectGarbage } from '../cases/memory.ts';
import {
  drawnTokens,
  learningRate,
  type ModelDType,
  type ModelSetting,
  type ModelWork,
  newTokens,
  prepareModel,
  promptLengths,
  questionLengths,
  resultOf,
  sequenceLengths,
} from '../cases/whole-model.ts';
import { wholeModelGoals } from '../goals.ts';
import { alternate, nanosecondsOf, spreadOf, spreadOfRatios } from '../measure.ts';
import { type Goal, type PeerFigures, wholeModelSubject } from '../results.ts';
import { pauseMilliseconds } from './compare.ts';
import type { PlannedRow, RowHead } from './planned-row.ts';
import { type TorchCase, TorchPeer } from './torch-process.ts';

/** What rows of whole-model work are measured with. */
export interface ModelSides {
  /** A Hugging Face folder. */
  readonly folder: string;
  readonly vocabularySize: number;
  readonly torch: TorchPeer;
  readonly python: string;
  readonly threads: number;
  /** For each row, beyond the fewest turns. */
  readonly seconds: number;
}

/** Seconds that a row may take: both load the model, each has seven turns or three processes. */
const rowMayTake = 120;
const processes = 3;
/** Calls of a process whose peak is taken, after the one in which states are made. */
const calls = 1;
/** Of the figures that the two give, relative; bf16 rounds to three digits. */
const agreement = 0.02;
const worker = fileURLToPath(new URL('whole-model-process.ts', import.meta.url));

const dtypes: readonly ModelDType[] = ['f32', 'bf16'];
const works: readonly ModelWork[] = ['training', 'generation'];

export function wholeModelRows(sides: ModelSides): PlannedRow[] {
  const settings = works.flatMap((work) => dtypes.map((dtype) => ({ work, dtype })));
  return [
    ...settings.map(({ work, dtype }) => ({
      head: head(timeTitles[work], work, dtype, sides, { unit: 'ns', goal: timeGoal(work, dtype) }),
      mayTake: rowMayTake,
      measure: () => compareTimes(work, dtype, sides),
    })),
    ...settings.map(({ work, dtype }) => ({
      head: head(memoryTitles[work], work, dtype, sides, { unit: 'bytes', goal: wholeModelGoals.memory }),
      mayTake: rowMayTake,
      measure: () => compareMemory(work, dtype, sides),
    })),
  ];
}

/** Why there are no rows of whole-model work; undefined where there are. */
export async function whyNoModel(
  folder: string | undefined,
  device: Device,
  engine = describeEngine,
): Promise<string | undefined> {
  if (folder === undefined) return '--model is not given';
  if (device !== 'cpu') return `they are of the CPU, and --device is ${device}`;
  const { installed, reason } = await engine();
  return installed
    ? undefined
    : `the libtorch engine is not installed: ${reason}; run: ${soulCommand('engine install')}`;
}

const timeTitles = { training: 'Training step', generation: 'Greedy generation' } as const;
const memoryTitles = {
  training: 'Peak memory of the process, training',
  generation: 'Peak memory of the process, generation',
} as const;

function head(
  title: string,
  work: ModelWork,
  dtype: ModelDType,
  { folder }: ModelSides,
  more: Pick<RowHead, 'unit' | 'goal'>,
): RowHead {
  const words = dtype === 'f32' ? 'float32' : 'bfloat16';
  return {
    subject: wholeModelSubject,
    ours: `${title}, ${basename(folder)}, ${words}, ${dataWords[work]}`,
    theirs: `${theirWords[work]}, ${words}`,
    ...more,
  };
}

const dataWords: Readonly<Record<ModelWork, string>> = {
  training: `${sequenceLengths.length} sequences of ${range(sequenceLengths)} tokens`,
  generation: `${promptLengths.length} prompts of ${range(promptLengths)} tokens, ${newTokens} new ones each`,
};

const theirWords: Readonly<Record<ModelWork, string>> = {
  training: 'transformers: padded at the right, mask, labels of -100, torch.optim.AdamW fused',
  generation: 'transformers: padded at the left, mask, generate with its cache',
};

function range(lengths: readonly number[]): string {
  return `${Math.min(...lengths)} to ${Math.max(...lengths)}`;
}

function timeGoal(work: ModelWork, dtype: ModelDType): Goal {
  if (work === 'generation') return wholeModelGoals.generation;
  return dtype === 'f32' ? wholeModelGoals.trainingInF32 : wholeModelGoals.trainingInBf16;
}

/** The work as transformers is given it. */
export function transformersCase(
  work: ModelWork,
  dtype: ModelDType,
  { folder, vocabularySize }: Pick<ModelSides, 'folder' | 'vocabularySize'>,
): TorchCase {
  if (work === 'training') {
    const sequences = drawnTokens(sequenceLengths, work, vocabularySize);
    const learning = { questions: questionLengths, learning_rate: learningRate };
    return { prepare: 'TrainingStep', with: { folder, dtype, sequences, ...learning } };
  }
  const prompts = drawnTokens(promptLengths, work, vocabularySize);
  return { prepare: 'Generation', with: { folder, dtype, prompts, new_tokens: newTokens } };
}

/** A turn is one call: it takes long enough. */
async function compareTimes(work: ModelWork, dtype: ModelDType, sides: ModelSides): Promise<PeerFigures> {
  const { folder, threads, torch, seconds } = sides;
  await collectGarbage();
  const ours = await prepareModel(work, { folder, dtype, threads });
  try {
    const result = await ours.run();
    const theirs = await torch.prepare(transformersCase(work, dtype, sides));
    checkAgreement(work, result, theirs.firstResult);
    const { first, second, ratio } = await alternate(
      { turn: () => nanosecondsOf(() => ours.run()) },
      { turn: async () => (await theirs.run(1))[0]! },
      { seconds, pauseMilliseconds },
    );
    return { ours: first, theirs: second, ratio };
  } finally {
    await ours.release();
    await torch.release();
  }
}

/** @throws Error where the two did not do the same */
export function checkAgreement(work: ModelWork, ours: number, theirs: number | undefined): void {
  if (theirs !== undefined && Math.abs(ours - theirs) <= agreement * Math.abs(theirs)) return;
  throw new Error(`the two did not do the same: ${resultOf[work]}: ours ${ours}, transformers ${theirs ?? 'none'}`);
}

/** Of each side fresh processes, from their start: libraries, the loading of the model, the work. */
async function compareMemory(work: ModelWork, dtype: ModelDType, sides: ModelSides): Promise<PeerFigures> {
  const { folder, threads, python } = sides;
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let i = 0; i < processes; i++) {
    ours.push(await ourPeak(work, { folder, dtype, threads }));
    const torch = new TorchPeer(python, { threads });
    try {
      const running = await torch.prepare(transformersCase(work, dtype, sides));
      await running.run(calls);
      theirs.push((await running.memory()).peak);
    } finally {
      await torch.stop();
    }
  }
  return { ours: spreadOf(ours), theirs: spreadOf(theirs), ratio: spreadOfRatios(ours, theirs) };
}

async function ourPeak(work: ModelWork, { folder, dtype, threads }: ModelSetting): Promise<number> {
  const words = [work, folder, dtype, String(threads), String(1 + calls)];
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, worker, ...words]);
  return JSON.parse(stdout) as number;
}
