/**
 * A bigram model that whole runs can load, change, measure and save.
 *
 * @module
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../lib/core/safetensors.ts';
import type { RunnableModel } from '../../lib/run/runnable-model.ts';
import { BigramLM } from '../model/bigram-lm.ts';

/** Called before each of the model's calls; may throw. */
export type Watcher = (call: 'nll' | 'accumulate' | 'score' | 'save') => void;

export function runnableBigram(vocabularySize: number, watch: Watcher = () => {}): RunnableModel {
  const model = BigramLM.random(vocabularySize, 3n);
  const watched =
    <Arguments extends unknown[], Result>(
      name: Parameters<Watcher>[0],
      call: (...given: Arguments) => Promise<Result>,
    ): ((...given: Arguments) => Promise<Result>) =>
    async (...given) => {
      watch(name);
      return call(...given);
    };
  return {
    vocabularySize,
    maximumLength: 128,
    parameters: model.parameters,
    nll: watched('nll', (batch) => model.nll(batch)),
    klTo: (reference, batch) => model.klTo(reference, batch),
    accumulate: watched('accumulate', (...given) => model.accumulate(...given)),
    score: watched('score', (batch) => model.score(batch)),
    generate: (...given) => model.generate(...given),
    save: watched('save', async (folder, { tokenizer }) => {
      await writeFile(join(folder, 'config.json'), '{"model_type": "bigram"}\n');
      await tokenizer.copyTo(folder);
      const shape = [vocabularySize, vocabularySize];
      const data = model.values.slice(0, vocabularySize ** 2);
      await writeSafetensors(join(folder, 'model.safetensors'), [{ name: 'logits', dtype: 'F32', shape, data }]);
    }),
    release() {},
  };
}
