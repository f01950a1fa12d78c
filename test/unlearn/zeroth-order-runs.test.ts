import { expect, test } from '@jest/globals';
import type { DifferentiableLM } from '../../lib/model/contract.ts';
import { gradientFree } from '../../lib/model/scored-lm.ts';
import { TokenBatch, type TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { train } from '../../lib/unlearn/index.ts';
import { Lab } from '../../lib/unlearn/lab.ts';
import { algorithm, method, settingsFor } from '../../lib/unlearn/registry.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { describeWithEngine } from '../torch/engine-available.ts';

const target: TokenSequence[] = [
  { tokens: [0, 1, 2], labelsFrom: 1 },
  { tokens: [3, 4, 2], labelsFrom: 1 },
];
const retain: TokenSequence[] = [
  { tokens: [5, 6, 7], labelsFrom: 1 },
  { tokens: [8, 9, 7], labelsFrom: 1 },
];

/** The mean probability of the labels. */
async function probability(model: Pick<DifferentiableLM, 'score'>, sequences: TokenSequence[]): Promise<number> {
  const { logProbability } = await model.score(TokenBatch.of(sequences));
  return logProbability.reduce((sum, log) => sum + Math.exp(log), 0) / logProbability.length;
}

/** A model knows both sets; what it gives to them after an algorithm. */
async function after(model: DifferentiableLM, name: string, given: object, steps: number, learningRate: number) {
  expect(await probability(model, target)).toBeGreaterThan(0.9);
  expect(await probability(model, retain)).toBeGreaterThan(0.9);
  const lab = new Lab({
    model,
    sets: { target, retain },
    optimizer: (options) => new AdamW(model.parameters, { learningRate, weightDecay: 0, ...options }),
    descent: { steps, batchSize: 2 },
    seed: 3n,
  });
  try {
    const own = algorithm(name);
    for await (const _ of own.run(lab, settingsFor(own, given) as never));
  } finally {
    await lab.release();
  }
  return { forget: await probability(model, target), retain: await probability(model, retain) };
}

/** A bigram model that knows what follows what; its gradients are there for nobody. */
function bigram() {
  const model = BigramLM.random(10, 2n, 0.1);
  for (const { tokens } of [...target, ...retain]) {
    for (const [i, next] of tokens.slice(1).entries()) model.values[tokens[i]! * 10 + next] = 6;
  }
  return gradientFree(model);
}

test.each([
  ['mezo', { directions: 4, mu: 0.01 }, 400],
  ['deepzero', { coordinates: 20 }, 200],
  ['deepzero', { coordinates: 20, difference: 'central', from: 'magnitude', share: 0.2 }, 100],
])('%s makes a bigram model of scores alone forget, and keep: %j', async (name, given, steps) => {
  const found = await after(bigram(), name, { method: 'npo', ...given }, steps, 0.05);
  expect(found.forget).toBeLessThan(0.2);
  expect(found.retain).toBeGreaterThan(0.9);
});

describeWithEngine('on a small model of the engine', () => {
  const config = {
    ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', vocab_size: 10 },
    ...{ hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 2 },
    ...{ max_position_embeddings: 64, rms_norm_eps: 1e-5, rope_theta: 10000, tie_word_embeddings: false },
  };

  /** A model that has learnt both sets. */
  async function taught(): Promise<TorchLM> {
    const model = await TorchLM.create(config, 5n);
    const optimizer = new AdamW(model.parameters, { learningRate: 0.01 });
    await train({
      model,
      optimizer,
      method: method('finetune'),
      target: [...target, ...retain],
      steps: 60,
      batchSize: 4,
    });
    await optimizer.release();
    return model;
  }

  test.each([
    ['mezo', { directions: 4 }, 200, 0.01],
    ['deepzero', { coordinates: 30 }, 40, 0.05],
    ['fo-zo', {}, 40, 0.003],
  ])('%s forgets and keeps', async (name, given, steps, learningRate) => {
    const model = await taught();
    const found = await after(model, name, { method: 'npo', ...given }, steps, learningRate);
    model.release();
    expect(found.forget).toBeLessThan(0.5);
    expect(found.retain).toBeGreaterThan(0.8);
  });
});
