import { expect, test } from '@jest/globals';
import type { Example } from '../../lib/data/example.ts';
import { PromptTemplate } from '../../lib/data/prompt-template.ts';
import type { TextGenerator } from '../../lib/model/contract.ts';
import type { TextTokenizer } from '../../lib/model/tokenizer.ts';
import { generateAlternatives, planAlternatives } from '../../lib/run/generate-alternatives.ts';

/** A token a character. */
const tokenizer: TextTokenizer = {
  vocabularySize: 128,
  endOfTextTokens: [0],
  encode: (text: string) => Array.from(text, (each) => each.charCodeAt(0)),
  decode: (tokens: readonly number[]) => String.fromCharCode(...tokens),
} as unknown as TextTokenizer;

const example = (prompt: string, completion: string, i: number): Example =>
  ({ kind: 'completion', prompt, completion, source: { file: 'forget.jsonl', line: i + 1 } }) as unknown as Example;

/** Goes on with as many letters as it may, each prompt with one of its own. */
const model: TextGenerator = {
  generate: async (prompts, { maxNewTokens }) =>
    prompts.map((prompt) => new Array<number>(maxNewTokens).fill(97 + (prompt.length % 26))),
};

test('each answer is as long as its own prompt leaves room for, whatever stands beside it', async () => {
  const examples = [example('a long prompt.....', 'true answers', 0), example('short', 'true answers', 1)];
  const encoding = { template: PromptTemplate.plain, maximumLength: 40 };
  const plan = planAlternatives(tokenizer, examples, [12, 12], encoding);
  const [long, short] = plan.prompts.map(({ length }) => length);
  expect(plan.room).toEqual([40 - long! - 1, Math.min(24, 40 - short! - 1)]);
  expect(plan.room[0]).toBeLessThan(plan.room[1]!);
  const { answers } = await generateAlternatives(model, tokenizer, plan, { count: 1, seed: 3n, batchSize: 2 });
  expect(answers.map(([answer]) => answer!.length)).toEqual(plan.room);
});

test('a hundred thousand questions are planned', () => {
  const examples = Array.from({ length: 150_000 }, (_, i) => example('q', 'a', i));
  const lengths = examples.map((_, i) => 1 + (i % 9));
  const encoding = { template: PromptTemplate.plain, maximumLength: 64 };
  const { room } = planAlternatives(tokenizer, examples, lengths, encoding);
  expect(room.every((each) => each === 18)).toBe(true);
});
