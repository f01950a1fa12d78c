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
      message: expect.stringMatching(/sequence 0 has 25 tokens/),
    });
  });

  test('the cache takes what is generated, not what might be', async () => {
    // At once it would be terabytes.
    const most = 2 ** 30;
    const vast = await TorchLM.create({ ...config, vocab_size: 4096, max_position_embeddings: most }, 11n);
    for (const options of [{}, { temperature: 1, topP: 0.95, seed: 4n }]) {
      const whole = await vast.generate(prompts, { ...options, maxNewTokens: 1300 });
      // The first prompt ends at the last token that is new to it; the others sooner, at tokens that it has not.
      const [first] = whole;
      const end = first!.findLastIndex((token, i) => first!.indexOf(token) === i);
      const seen = new Set(first!.slice(0, end));
      const stopTokens = whole.map((tokens, i) => tokens.find((token, t) => t >= 350 * i && !seen.has(token))!);
      stopTokens[0] = first![end]!;
      const expected = whole.map((tokens) =>
        tokens.slice(
          0,
          tokens.findIndex((token) => stopTokens.includes(token)),
        ),
      );
      // Room for 256 tokens at first, then doubled: three times for this one.
      expect(expected[0]!.length).toBeGreaterThan(1100);
      expect(new Set(expected.map(({ length }) => length)).size).toBe(prompts.length);
      expect(await vast.generate(prompts, { ...options, maxNewTokens: most, stopTokens })).toEqual(expected);
    }
    vast.release();
  });

  test('tokens are those of a forward pass without a cache however often it has grown', async () => {
    const long = await TorchLM.create({ ...config, max_position_embeddings: 2048 }, 11n);
    const generated = await long.generate(prompts, { maxNewTokens: 1300 });
    const sequences = generated.map((tokens, i) => ({
      tokens: [...prompts[i]!, ...tokens],
      labelsFrom: prompts[i]!.length,
    }));
    const { isArgmax } = await long.score(TokenBatch.of(sequences));
    expect([...isArgmax]).toEqual(new Array(prompts.length * 1300).fill(1));
    // A draw is a function of seed, prompt and position: the prefix gives the same one without a cache.
    const drawn = { temperature: 1, topP: 0.95, seed: 4n };
    const [sampled] = await long.generate([[1]], { ...drawn, maxNewTokens: 1300 });
    for (const end of [1, 255, 256, 257, 258, 513, 514, 515, 1027, 1028, 1029, 1299]) {
      const prefix = [1, ...sampled!.slice(0, end)];
      expect(await long.generate([prefix], { ...drawn, maxNewTokens: 1 })).toEqual([[sampled![end]]]);
    }
    long.release();
  });

  test('what outgrows the memory of its group goes on by itself', async () => {
    // 8 KiB a token: 120 prompts have room for 273 each, prompt and all.
    const shape = { num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1, head_dim: 1024 };
    const wide = await TorchLM.create({ ...config, ...shape, vocab_size: 512, max_position_embeddings: 512 }, 11n);
    const options = { temperature: 1, seed: 9n };
    const [alone] = await wide.generate([[1, 2, 3]], { ...options, maxNewTokens: 400 });
    const own = new Set(alone);
    const stopTokens = Array.from({ length: 512 }, (_, token) => token).filter((token) => !own.has(token));
    const others = new Array(119).fill([5]);
    const [together] = await wide.generate([[1, 2, 3], ...others], { ...options, maxNewTokens: 400, stopTokens });
    expect(together).toEqual(alone);
    wide.release();
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
