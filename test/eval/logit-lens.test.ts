import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { figuresResult, figuresText } from '../../lib/cli/figures-table.ts';
import { type Example, PromptTemplate } from '../../lib/data/index.ts';
import {
  type EvaluationLog,
  evaluateTofu,
  type Figure,
  logitLens,
  logitLensErasure,
  measureLog,
  readEvaluationLog,
  type TofuSets,
  writeEvaluationLog,
} from '../../lib/eval/index.ts';
import type { ScoreOptions } from '../../lib/model/contract.ts';
import type { TokenBatch } from '../../lib/model/token-batch.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { alphabet, letters, letterTokenizer as tokenizer } from './letters.ts';

/** A model that is another at each layer, and the alphabet at the last. */
function layered(seeds: readonly bigint[]) {
  const last = alphabet();
  const models = [...seeds.map((seed) => BigramLM.random(letters.length, seed, 2)), last];
  return {
    vocabularySize: letters.length,
    hiddenStates: { layers: models.length, width: 1 },
    score: (batch: TokenBatch, { layer = seeds.length }: ScoreOptions = {}) => models[layer]!.score(batch),
    generate: last.generate.bind(last),
    models,
  };
}

const template = PromptTemplate.parse('{question}');
const asked = (prompt: string, completion: string, i: number): Example => ({
  kind: 'question-answer',
  ...{ prompt, completion, source: { file: 'asked', line: i + 1 } },
  alternatives: { paraphrasedAnswer: completion, perturbedAnswers: ['g'] },
});
const examples = [asked('a', 'bcd', 0), asked('ab', 'h', 1), asked('d', 'e f', 2)];
const sets: TofuSets = {
  split: 'own',
  examples: { forget: examples, retain: examples, realAuthors: examples },
  sha256: {},
};

describe('the logit lens', () => {
  test('is the mean of log p of the label tokens, by layer', async () => {
    const model = layered([1n, 2n]);
    const sequences = [
      { tokens: [1, 2, 3, 4], labelsFrom: 2 },
      { tokens: [1, 5, 6], labelsFrom: 1 },
    ];
    const found = await logitLens(model, sequences);
    for (const [i, { tokens, labelsFrom }] of sequences.entries()) {
      const expected = model.models.map((at) => {
        const values = tokens
          .slice(labelsFrom)
          .map((token, k) => at.logProbabilities(tokens[labelsFrom + k - 1]!)[token]!);
        return values.reduce((sum, value) => sum + value, 0) / values.length;
      });
      expect(found[i]).toEqual(expected.map((value) => expect.closeTo(value, 5)));
    }
    await expect(logitLens(alphabet(), sequences)).rejects.toMatchObject({ code: 'SOUL_UNSUPPORTED' });
  });

  test('erasure is the share of the lead that is lost, where there is one', () => {
    const original = [-1, -1, -1, -1];
    const retrained = [-1.04, -3, -2, -0.5];
    const of = (unlearned: number[]) => logitLensErasure({ original, retrained, unlearned });
    // Of leads 2 and 1, at the layers in the middle alone.
    expect(of([-9, -1, -1, -9])).toBe(0);
    expect(of(retrained)).toBe(1);
    expect(of([-9, -2, -9, -9])).toBeCloseTo((1 + 1) / 3, 12);
    expect(of([0, 0, -1.5, 0])).toBeCloseTo(0.5 / 3, 12);
    expect(logitLensErasure({ original, retrained: original, unlearned: retrained })).toBeUndefined();
    // Where an answer has no probability: all is lost, or an infinite lead beside which a finite one is nothing.
    const none = -Infinity;
    expect(of([none, none, none, none])).toBe(1);
    const beside = (unlearned: number[]) => logitLensErasure({ original, retrained: [none, -3, none, -1], unlearned });
    expect(beside([none, -1, -50, -1])).toBe(0.5);
    expect(beside([-50, -3, -50, -1])).toBe(0);
    const lost = { original: [none, -1], retrained: [none, -2], unlearned: [none, -1.5] };
    expect(logitLensErasure(lost)).toBe(0.5);
    expect(() => of([-1])).toThrow(/unlearned must be a number for each of 4 layers/);
  });
});

