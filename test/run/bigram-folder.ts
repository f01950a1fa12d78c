/**
 * A folder with what a run of a bigram model reads, and the settings of a run there that takes a moment.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunSettings } from '../../lib/run/index.ts';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';

export interface QuestionAnswer {
  readonly question: string;
  readonly answer: string;
}

export const lines = (records: readonly object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join('');
export const textsOf = (records: readonly QuestionAnswer[]) =>
  records.flatMap(({ question, answer }) => [question, answer]);

/** Writes `model`, which knows the words of `texts`, `forget.jsonl` and `retain.jsonl`; gives the size of the vocabulary. */
export async function writeBigramFolder(
  folder: string,
  data: { forget: readonly QuestionAnswer[]; retain: readonly QuestionAnswer[]; texts: readonly string[] },
): Promise<number> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'forget.jsonl'), lines(data.forget));
  await writeFile(join(folder, 'retain.jsonl'), lines(data.retain));
  const { size } = await writeWordTokenizer(join(folder, 'model'), data.texts);
  await writeFile(join(folder, 'model/config.json'), '{"max_position_embeddings": 64}');
  return size;
}

export function bigramSettings(path: (name: string) => string, more: Partial<RunSettings> = {}): RunSettings {
  return {
    ...{ model: path('model'), target: path('forget.jsonl'), retain: path('retain.jsonl'), out: path('out') },
    ...{ method: 'graddiff', optimizer: 'adamw', optimizerSettings: { learningRate: 0.01 }, steps: 3, batchSize: 2 },
    ...more,
  };
}
