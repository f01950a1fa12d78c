import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { type Example, PromptTemplate } from '../../lib/data/index.ts';
import { embedTexts } from '../../lib/eval/embedding/embedder.ts';
import {
  cosineSimilarity,
  type Embedder,
  EvaluationJournal,
  type EvaluationLog,
  evaluateTofu,
  isNearest,
  measureLog,
  readEvaluationLog,
  writeEvaluationLog,
} from '../../lib/eval/index.ts';
import { alphabet, letterTokenizer as tokenizer } from './letters.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-accuracy-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const template = PromptTemplate.parse('{question}');

const degrees = (angle: number) => (angle * Math.PI) / 180;

/** Texts as directions in the plane, of any length. */
const angles: Readonly<Record<string, number>> = {
  // Generated.
  ...{ g: 10, h: 90, a: 0 },
  // Right in other words, and wrong.
  ...{ bb: 0, cc: 40, dd: 15, ee: 100, ff: 80 },
};

class Plane implements Embedder {
  readonly name = 'plane';
  readonly calls: string[][] = [];
  async embed(texts: readonly string[]) {
    this.calls.push([...texts]);
    return texts.map((text, i) => {
      const angle = degrees(angles[text]!);
      return [(i + 1) * Math.cos(angle), (i + 1) * Math.sin(angle)];
    });
  }
}

/** Answers what it is told, whatever it was trained on. */
function answering(answers: Readonly<Record<string, string>>) {
  const model = alphabet();
  const asked: string[] = [];
  return {
    asked,
    vocabularySize: model.vocabularySize,
    score: model.score.bind(model),
    generate: async (prompts: readonly ArrayLike<number>[]) =>
      prompts.map((prompt) => {
        const question = tokenizer.decode(Array.from(prompt));
        asked.push(question);
        return tokenizer.encode(answers[question]!, { addSpecialTokens: false });
      }),
  };
}

const item = (prompt: string, paraphrasedAnswer: string, perturbedAnswers: string[]): Example => ({
  ...{ kind: 'question-answer', prompt, completion: 'b', source: { file: 'own', line: 1 } },
  alternatives: { paraphrasedQuestion: `${prompt} e`, paraphrasedAnswer, perturbedAnswers },
});

const sets = {
  split: 'own',
  examples: {
    forget: [item('a', 'bb', ['cc', 'ee']), item('b', 'cc', ['bb', 'dd'])],
    retain: [item('c', 'ee', ['ff', 'bb'])],
    // Of facts the answer is looked for in what is generated, whatever a file has.
    worldFacts: [{ ...item('d', 'bb', ['cc']), alternatives: { paraphrasedAnswer: 'bb', perturbedAnswers: ['cc'] } }],
  },
  sha256: {},
} as const;

/** To questions as they are and in other words. */
const answers = { a: 'g', 'a e': 'h', b: 'g', 'b e': 'g', c: 'h', 'c e': 'a', d: 'a' };

const cosine = (a: string, b: string) => expect.closeTo(Math.cos(degrees(angles[a]! - angles[b]!)), 12);
const similarities = ({ sets: { forget, retain } }: EvaluationLog) =>
  [...forget!, ...retain!].map((each) => each.similarities);
const accuracy = (log: EvaluationLog) =>
  measureLog(log, { resamples: 20 }).figures.filter(({ metric }) => metric === 'accuracy');