describe('readings in a log', () => {
  const logOf = (seeds: bigint[]) => evaluateTofu(layered(seeds), tokenizer, sets, { template, logitLens: true });
  const meanOf = (log: EvaluationLog, layer: number) =>
    log.sets.forget!.reduce((sum, item) => sum + item.layerLogProbability![layer]!, 0) / 3;

  test('give a figure for each layer, of which the last is the loss, and what is erased', async () => {
    const [log, reference, original] = (await Promise.all([logOf([1n, 2n]), logOf([3n, 4n]), logOf([5n, 6n])])) as [
      EvaluationLog,
      EvaluationLog,
      EvaluationLog,
    ];
    for (const { answer, layerLogProbability } of log.sets.forget!) {
      expect(layerLogProbability!.at(-1)).toBeCloseTo(-answer.meanLoss, 6);
    }
    expect(log.sets.realAuthors![0]).not.toHaveProperty('layerLogProbability');
    const figures = measureLog(log, { reference, original, resamples: 50 });
    const ofLayers = figures.figures.filter(({ metric }) => metric === 'logitLens');
    expect(ofLayers.map(({ set }) => set)).toEqual([...Array(3).fill('forget'), ...Array(3).fill('retain')]);
    const layers = ofLayers.slice(0, 3);
    expect(layers.map(({ set, layer }) => [set, layer])).toEqual([0, 1, 2].map((layer) => ['forget', layer]));
    expect(layers.map(({ value }) => value)).toEqual([0, 1, 2].map((layer) => expect.closeTo(meanOf(log, layer), 12)));
    const shares = log.sets.forget!.flatMap(({ layerLogProbability: unlearned }, i) => {
      const share = logitLensErasure({
        original: original.sets.forget![i]!.layerLogProbability!,
        retrained: reference.sets.forget![i]!.layerLogProbability!,
        unlearned: unlearned!,
      });
      return share === undefined ? [] : [share];
    });
    expect(shares.length).toBeGreaterThan(0);
    const [erased, ...more] = figures.figures.filter(({ metric }) => metric === 'logitLensErasure') as [Figure];
    expect(more).toEqual([]);
    expect(erased.value).toBeCloseTo(shares.reduce((sum, share) => sum + share, 0) / shares.length, 12);
    expect(figuresText(figures)).toMatch(/logit lens, mean log p, layer 2 +forget +-/);
    expect(figuresResult(figures)).toMatchObject({
      sets: { forget: { logitLens: [{}, {}, { value: layers[2]!.value }] } },
    });
    const without = measureLog(log, { reference, resamples: 2 }).figures;
    expect(without.find(({ metric }) => metric === 'logitLensErasure')!.why).toMatch(/--original-log/);
    // Readings of some answers alone are none.
    const [first, ...others] = log.sets.forget!;
    const { layerLogProbability: _, ...unread } = first!;
    const some = measureLog({ ...log, sets: { forget: [unread, ...others] } }, { resamples: 2 }).figures;
    expect(some.filter(({ metric }) => metric.startsWith('logitLens'))).toEqual([]);
    const texts = { ...first!.texts!, answer: 'another' };
    const mixed = {
      ...original,
      sets: { ...original.sets, forget: [{ ...original.sets.forget![0]!, texts }, ...others] },
    };
    expect(() => measureLog(log, { original: mixed })).toThrow(/the original log is of other questions/);
    const withoutLayers = {
      ...log,
      sets: { ...log.sets, forget: log.sets.forget!.map(({ layerLogProbability: _, ...item }) => item) },
    };
    const erasureOf = (options: object) =>
      measureLog(withoutLayers, { reference, resamples: 2, ...options }).figures.find(
        ({ metric }) => metric === 'logitLensErasure',
      );
    expect(erasureOf({ original })!.why).toMatch(/^the log has no readings of layers/);
    expect(erasureOf({})).toBeUndefined();
    const shallow = measureLog(log, { reference, original: await logOf([1n]), resamples: 2 }).figures;
    expect(shallow.find(({ metric }) => metric === 'logitLensErasure')!.why).toMatch(/have 2, 3, 3 layers/);
  });

  test('are read again as they were, and refused where they are of another model', async () => {
    const log = await logOf([1n, 2n]);
    const folder = await mkdtemp(join(tmpdir(), 'soul-lens-'));
    try {
      const file = join(folder, 'log.json');
      await writeEvaluationLog(file, log);
      expect(await readEvaluationLog(file)).toEqual(log);
      const content = JSON.parse(await readFile(file, 'utf8'));
      const readings = content['eval_log_forget.json'].gt_layer_log_probability;
      for (const [changed, message] of [
        [[-1, readings['1'][2]], /gt_layer_log_probability, item "1" has 2 values, not 3/],
        [[-1, -1, readings['1'][2] - 1], /ends with .*fields of two logs were mixed/],
      ] as const) {
        const section = { ...content['eval_log_forget.json'], gt_layer_log_probability: { ...readings, 1: changed } };
        await writeFile(file, JSON.stringify({ ...content, 'eval_log_forget.json': section }));
        await expect(readEvaluationLog(file)).rejects.toMatchObject({
          code: 'SOUL_BAD_DATA',
          message: expect.stringMatching(message),
        });
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
