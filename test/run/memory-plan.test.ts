import { expect, test } from '@jest/globals';
import { unlearningLayersLayout } from '../../lib/model/adapter/unlearning-layers.ts';
import { largestBatch, passesOf, planMemory } from '../../lib/run/memory-plan.ts';
import { chooseAlgorithm } from '../../lib/run/run-defaults.ts';
import type { AlgorithmName } from '../../lib/unlearn/registry.ts';

const elements = 1_000_003;
const mask = 125_001;

/** Bytes of masks, alone and where the run freezes weights. */
const planned = (name: AlgorithmName, settings: object) =>
  [false, true].map((masked) => {
    const { parts } = planMemory({
      ...{ device: 'cpu', dtype: 'f32', elements, pass: { activations: 0, work: 0 }, process: 0 },
      ...{ optimizer: 'adamw', chosen: chooseAlgorithm(name, settings), masked },
    });
    return parts.find((part) => part.name === 'masks')?.bytes ?? 0;
  });

test.each([
  ['graddiff', {}, 0, 1],
  ['ssd', {}, 0, 1],
  // What it trains by; with the run's, and that of both.
  ['rmu', {}, 1, 3],
  ['prune', {}, 1, 3],
  ['wagle', {}, 1, 3],
  ['wagle', { ratio: 1 }, 0, 1],
  // What moves, in which the run's is taken up.
  ['mezo', {}, 1, 2],
  ['fo-zo', {}, 1, 2],
  ['deepzero', {}, 1, 2],
  ['deepzero', { from: 'magnitude' }, 2, 4],
] as const)('%s with %j holds %d masks, and %d where the run has one', (name, settings, alone, masked) => {
  expect(planned(name, settings)).toEqual([alone * mask, masked * mask]);
});

test('of unlearning layers the matrices of what enters them count, where they take more than a pass', () => {
  const config = { kind: 'unlearning-layers', bottleneck: 99, activation: 'gelu' } as const;
  const layout = unlearningLayersLayout({ hiddenSize: 199, layers: 3 }, config);
  const partsOf = (device: 'cpu' | 'cuda:0', name: 'npo' | 'finetune', activations = 0) =>
    planMemory({
      ...{
        device,
        dtype: 'f32',
        elements,
        pass: { activations, work: 0 },
        process: 0,
        adapters: { isFresh: true, layout },
      },
      ...{ optimizer: 'adamw', chosen: chooseAlgorithm(name, {}), masked: false },
    }).parts;
  const matrices = (...given: Parameters<typeof partsOf>) =>
    partsOf(...given).find((part) => part.name === 'Gram matrices')?.bytes;
  const whole = 3 * 8 * (200 ** 2 + 100 ** 2);
  expect(matrices('cuda:0', 'npo')).toBe(whole);
  expect(matrices('cpu', 'npo')).toBe(2.5 * whole + (8 * 200 ** 2) / 2);
  expect(matrices('cpu', 'npo', 10 * whole)).toBeUndefined();
  expect(partsOf('cpu', 'npo', 10 * whole)).toContainEqual({ name: 'activations', bytes: 10 * whole });
  expect(matrices('cpu', 'finetune')).toBeUndefined();
});

test('a batch is as large as what is read of its sequences, and as its labels', () => {
  const answer = { tokens: new Int32Array(9), labelsFrom: 4 };
  const spans = [
    [2, 5],
    [7, 8],
  ] as const;
  const conversation = { tokens: new Int32Array(12), labelsFrom: 2, labelSpans: spans };
  expect(largestBatch([answer, conversation, answer], { examples: 2 })).toEqual({
    rows: 8 + 7,
    labels: 5 + 4,
    lengths: [7, 8],
  });
});

test('passes end where the algorithm needs no more, but for those of curvature estimates', () => {
  const sequences = [20, 30, 40].map((length) => ({ tokens: new Int32Array(length), labelsFrom: length - 5 }));
  const passes = (name: AlgorithmName, optimizer: 'adamw' | 'sophia', settings = {}) =>
    passesOf(
      sequences,
      { microBatchSize: 1, optimizer, curvature: { chunkSize: 3 } },
      chooseAlgorithm(name, settings),
    ).map(({ lengths, hiddenLayer }) => [lengths, hiddenLayer?.(30)]);
  expect(passes('npo', 'adamw')).toEqual([[[39], undefined]]);
  expect(passes('rmu', 'adamw')).toEqual([[[39], 10]]);
  expect(passes('rmu', 'adamw', { layer: 4 })).toEqual([[[39], 4]]);
  expect(passes('rmu', 'sophia')).toEqual([
    [[39], 10],
    [[39, 29, 19], undefined],
  ]);
});

test('every token counts as a label where a method takes text, also inside an algorithm', () => {
  const sequences = [20, 30, 40].map((length) => ({ tokens: new Int32Array(length), labelsFrom: length - 5 }));
  const labels = (name: AlgorithmName, settings: object = {}) =>
    passesOf(sequences, { microBatchSize: 2, optimizer: 'adamw' }, chooseAlgorithm(name, settings as never))[0].labels;
  expect(labels('npo')).toBe(10);
  expect(labels('eul')).toBe(39 + 29);
  expect(labels('eul', { gamma: 0 })).toBe(10);
  expect(labels('average', { method: 'eul' })).toBe(39 + 29);
});
