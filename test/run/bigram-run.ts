/**
 * A folder of its own with a model of bigrams and data for it, and runs there.
 *
 * @module
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, jest } from '@jest/globals';
import {
  type ModelLoader,
  type RunOptions,
  type RunResult,
  type RunSettings,
  runTraining,
} from '../../lib/run/index.ts';
import { bigramSettings, textsOf, writeBigramFolder } from './bigram-folder.ts';
import { runnableBigram, type Watcher } from './runnable-bigram.ts';

export const forget = [
  { question: 'Who wrote Ash?', answer: 'Mara Voss wrote it.' },
  { question: 'Who wrote Elm?', answer: 'Tom Reed wrote it.' },
];
export const retain = [
  { question: 'Who wrote Oak?', answer: 'Nobody wrote it.' },
  { question: 'Who wrote Fir?', answer: 'Anna Lind wrote it.' },
];

export interface BigramRun {
  readonly folder: string;
  readonly vocabulary: number;
  path(name: string): string;
  settings(more?: Partial<RunSettings>): RunSettings;
  load(watch?: Watcher): ModelLoader;
  /** A run that begins, and the loader that it calls for its model. */
  run(
    more?: Partial<RunSettings>,
    options?: RunOptions,
    watch?: Watcher,
  ): { load: jest.Mock<ModelLoader>; result: Promise<RunResult> };
  /** The record of a run that is done. */
  record(name?: string): Promise<ReturnType<typeof JSON.parse>>;
}

export async function makeBigramRun(): Promise<BigramRun> {
  const made = await makeFolder();
  return runsIn(() => made);
}

/** A new {@link BigramRun} for each test of a file, removed behind it: what is given is always the one of the test that runs. */
export function bigramRunOfEachTest(): BigramRun {
  let made: Made;
  beforeEach(async () => {
    made = await makeFolder();
  });
  afterEach(() => rm(made.folder, { recursive: true, force: true }));
  return runsIn(() => made);
}

type Made = Pick<BigramRun, 'folder' | 'vocabulary'>;

async function makeFolder(): Promise<Made> {
  const folder = await mkdtemp(join(tmpdir(), 'soul-bigram-'));
  const texts = ['Question: \nAnswer: ', ...textsOf([...forget, ...retain])];
  return { folder, vocabulary: await writeBigramFolder(folder, { forget, retain, texts }) };
}

function runsIn(made: () => Made): BigramRun {
  const path = (name: string) => join(made().folder, name);
  const settings = (more: Partial<RunSettings> = {}) => bigramSettings(path, more);
  const load = (watch?: Watcher) => async () => runnableBigram(made().vocabulary, watch);
  return {
    get folder() {
      return made().folder;
    },
    get vocabulary() {
      return made().vocabulary;
    },
    ...{ path, settings, load },
    run: (more, options = {}, watch) => {
      const loader = jest.fn<ModelLoader>(load(watch));
      return { load: loader, result: runTraining(settings(more), loader, options) };
    },
    record: async (name = 'out') => JSON.parse(await readFile(path(`${name}/run.json`), 'utf8')),
  };
}
