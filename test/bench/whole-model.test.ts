import { describe, expect, test } from '@jest/globals';
import { drawnTokens, promptLengths, questionLengths, sequenceLengths } from '../../bench/cases/whole-model.ts';
import { wholeModelGoals } from '../../bench/goals.ts';
import { hasWords } from '../../bench/peers/planned-row.ts';
import { TorchPeer } from '../../bench/peers/torch-process.ts';
import { checkAgreement, transformersCase, wholeModelRows, whyNoModel } from '../../bench/peers/whole-model.ts';

const torch = new TorchPeer('no-such-python', { threads: 1 }); // started by no row that is not measured
const sides = { folder: '/models/Example-1M', vocabularySize: 100, torch, python: 'none', threads: 1, seconds: 0 };

describe('rows', () => {
  const heads = wholeModelRows(sides).map(({ head }) => head);
  const having = (words: string) => heads.filter((head) => hasWords(words, head));

  test('a training step and generation in both dtypes, each with its time and its memory, and a goal', () => {
    expect(heads.map(({ unit }) => unit)).toEqual([...new Array(4).fill('ns'), ...new Array(4).fill('bytes')]);
    expect(new Set(heads.map(({ ours, theirs }) => `${ours} ${theirs}`)).size).toBe(8);
    expect(having('training step float32').map(({ goal }) => goal)).toEqual([wholeModelGoals.trainingInF32]);
    expect(having('training step bfloat16').map(({ goal }) => goal)).toEqual([wholeModelGoals.trainingInBf16]);
    expect(having('greedy generation').map(({ goal }) => goal)).toEqual(new Array(2).fill(wholeModelGoals.generation));
    expect(having('peak memory').map(({ goal }) => goal)).toEqual(new Array(4).fill(wholeModelGoals.memory));
  });

  test('say what is run, on what, and how transformers is used', () => {
    expect(heads[0]).toMatchObject({
      ours: 'Training step, Example-1M, float32, 8 sequences of 62 to 100 tokens',
      theirs: 'transformers: padded at the right, mask, labels of -100, torch.optim.AdamW fused, float32',
    });
    expect(heads[3]).toMatchObject({
      ours: 'Greedy generation, Example-1M, bfloat16, 8 prompts of 25 to 35 tokens, 64 new ones each',
      theirs: 'transformers: padded at the left, mask, generate with its cache, bfloat16',
    });
  });
});

describe('data', () => {
  test('are the same whenever they are drawn, within the vocabulary, as long as they are said to be', () => {
    const drawn = drawnTokens(promptLengths, 'generation', 100);
    expect(drawnTokens(promptLengths, 'generation', 100)).toEqual(drawn);
    expect(drawn.map(({ length }) => length)).toEqual(promptLengths);
    for (const token of drawn.flat()) expect(Number.isInteger(token) && token >= 0 && token < 100).toBe(true);
    expect(drawn[0]).not.toEqual(drawnTokens(promptLengths, 'training', 100)[0]);
  });

  test('each sequence has a question before the first label, and labels', () => {
    expect(questionLengths).toHaveLength(sequenceLengths.length);
    for (const [i, length] of sequenceLengths.entries()) {
      expect(questionLengths[i]).toBeGreaterThanOrEqual(1);
      expect(questionLengths[i]).toBeLessThan(length);
    }
  });

  test('transformers is given the same', () => {
    const training = transformersCase('training', 'bf16', sides);
    expect(training.prepare).toBe('TrainingStep');
    expect(training.with).toMatchObject({
      dtype: 'bf16',
      sequences: drawnTokens(sequenceLengths, 'training', 100),
      questions: questionLengths,
    });
    const generation = transformersCase('generation', 'f32', sides);
    expect(generation.prepare).toBe('Generation');
    expect(generation.with).toMatchObject({ prompts: drawnTokens(promptLengths, 'generation', 100) });
  });
});

test('two sides that give other figures have not done the same', () => {
  expect(() => checkAgreement('training', 5, 5.01)).not.toThrow();
  expect(() => checkAgreement('training', 5, 5.5)).toThrow('mean of -log p over the labels: ours 5, transformers 5.5');
  expect(() => checkAgreement('generation', 512, undefined)).toThrow('new tokens: ours 512, transformers none');
});

describe('rows are left out, with the reason', () => {
  const engine = (installed: boolean) => async () => ({ installed, cache: '', searched: [], reason: 'none was built' });

  test('where no model is given, on a device, or where there is no engine', async () => {
    expect(await whyNoModel(undefined, 'cpu', engine(true))).toBe('--model is not given');
    expect(await whyNoModel('folder', 'cuda:0', engine(true))).toMatch(/the CPU.*cuda:0/);
    expect(await whyNoModel('folder', 'cpu', engine(false))).toMatch(/none was built.*engine install/);
  });

  test('and else they are there', async () => {
    expect(await whyNoModel('folder', 'cpu', engine(true))).toBeUndefined();
  });
});
