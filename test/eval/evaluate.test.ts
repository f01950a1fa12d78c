import { describe, expect, it } from '@jest/globals';

import type { Example } from '../../lib/data/index.ts';
import {
  distanceToReference,
  type EvaluationProgress,
  evaluate,
  generationRouge,
  probability,
} from '../../lib/eval/index.ts';
import type { GenerateOptions } from '../../lib/model/contract.ts';
import type { TextTokenizer } from '../../lib/model/tokenizer.ts';
import type { BigramLM } from '../model/bigram-lm.ts';
import { alphabet, letters, letterTokenizer as tokenizer } from './letters.ts';

const example = (prompt: string, completion: string): Example => ({
  kind: 'prompt-completion',
  prompt,
  completion,
  source: { file: 'data.jsonl', line: 1 },
});

const examples = [example('a', 'bc'), example('abc', 'defgh'), example('', 'a b c d'), example('h', 'g')];

/** exp of the mean log p of the label tokens, from the table itself. */
function expected(model: BigramLM, { prompt, completion }: Example): number {
  const tokens = [...tokenizer.encode(prompt + completion), 0];
  let sum = 0;
  for (let t = 1 + prompt.length; t < tokens.length; t++) sum += model.logProbabilities(tokens[t - 1]!)[tokens[t]!]!;
  return Math.exp(sum / (completion.length + 1));
}

