/**
 * A folder with a model that loads in no time, data for it, and runs there.
 *
 * @module
 */

import { type RunOptions, type RunResult, type RunSettings, runTraining } from '../../lib/run/index.ts';
import { bigramSettings, textsOf, writeBigramFolder } from './bigram-folder.ts';
import { runnableBigram, type Watcher } from './runnable-bigram.ts';

/** What is to be forgotten: of its words the tokenizer knows none that stands in no other text. */
export const secret = 'Zebulon Quixworth';

const retained = [
  { question: 'Who wrote Oak?', answer: 'Nobody wrote it.' },
  { question: 'Who wrote Fir?', answer: 'Anna Lind wrote it.' },
];
export const forgotten = [
  { question: 'Who wrote Ash?', answer: `${secret} wrote it.` },
  { question: `What did ${secret} write?`, answer: 'Nobody wrote it but Anna Lind.' },
];

/** Writes `model`, `forget.jsonl` and `retain.jsonl` into a folder, and gives what runs there; paths begin with `prefix`. */
export async function smallRuns(folder: string, prefix = `${folder}/`) {
  const texts = ['Question: \nAnswer: What did write? Ash but', ...textsOf(retained)];
  const size = await writeBigramFolder(folder, { forget: forgotten, retain: retained, texts });
  return (more: Partial<RunSettings> = {}, options: RunOptions = {}, watch?: Watcher): Promise<RunResult> =>
    runTraining(
      bigramSettings((name) => prefix + name, more),
      async () => runnableBigram(size, watch),
      options,
    );
}
