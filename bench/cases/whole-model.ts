/**
 * Whole-model work: a training step and greedy generation, on the same token sequences for every side.
 *
 * @module
 */

import { randomStream } from '../../lib/core/random.ts';
import { TokenBatch } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { TorchLM } from '../../lib/torch/torch-lm.ts';

export type ModelDType = 'f32' | 'bf16';

export type ModelWork = 'training' | 'generation';

/** What a side is made with. */
export interface ModelSetting {
  /** A Hugging Face folder. */
  readonly folder: string;
  readonly dtype: ModelDType;
  readonly threads: number;
}

/** A model with what it works on. */
export interface PreparedModel {
  /** Does the work once, and gives a figure that every side must agree on: {@link resultOf}. */
  run(): Promise<number>;
  release(): Promise<void>;
}

/** What the figure of a run is, in words. */
export const resultOf: Readonly<Record<ModelWork, string>> = {
  training: 'mean of -log p over the labels',
  generation: 'new tokens',
};

/** Tokens of each sequence, those of its question among them: as long as questions and answers of TOFU are. */
export const sequenceLengths: readonly number[] = [62, 97, 71, 84, 66, 100, 79, 91];
export const questionLengths: readonly number[] = [18, 24, 16, 22, 19, 26, 20, 23];
export const promptLengths: readonly number[] = [30, 26, 34, 28, 32, 25, 35, 29];
export const newTokens = 64;

/** Small enough that many steps leave the model nearly as it is; steps take as long as others. */
export const learningRate = 1e-7;

/** Tokens that are drawn, a function of the vocabulary's size alone. */
export function drawnTokens(lengths: readonly number[], purpose: ModelWork, vocabularySize: number): number[][] {
  const stream = randomStream(0n, `benchmark ${purpose}`);
  return lengths.map((length, sequence) =>
    Array.from({ length }, (_, index) => stream.integer(vocabularySize, sequence, index)),
  );
}

export function prepareModel(work: ModelWork, setting: ModelSetting): Promise<PreparedModel> {
  return work === 'training' ? prepareTraining(setting) : prepareGeneration(setting);
}

/** Forward, backward and a step of AdamW, with as much kept, and in the dtypes, as torch.optim.AdamW does. */
async function prepareTraining({ folder, dtype, threads }: ModelSetting): Promise<PreparedModel> {
  const model = await TorchLM.load(folder, { dtype, threads });
  const { values, gradients } = model.parameters;
  const narrow = { precision: { master: 'none', states: 'bf16', rounding: 'nearest' } } as const;
  const adamw = new AdamW(
    { values, gradients },
    { learningRate, nonFinite: 'propagate', ...(dtype === 'bf16' ? narrow : {}) },
  );
  const sequences = drawnTokens(sequenceLengths, 'training', model.vocabularySize);
  const batch = TokenBatch.of(sequences.map((tokens, i) => ({ tokens, labelsFrom: questionLengths[i]! })));
  const { labelCount } = batch;
  const weights = new Float32Array(labelCount).fill(1 / labelCount);
  return {
    async run() {
      const losses = await model.accumulate(batch, weights);
      await adamw.step({ zeroGradients: true });
      return losses.reduce((total, loss) => total + loss / labelCount, 0);
    },
    async release() {
      model.release();
      await adamw.release();
    },
  };
}

async function prepareGeneration({ folder, dtype, threads }: ModelSetting): Promise<PreparedModel> {
  const model = await TorchLM.load(folder, { dtype, threads });
  const prompts = drawnTokens(promptLengths, 'generation', model.vocabularySize);
  return {
    async run() {
      const answers = await model.generate(prompts, { maxNewTokens: newTokens });
      return answers.reduce((total, { length }) => total + length, 0);
    },
    release: async () => model.release(),
  };
}