describe('evaluate', () => {
  it('gives the geometric mean of token probabilities, the end of the text included', async () => {
    const model = alphabet();
    const { items, ...figures } = await evaluate(model, tokenizer, examples, { generate: false, batchSize: 3 });
    for (const [i, item] of items.entries()) {
      expect(item.probability).toBeCloseTo(expected(model, examples[i]!), 6);
      expect(item.probability).toBeCloseTo(Math.exp(-item.meanNegativeLogLikelihood), 12);
      expect(item.labelTokens).toBe(examples[i]!.completion.length + 1);
      expect(item).not.toHaveProperty('generation');
    }
    const of = (pick: (item: (typeof items)[number]) => number) => items.reduce((sum, item) => sum + pick(item), 0) / 4;
    expect(figures).toEqual({
      examples: 4,
      truncated: 0,
      probability: of((item) => item.probability),
      meanNegativeLogLikelihood: of((item) => item.meanNegativeLogLikelihood),
    });
  });

  it('does not depend on the batch size', async () => {
    const results = await Promise.all(
      [1, 2, 3, 8].map((batchSize) => evaluate(alphabet(), tokenizer, examples, { batchSize, maxNewTokens: 6 })),
    );
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it('lets the model answer and scores the recall of words', async () => {
    const answers = await generationRouge(alphabet(), tokenizer, examples, { maxNewTokens: 3 });
    expect(answers).toEqual([
      { generation: 'bcd', rougeLRecall: 0, rouge1Recall: 0 },
      { generation: 'def', rougeLRecall: 0, rouge1Recall: 0 },
      { generation: 'abc', rougeLRecall: 0, rouge1Recall: 0 },
      { generation: '', rougeLRecall: 0, rouge1Recall: 0 },
    ]);
    const whole = await generationRouge(alphabet(), tokenizer, [example('a', 'bcdefgh'), example('b', 'cdefgh a')]);
    expect(whole).toEqual([
      { generation: 'bcdefgh', rougeLRecall: 1, rouge1Recall: 1 },
      { generation: 'cdefgh', rougeLRecall: 0.5, rouge1Recall: 0.5 },
    ]);
  });

  it('ends an answer where prompt and answer are so long together', async () => {
    const answers = await generationRouge(alphabet(), tokenizer, examples, { maxNewTokens: 6, maxTotalTokens: 5 });
    // Prompts of 2, 4, 1 and 2 tokens, the begin-of-text token among them.
    expect(answers.map(({ generation }) => generation)).toEqual(['bcd', 'd', 'abcd', '']);
  });

  it('counts the answers that ROUGE does not see, where the model answers', async () => {
    const japanese = ['\u6771\u4eac\u3067\u3059\u3002', '\u6771\u4eac a\u3067\u3059', '!?', 'ab \u6771'];
    // Letters that the tokenizer lacks become spaces.
    const encode: TextTokenizer['encode'] = (text, options) =>
      tokenizer.encode(text.replaceAll(/[^a-h ]/g, ' '), options);
    const answers = japanese.map((completion) => example('a', completion));
    const counted = { withoutRougeWords: 2, mostlyWithoutRougeWords: 1 };
    expect(await evaluate(alphabet(), { ...tokenizer, encode }, answers, { maxNewTokens: 2 })).toMatchObject(counted);
    const silent = await evaluate(alphabet(), { ...tokenizer, encode }, answers, { generate: false });
    expect(silent).not.toHaveProperty('withoutRougeWords');
    expect(silent).not.toHaveProperty('mostlyWithoutRougeWords');
    const english = await evaluate(alphabet(), tokenizer, examples, { maxNewTokens: 2 });
    expect(english).toMatchObject({ withoutRougeWords: 0, mostlyWithoutRougeWords: 0 });
  });

  it("names the line of a token beyond the model's vocabulary", async () => {
    const short = Object.assign(alphabet(), { vocabularySize: letters.length - 1 });
    await expect(evaluate(short, tokenizer, [example('a', 'b'), example('a', 'b c')])).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(/^data\.jsonl:1 has the token 10 \(" "\), but the model's vocabulary has 10/),
    });
  });

  it('reports progress of both phases and stops when told to', async () => {
    const seen: EvaluationProgress[] = [];
    const onProgress = (progress: EvaluationProgress) => seen.push(progress);
    await evaluate(alphabet(), tokenizer, examples, { batchSize: 3, maxNewTokens: 2, onProgress });
    expect(seen).toEqual([
      { phase: 'probability', done: 3, total: 4 },
      { phase: 'probability', done: 4, total: 4 },
      { phase: 'generation', done: 3, total: 4 },
      { phase: 'generation', done: 4, total: 4 },
    ]);
    const controller = new AbortController();
    const cause = new Error('enough');
    await expect(
      evaluate(alphabet(), tokenizer, examples, {
        batchSize: 1,
        signal: controller.signal,
        onProgress: ({ done }) => done === 2 && controller.abort(cause),
      }),
    ).rejects.toMatchObject({ code: 'SOUL_CANCELLED', cause, details: { phase: 'probability', done: 2, total: 4 } });
  });

  it('hands its signal on to the model that answers', async () => {
    const model = alphabet();
    const { signal } = new AbortController();
    const given: unknown[] = [];
    const watched = {
      score: model.score.bind(model),
      generate: (prompts: readonly (readonly number[])[], options: GenerateOptions) => {
        given.push(options.signal);
        return model.generate(prompts, options);
      },
    };
    await evaluate(watched, tokenizer, examples, { batchSize: 4, maxNewTokens: 2, signal });
    expect(given).toEqual([signal]);
  });

  it('counts the examples that were cut', async () => {
    const { truncated, items } = await evaluate(alphabet(), tokenizer, examples, { maximumLength: 6, generate: false });
    expect(truncated).toBe(2);
    expect(items[1]!.labelTokens).toBe(2);
  });

  it('says that a broken model is broken', async () => {
    const model = alphabet();
    model.values.fill(Number.NaN);
    await expect(evaluate(model, tokenizer, examples)).rejects.toMatchObject({ code: 'SOUL_NON_FINITE' });
  });

  it.each([[{ batchSize: 0 }], [{ maxTokens: 5 } as object], [{ batchSize: 2.5 }], [{ maxNewTokens: 0 }]])(
    'refuses %p',
    async (options) => {
      await expect(evaluate(alphabet(), tokenizer, examples, options)).rejects.toMatchObject({
        code: 'SOUL_INVALID_ARGUMENT',
      });
    },
  );

  it('refuses an empty data set, but has no opinion on no sequences', async () => {
    await expect(evaluate(alphabet(), tokenizer, [])).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    await expect(probability(alphabet(), [])).resolves.toEqual([]);
  });
});

describe('distanceToReference', () => {
  const likelihoods = (...values: number[]) =>
    values.map((meanNegativeLogLikelihood) => ({ meanNegativeLogLikelihood }));

  it('is the mean of absolute differences', () => {
    expect(distanceToReference(likelihoods(1, 2, 5), likelihoods(2, 2, 1))).toBeCloseTo(5 / 3, 12);
    expect(distanceToReference(likelihoods(Infinity), likelihoods(Infinity))).toBe(0);
    expect(distanceToReference(likelihoods(Infinity), likelihoods(1))).toBe(Infinity);
  });

  it('refuses different examples, and none', () => {
    for (const reference of [likelihoods(1), likelihoods()]) {
      expect(() => distanceToReference(likelihoods(), reference)).toThrow(
        expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }),
      );
    }
    expect(() => distanceToReference(likelihoods(1, 2), likelihoods(1))).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }),
    );
  });
});
