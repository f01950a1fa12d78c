import { beforeAll, expect, test } from '@jest/globals';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { chiSquareZ } from '../native/chi-square.ts';
import { describeWithEngine } from './engine-available.ts';

const config = {
  model_type: 'llama',
  vocab_size: 23,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 24,
  initializer_range: 0.6,
  tie_word_embeddings: false,
};
const prompts = [[1, 2, 3], [7], [4, 4, 4, 4, 4, 9, 20], [22, 0]];

/** log p of every token of the vocabulary after `prefix`. */
async function distribution(model: TorchLM, prefix: readonly number[]): Promise<number[]> {
  const { logProbability } = await model.score(
    TokenBatch.of(
      Array.from({ length: model.vocabularySize }, (_, token) => ({
        tokens: [...prefix, token],
        labelsFrom: prefix.length,
      })),
    ),
  );
  return [...logProbability];
}

describeWithEngine('generation', () => {
  let model: TorchLM;
  beforeAll(async () => {
    model = await TorchLM.create(config, 11n);
  });

  test('greedy tokens are the argmax of a forward pass without a cache', async () => {
    const generated = await model.generate(prompts, { maxNewTokens: 8 });
    for (const [i, tokens] of generated.entries()) {
      expect(tokens).toHaveLength(8);
      const whole = [...prompts[i]!, ...tokens];
      const { isArgmax } = await model.score(TokenBatch.of([{ tokens: whole, labelsFrom: prompts[i]!.length }]));
      expect([...isArgmax]).toEqual(new Array(8).fill(1));
    }
  });

  test('a batch gives what each prompt gives alone, sampled too', async () => {
    for (const options of [{ maxNewTokens: 8 }, { maxNewTokens: 1, temperature: 0.8, topP: 0.9, seed: 5n }]) {
      const together = await model.generate(prompts, options);
      const first = await model.generate(prompts.slice(0, 1), options);
      expect(first[0]).toEqual(together[0]);
    }
    const greedy = await model.generate(prompts, { maxNewTokens: 8 });
    for (const [i, prompt] of prompts.entries()) {
      expect(await model.generate([prompt], { maxNewTokens: 8 })).toEqual([greedy[i]]);
    }
  });

  test('each prompt ends at its own stop token, which is left out', async () => {
    const free = await model.generate(prompts, { maxNewTokens: 8 });
    const stopTokens = [free[0]![2]!, free[2]![4]!];
    const stopped = await model.generate(prompts, { maxNewTokens: 8, stopTokens });
    for (const [i, tokens] of free.entries()) {
      const end = tokens.findIndex((token) => stopTokens.includes(token));
      expect(stopped[i]).toEqual(end === -1 ? tokens : tokens.slice(0, end));
    }
  });

  test('generation ends where the positions of the model end', async () => {
    const long = Array.from({ length: 20 }, (_, i) => i);
    const [near, far] = await model.generate([long, [1]], { maxNewTokens: 100 });
    // The last token that a position holds still predicts one.
    expect(near).toHaveLength(24 - 20);
    expect(far).toHaveLength(24 - 1);
    await expect(model.generate([new Array(25).fill(1)], { maxNewTokens: 1 })).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: /sequence 0 has 25 tokens/,
    });
  });

  test('sampling is a function of seed, prompt and position', async () => {
    const options = { maxNewTokens: 6, temperature: 1.5, seed: 77n };
    const same = [prompts[0]!, prompts[0]!, prompts[1]!];
    const first = await model.generate(same, options);
    expect(await model.generate(same, options)).toEqual(first);
    expect(first[0]).not.toEqual(first[1]);
    expect(await model.generate(same, { ...options, seed: 78n })).not.toEqual(first);
  });

  test('samples follow the tempered distribution', async () => {
    const prompt = [3, 8];
    const temperature = 1.7;
    const scaled = (await distribution(model, prompt)).map((logP) => Math.exp(logP / temperature));
    const total = scaled.reduce((a, b) => a + b);
    const draws = await model.generate(new Array(3000).fill(prompt), { maxNewTokens: 1, temperature, seed: 1n });
    const counts = new Float64Array(23);
    for (const [token] of draws) counts[token!]! += 1;
    // Rare tokens are counted as one: the statistic needs a few of each.
    const kinds = scaled.map((value, token) => ({ expected: (3000 * value) / total, count: counts[token]! }));
    const common = kinds.filter(({ expected }) => expected >= 10);
    const rare = kinds.filter(({ expected }) => expected < 10);
    const sum = (key: 'expected' | 'count') => rare.reduce((whole, kind) => whole + kind[key], 0);
    const all = [...common, { expected: sum('expected') + 1e-9, count: sum('count') }];
    const z = chiSquareZ(
      all.map(({ count }) => count),
      all.map(({ expected }) => expected),
    );
    expect(Math.abs(z)).toBeLessThan(4);
  });

  test('topP keeps the smallest set of likely tokens that reaches it', async () => {
    const prompt = [5, 1, 9];
    const probabilities = (await distribution(model, prompt)).map(Math.exp);
    const order = probabilities.map((_, token) => token).sort((a, b) => probabilities[b]! - probabilities[a]!);
    const topP = probabilities[order[0]!]! + 0.5 * probabilities[order[1]!]!;
    const draws = await model.generate(new Array(400).fill(prompt), { maxNewTokens: 1, temperature: 1, topP });
    expect(new Set(draws.flat())).toEqual(new Set(order.slice(0, 2)));
    const single = await model.generate(new Array(50).fill(prompt), { maxNewTokens: 1, temperature: 1, topP: 1e-6 });
    expect(new Set(single.flat())).toEqual(new Set([order[0]]));
    // Less than the smallest float.
    const tiny = await model.generate(new Array(50).fill(prompt), { maxNewTokens: 1, temperature: 1, topP: 1e-50 });
    expect(tiny).toEqual(single);
  });

  test('nothing to do gives nothing', async () => {
    expect(await model.generate([], { maxNewTokens: 3 })).toEqual([]);
  });

  test.each([
    [[[]], { maxNewTokens: 1 }, /prompts\[0\]/],
    [[[1], 'text'], { maxNewTokens: 1 }, /prompts\[1\]/],
    [[[1, 2.5]], { maxNewTokens: 1 }, /prompts\[0\]\[1\]/],
    [[[1, 23]], { maxNewTokens: 1 }, /token 1 of sequence 0 is 23/],
    [[[1]], { maxNewTokens: 0 }, /maxNewTokens/],
    [[[1]], { maxNewTokens: 1, temperature: -1 }, /temperature/],
    [[[1]], { maxNewTokens: 1, temperature: Number.NaN }, /temperature/],
    [[[1]], { maxNewTokens: 1, topP: 0 }, /topP/],
    [[[1]], { maxNewTokens: 1, stopTokens: [-1] }, /stopTokens\[0\]/],
    [[[1]], { maxNewTokens: 1, seed: 1 }, /seed/],
    ['text', { maxNewTokens: 1 }, /prompts/],
    [[[1]], undefined, /options/],
  ])('wrong input is named: %j %j', async (wrongPrompts, options, message) => {
    await expect(model.generate(wrongPrompts as never, options as never)).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message,
    });
  });
});