describe('accuracy', () => {
  it('compares the answer to the question, in profile tofu', async () => {
    const model = answering(answers);
    const log = await evaluateTofu(model, tokenizer, sets, { template, embedder: new Plane() });
    expect(similarities(log)).toEqual([
      { paraphrased: cosine('g', 'bb'), perturbed: [cosine('g', 'cc'), cosine('g', 'ee')] },
      { paraphrased: cosine('g', 'cc'), perturbed: [cosine('g', 'bb'), cosine('g', 'dd')] },
      { paraphrased: cosine('h', 'ee'), perturbed: [cosine('h', 'ff'), cosine('h', 'bb')] },
    ]);
    expect(log.sets.worldFacts![0]).not.toHaveProperty('similarities');
    expect(log.sets.forget![0]).not.toHaveProperty('paraphrasedTexts');
    expect(model.asked.toSorted()).toEqual(['a', 'b', 'c', 'd']);
    expect(log.recorded).toMatchObject({ embedder: 'plane', accuracyQuestion: 'question' });
    expect(accuracy(log)[0]).toMatchObject({ set: 'forget', value: 0.5, interval: [0, 1] });
    expect(measureLog(log, { resamples: 1 }).embedder).toBe('plane');
  });

  it('compares the answer to the question in other words, in profile soul, and ROUGE that to the question', async () => {
    const model = answering(answers);
    const log = await evaluateTofu(model, tokenizer, sets, { template, profile: 'soul', embedder: new Plane() });
    expect(similarities(log)).toEqual([
      { paraphrased: cosine('h', 'bb'), perturbed: [cosine('h', 'cc'), cosine('h', 'ee')] },
      { paraphrased: cosine('g', 'cc'), perturbed: [cosine('g', 'bb'), cosine('g', 'dd')] },
      { paraphrased: cosine('a', 'ee'), perturbed: [cosine('a', 'ff'), cosine('a', 'bb')] },
    ]);
    expect(log.sets.forget![0]).toMatchObject({
      texts: { prompt: 'a', generation: 'g', answer: 'b' },
      paraphrasedTexts: { prompt: 'a e', generation: 'h', answer: 'bb' },
    });
    expect(model.asked.toSorted()).toEqual(['a', 'a e', 'b', 'b e', 'c', 'c e', 'd']);
    expect(accuracy(log).map(({ set, value }) => [set, value])).toEqual([
      ['forget', 0],
      ['retain', 0],
    ]);
    const file = join(folder, 'log.json');
    await writeEvaluationLog(file, log);
    expect(await readEvaluationLog(file)).toEqual(log);
  });

  it('is absent without an embedder, and says what it needs', async () => {
    const model = answering(answers);
    const log = await evaluateTofu(model, tokenizer, sets, { template, profile: 'soul' });
    expect(model.asked.toSorted()).toEqual(['a', 'b', 'c', 'd']);
    expect(accuracy(log)[0]).toEqual({
      ...{ metric: 'accuracy', set: 'forget' },
      why: 'it needs sentence embeddings (--embedder)',
    });
    expect(log.recorded).not.toHaveProperty('embedder');
    expect(measureLog(log, { resamples: 1 })).not.toHaveProperty('embedder');
  });

  it('goes on where it was interrupted, within the comparison', async () => {
    const options = { template, profile: 'soul', batchSize: 1 } as const;
    const expected = await evaluateTofu(answering(answers), tokenizer, sets, { ...options, embedder: new Plane() });
    const file = join(folder, 'journal.partial');
    const controller = new AbortController();
    const first = await EvaluationJournal.open(file, {});
    const ended = evaluateTofu(answering(answers), tokenizer, sets, {
      ...{ ...options, embedder: new Plane(), signal: controller.signal, journal: first },
      onProgress: ({ phase }) => phase === 'embedding' && controller.abort(),
    });
    await expect(ended).rejects.toMatchObject({ code: 'SOUL_CANCELLED', details: { phase: 'embedding', done: 1 } });
    first.release();
    const [model, embedder, seen] = [answering({}), new Plane(), [] as string[]];
    const log = await evaluateTofu(model, tokenizer, sets, {
      ...{ ...options, embedder, journal: await EvaluationJournal.open(file, {}) },
      onProgress: ({ phase, done, total }) => seen.push(`${phase} ${done}/${total}`),
    });
    expect(log).toEqual(expected);
    expect(model.asked).toEqual([]);
    expect(embedder.calls).toHaveLength(2);
    expect(seen).toEqual(['embedding 2/3', 'embedding 3/3']);
  });

  it('of an embedder that is none is refused before the model is asked', async () => {
    for (const embedder of [{ name: 'x' }, { name: ' ', embed: async () => [] }, null]) {
      const model = answering(answers);
      const options = { template, embedder: embedder as never };
      await expect(evaluateTofu(model, tokenizer, sets, options)).rejects.toMatchObject({
        code: 'SOUL_INVALID_ARGUMENT',
        message: expect.stringMatching(/^embedder/),
      });
      expect(model.asked).toEqual([]);
    }
  });
});

describe('a log with similarities', () => {
  const section = () => ({
    avg_gt_loss: [1, 2],
    average_perturb_loss: [
      [1, 2],
      [3, 4],
    ],
    paraphrased_similarity: [0.5, -1],
    perturb_similarity: [
      [0.5, 0.25],
      [1, 0],
    ] as unknown[][],
    recorded: { profile: 'soul', embedder: 'mini' } as object,
  });
  const read = async (content: object) => {
    const file = join(folder, 'sections.json');
    await writeFile(file, JSON.stringify(content));
    return readEvaluationLog(file);
  };

  it('counts an answer as right where a wrong one is equally near, as the code of SOUL does', async () => {
    const log = await read({ 'eval_log_forget.json': section() });
    expect(accuracy(log)).toEqual([{ metric: 'accuracy', set: 'forget', value: 0.5, interval: [0, 1] }]);
  });

  it.each<[string, (own: ReturnType<typeof section>) => object, RegExp]>([
    ['a cosine above 1', (own) => ({ ...own, paraphrased_similarity: [0.5, 1.5] }), /item "1" must be a cosine/],
    ['another number of wrong answers', (own) => ({ ...own, perturb_similarity: [[0], [0, 1]] }), /has 1 values, but/],
    ['one side alone', ({ perturb_similarity: _, ...own }) => own, /lacks the field "perturb_similarity"/],
    ['no embedder', (own) => ({ ...own, recorded: { profile: 'soul' } }), /recorded must name the embedder/],
    ['an embedder that is no text', (own) => ({ ...own, recorded: { profile: 'soul', embedder: 3 } }), /by a text/],
  ])('is refused with %s', async (_, change, message) => {
    await expect(read({ 'eval_log_forget.json': change(section()) })).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(message),
      details: { section: 'eval_log_forget.json' },
    });
  });

  it('has one embedder', async () => {
    const other = { ...section(), recorded: { profile: 'soul', embedder: 'other' } };
    await expect(read({ 'eval_log_forget.json': section(), 'eval_log.json': other })).rejects.toMatchObject({
      message: expect.stringMatching(
        /_forget.json was recorded with embedder mini, eval_log.json with other; a log has one/,
      ),
    });
  });
});

