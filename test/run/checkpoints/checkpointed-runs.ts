/**
 * Runs of six steps that keep a checkpoint behind each, and what is left of them.
 *
 * @module
 */

import { readFile, writeFile } from 'node:fs/promises';
import { beforeEach, expect, jest } from '@jest/globals';
import { type RunOptions, type RunSettings, runTraining, verifyRun } from '../../../lib/run/index.ts';
import type { RunnableModel } from '../../../lib/run/runnable-model.ts';
import type { RunEvent } from '../../../lib/unlearn/index.ts';
import { lines } from '../bigram-folder.ts';
import { bigramRunOfEachTest, forget } from '../bigram-run.ts';
import { runnableBigram, type Watcher } from '../runnable-bigram.ts';

export interface More extends RunOptions {
  watch?: Watcher;
  change?: (model: RunnableModel) => void;
}

/** Ends a run as a kill would: right behind a step, nothing is tidied. */
export const cutAfter = (step: number, method?: string) => (event: RunEvent) => {
  if (event.kind === 'step' && event.step === step && (method === undefined || event.method === method)) {
    throw new Error('cut');
  }
};

/** Runs in a new folder for each test of a file. */
export function checkpointedRuns() {
  const bigram = bigramRunOfEachTest();
  const { path } = bigram;

  beforeEach(async () => {
    const authors = ['a', 'b'];
    await writeFile(path('forget.jsonl'), lines(forget.map((each, i) => ({ ...each, author: authors[i] }))));
    // Records name the same items by the same names.
    await writeFile(path('items.key'), '7e'.repeat(32), { mode: 0o600 });
  });

  const run = (out: string, more: Partial<RunSettings> = {}, { watch, change, ...options }: More = {}) => {
    const notes: string[] = [];
    const load = jest.fn(async () => {
      const model = runnableBigram(bigram.vocabulary, watch);
      change?.(model);
      return model;
    });
    const settings = bigram.settings({
      ...{ out: path(out), optimizerSettings: { learningRate: 0.05 }, steps: 6 },
      ...{ checkpointEvery: 1, itemKey: path('items.key'), ...more },
    });
    const onEvent = (event: RunEvent) => {
      if (event.kind === 'note') notes.push(event.text);
      options.onEvent?.(event);
    };
    return { notes, load, result: runTraining(settings, load, { ...options, onEvent }) };
  };
  const cut = async (out: string, step: number, more: Partial<RunSettings> = {}) =>
    expect(run(out, more, { onEvent: cutAfter(step) }).result).rejects.toThrow('cut');
  const weights = async (out: string) => (await readFile(path(`${out}/model.safetensors`))).toString('base64');
  /** What a check of the folder's files says. */
  const outputsOf = async (out: string) => {
    const { checks } = await verifyRun(path(out), { model: path('model') });
    return checks.filter(({ subject }) => subject === 'outputs').map(({ text }) => text);
  };
  const steps = async (out: string) =>
    (await readFile(path(`${out}/metrics.jsonl`), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => {
        const { seconds, tokensPerSecond, time, memory, ...rest } = JSON.parse(line);
        for (const each of [seconds, tokensPerSecond, memory]) expect(each).toBeGreaterThan(0);
        expect(time).toMatch(/^\d{4}-/);
        return rest;
      });
  return { path, record: bigram.record, run, cut, weights, outputsOf, steps };
}
