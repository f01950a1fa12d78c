import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { generateInGroups, type PromptGroup } from '../../lib/torch/prompt-groups.ts';

const prompt = (length: number, index: number) => Array.from({ length }, (_, t) => 1000 * index + t);

/** A model whose answer to prompt i has `answers[i]` tokens, each its own position; notes the groups it is given. */
function modelWith(answers: readonly number[], promptLengths: readonly number[], maxPositions: number) {
  const groups: PromptGroup[] = [];
  const finishedBefore: number[] = [];
  const generate = async (group: PromptGroup, finished: number) => {
    groups.push(group);
    finishedBefore.push(finished);
    return group.indexes.map((index, i) => {
      const length = group.offsets[i + 1]! - group.offsets[i]!;
      const made = length - promptLengths[index]!;
      // What was generated comes back as it was.
      expect([...group.tokens.slice(group.offsets[i]!, group.offsets[i + 1]!)]).toEqual([
        ...prompt(promptLengths[index]!, index),
        ...Array.from({ length: made }, (_, t) => promptLengths[index]! + t),
      ]);
      // The last position still predicts a token.
      const left = Math.min(answers[index]! - made, group.maxNewTokens, Math.max(maxPositions - length, 1));
      return Int32Array.from({ length: left }, (_, t) => length + t);
    });
  };
  return { groups, finishedBefore, generate };
}

describe('groups of prompts', () => {
  test('a large maxNewTokens leaves no prompt alone whose answer is short', async () => {
    const lengths = new Array<number>(100).fill(50);
    const model = modelWith(new Array(100).fill(40), lengths, 131072);
    const bounds = { bytesPerToken: 2 ** 16, maxPositions: 131072 };
    const results = await generateInGroups(lengths.map(prompt), 2 ** 30, bounds, model.generate);
    expect(results.map(({ length }) => length)).toEqual(new Array(100).fill(40));
    // 4096 tokens in 256 MiB, 50 + 256 for each prompt.
    expect(model.groups.map(({ indexes }) => indexes.length)).toEqual([13, 13, 13, 13, 13, 13, 13, 9]);
    expect(model.finishedBefore).toEqual([0, 13, 26, 39, 52, 65, 78, 91]);
  });

  test('a maxNewTokens for which there is room is run at once', async () => {
    const model = modelWith([200, 200, 200], [10, 20, 30], 2048);
    const bounds = { bytesPerToken: 1, maxPositions: 2048, memory: 3 * 230 };
    await generateInGroups([10, 20, 30].map(prompt), 200, bounds, model.generate);
    expect(model.groups.map(({ indexes, maxNewTokens }) => [indexes, maxNewTokens])).toEqual([[[0, 1, 2], 200]]);
  });

  test('prompts are those of the call, whatever becomes of them', async () => {
    const model = modelWith([5, 5], [10, 10], 64);
    const prompts = [prompt(10, 0), prompt(10, 1)];
    const bounds = { bytesPerToken: 1, maxPositions: 64, memory: 20 };
    const results = generateInGroups(prompts, 5, bounds, model.generate);
    prompts[1]!.fill(-1);
    expect((await results).map(({ length }) => length)).toEqual([5, 5]);
    expect(model.groups.map(({ indexes }) => indexes)).toEqual([[0], [1]]);
  });

  test('a prompt by itself is run at once, whatever the memory', async () => {
    const model = modelWith([3000], [10], 2 ** 30);
    const bounds = { bytesPerToken: 1, maxPositions: 2 ** 30, memory: 100 };
    await generateInGroups([prompt(10, 0)], 5000, bounds, model.generate);
    expect(model.groups.map(({ maxNewTokens }) => maxNewTokens)).toEqual([5000]);
  });

  test('whatever the lengths, answers are whole and groups within memory', async () => {
    const sequence = fc.record({ length: fc.integer({ min: 1, max: 60 }), answer: fc.integer({ min: 0, max: 3000 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(sequence, { maxLength: 8 }),
        fc.integer({ min: 1, max: 4000 }),
        fc.integer({ min: 60, max: 3000 }),
        fc.integer({ min: 1, max: 5000 }),
        async (sequences, maxNewTokens, maxPositions, memory) => {
          const lengths = sequences.map(({ length }) => length);
          const model = modelWith(
            sequences.map(({ answer }) => answer),
            lengths,
            maxPositions,
          );
          const bounds = { bytesPerToken: 1, maxPositions, memory };
          const results = await generateInGroups(lengths.map(prompt), maxNewTokens, bounds, model.generate);
          for (const [i, { length, answer }] of sequences.entries()) {
            const expected = Math.min(answer, maxNewTokens, Math.max(maxPositions - length, 1));
            expect(results[i]).toEqual(Array.from({ length: expected }, (_, t) => length + t));
          }
          for (const { indexes, offsets, maxNewTokens: room } of model.groups) {
            const longest = Math.max(...indexes.map((_, i) => offsets[i + 1]! - offsets[i]!));
            if (indexes.length > 1) {
              expect(indexes.length * Math.min(longest + room, maxPositions)).toBeLessThanOrEqual(memory);
            }
          }
          // A prompt is taken up again a few times at most: with no less than twice its length, or 256 tokens more.
          for (const index of lengths.keys()) {
            const times = model.groups.filter(({ indexes }) => indexes.includes(index)).length;
            expect(times).toBeLessThanOrEqual(6);
          }
        },
      ),
      { numRuns: 300, seed: 1 },
    );
  });
});