describe('cosineSimilarity', () => {
  it('is that of the angle, whatever the lengths', () => {
    expect(cosineSimilarity([3, 4], [4, 3])).toBeCloseTo(24 / 25, 15);
    expect(cosineSimilarity([3e200, 4e200], Float32Array.of(4, 3))).toBeCloseTo(24 / 25, 15);
    expect(cosineSimilarity([3e-200, 4e-200], [-4e-300, -3e-300])).toBeCloseTo(-24 / 25, 15);
    expect(cosineSimilarity([1, 0], [0, 5])).toBe(0);
    // Rounding does not lead beyond 1.
    const vector = Array.from({ length: 7 }, (_, i) => 0.1 * (i + 1));
    expect(cosineSimilarity(vector, vector)).toBeLessThanOrEqual(1);
    // Its own rounding gives a little more.
    expect(cosineSimilarity([1, 1, 1], [1, 1, 1])).toBe(1);
    expect(cosineSimilarity([1, 1, 1], [-2, -2, -2])).toBe(-1);
    expect(cosineSimilarity(vector, vector)).toBeCloseTo(1, 15);
  });

  it('of what has no direction, or another number of dimensions, is refused', () => {
    for (const [a, b, argument] of [
      [[0, 0], [1, 0], 'a'],
      [[1, 0], [1, 0, 0], 'b'],
      [[1, 0], [1, Number.NaN], 'b\\[1\\]'],
      [[], [], 'a'],
    ] as const) {
      expect(() => cosineSimilarity(a, b)).toThrow(new RegExp(`^${argument} must be`));
    }
  });

  it('tells the nearest, ties among them', () => {
    expect([isNearest(0.5, [0.4, 0.5]), isNearest(0.5, [0.4, 0.50001]), isNearest(-0.5, [-0.6])]).toEqual([
      true,
      false,
      true,
    ]);
    expect(() => isNearest(0.5, [])).toThrow(/^wrong must be/);
    expect(() => isNearest(Number.NaN, [0])).toThrow(/^right\[0\] must be/);
  });
});

describe('embedTexts', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['too few vectors', [[1, 2]], 'SOUL_INVALID_ARGUMENT', /own gave 1 vectors for 2 texts/],
    ['no vectors', undefined, 'SOUL_INVALID_ARGUMENT', /gave undefined, not an array/],
    ['two lengths', [[1, 2], [1]], 'SOUL_INVALID_ARGUMENT', /gave 1 numbers for "second", but 2 for another/],
    ['a vector without numbers', [[], []], 'SOUL_INVALID_ARGUMENT', /gave an array of 0 for "first"/],
    ['a text', ['ab', 'cd'], 'SOUL_INVALID_ARGUMENT', /gave "ab" for "first"/],
    [
      'NaN',
      [
        [1, 2],
        [1, Number.NaN],
      ],
      'SOUL_NON_FINITE',
      /gave NaN in place 1 for "second"/,
    ],
    [
      'infinity',
      [
        [Infinity, 2],
        [1, 1],
      ],
      'SOUL_NON_FINITE',
      /gave Infinity in place 0 for "first"/,
    ],
    ['zeros', [Float32Array.of(0, 1), new Float32Array(2)], 'SOUL_NON_FINITE', /zeros.* no direction, for "second"/],
  ])('refuses %s', async (_, vectors, code, message) => {
    const embedder = { name: 'own', embed: async () => vectors as never };
    await expect(embedTexts(embedder, ['first', 'second'])).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

it('needs no package: the library is an optional peer', async () => {
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  const name = '@huggingface/transformers';
  expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
  expect({ ...manifest.dependencies, ...manifest.devDependencies }).not.toHaveProperty(name);
});
