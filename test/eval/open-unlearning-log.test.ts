import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type LogFigures, measureLog, readEvaluationLog } from '../../lib/eval/index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-open-'));
});
afterAll(() => rm(folder, { recursive: true }));

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const indexed = <T>(values: readonly T[]) => Object.fromEntries(values.map((value, i) => [String(i), value]));
const losses = (values: readonly (number | number[])[]) => ({
  agg_value: mean(values.flat().map((loss) => Math.exp(-loss))),
  value_by_index: indexed(
    values.map((loss) => ({ prob: [loss].flat().map((each) => Math.exp(-each)), avg_loss: loss })),
  ),
});
const scores = (values: readonly (number | null)[]) => ({
  agg_value: mean(values.filter((value) => value !== null)),
  value_by_index: indexed(values.map((score) => ({ score }))),
});
const rouge = (recalls: readonly number[]) => ({
  agg_value: mean(recalls),
  value_by_index: indexed(
    recalls.map((recall, i) => ({
      ...{ rouge1_recall: recall, rougeL_f1: 0.1, rougeL_recall: recall },
      ...{ input: `user Q${i} assistant`, ground_truth: `A${i}`, generation: `a${i}!` },
    })),
  ),
});

const right = [0.5, 1, 2];
const wrong = [
  [1, 3],
  [0.5, 0.7],
  [4, 1],
];
/** Wrong over right, by the geometric mean. */
const ratios = (correct: readonly number[]) =>
  wrong.map((each, i) => Math.exp(-mean(each)) / (Math.exp(-correct[i]!) + 1e-10));
const truthRatio = (prefix: string, correct: readonly number[], agg: (ratio: number) => number) => ({
  [`${prefix}_Truth_Ratio`]: {
    ...scores(ratios(correct)),
    agg_value: mean(ratios(correct).map(agg)),
  },
});
const trueBetter = (ratio: number) => Math.max(0, 1 - ratio);
const options = (correct: readonly number[]) =>
  correct.map((loss, i) => {
    const p = Math.exp(-loss);
    return p / (p + wrong[i]!.reduce((sum, each) => sum + Math.exp(-each), 0) + 1e-10);
  });
const paraphrased = [0.6, 0.9, 2.5];
/** Some answers have two wordings, whose losses are averaged. */
const worded = [[0.5, 0.7], 0.9, [2, 3]];
/** Every set has answers of its own. */
const rightOf = { retain: [0.4, 1.1, 0.2], ra: [0.3, 0.9, 2.2], wf: [0.7, 0.1, 1.6] };

/** By the form of open-unlearning's code; the aggregates are computed here. */
function logOf(shift = 0) {
  const own = right.map((loss) => loss + shift);
  const content = {
    forget_Q_A_Prob: losses(own),
    forget_Q_A_PARA_Prob: losses(worded),
    forget_Q_A_PERT_Prob: losses(wrong),
    forget_Q_A_ROUGE: rouge([0.25, 0.5, 1]),
    ...truthRatio('forget', paraphrased, (ratio) => Math.min(ratio, 1 / (ratio + 1e-10))),
    retain_Q_A_Prob: losses(rightOf.retain),
    retain_Q_A_PARA_Prob: losses(paraphrased),
    retain_Q_A_PERT_Prob: losses(wrong),
    retain_Q_A_ROUGE: rouge([0.5, 0.5, 0.75]),
    ...truthRatio('retain', paraphrased, trueBetter),
    ...Object.fromEntries(
      (['ra', 'wf'] as const).flatMap((prefix) => [
        [`${prefix}_Q_A_Prob`, losses(rightOf[prefix])],
        [`${prefix}_Q_A_PERT_Prob`, losses(wrong)],
        [`${prefix}_Q_A_Prob_normalised`, { agg_value: mean(options(rightOf[prefix])), value_by_index: {} }],
        [`${prefix}_Q_A_ROUGE`, rouge(prefix === 'ra' ? [1, 0.5, 0.5] : [1, 0.25, 0.25])],
        ...Object.entries(truthRatio(prefix, rightOf[prefix], trueBetter)),
      ]),
    ),
    extraction_strength: scores([0.5, 0.25, 0]),
    exact_memorization: scores([0.5, null, 1]),
    // Of 3 times 2 pairs members are lower in 4 and tied in one.
    mia_min_k: { forget: scores([1, 2, 3]), holdout: scores([2, 4]), auc: 0.75, agg_value: 0.75 },
    // In one, and tied in none.
    mia_min_k_plus_plus: { forget: scores([1, 5, 6]), holdout: scores([2, 0]), auc: 1 / 6, agg_value: 1 / 6 },
    mia_gradnorm: { forget: scores([1]), holdout: scores([2]), auc: 1, agg_value: 1 },
    privleak: { agg_value: ((0.25 - 0.5) / (0.5 + 1e-10)) * 100 },
    forget_quality: { agg_value: null },
  };
  const parts = [
    content.retain_Q_A_Prob.agg_value,
    content.retain_Q_A_ROUGE.agg_value,
    ...['retain', 'ra', 'wf']
      .map((prefix) => (content as never)[`${prefix}_Truth_Ratio`] as { agg_value: number })
      .map((each) => each.agg_value),
    ...[mean(options(rightOf.ra)), 2 / 3, mean(options(rightOf.wf)), 0.5],
  ];
  return { ...content, model_utility: { agg_value: 9 / parts.reduce((sum, part) => sum + 1 / part, 0) } };
}

/** A text, or that of {@link logOf}, in which `'NaN'` is written as Python writes it. */
async function read(content: object | string) {
  const file = join(folder, 'TOFU_EVAL.json');
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content).replaceAll('"NaN"', 'NaN'));
  return readEvaluationLog(file);
}

const figureIn = ({ figures }: LogFigures, metric: string, set?: string) =>
  figures.find((figure) => figure.metric === metric && figure.set === set);

test("a log of open-unlearning gives its own aggregates, by open-unlearning's conventions", async () => {
  const content = logOf();
  const log = await read(content);
  const figures = measureLog(log, { resamples: 20 });
  expect(figures).toMatchObject({ profile: 'open-unlearning', items: { forget: 3, retain: 3, realAuthors: 3 } });
  for (const [name, metric, set] of [
    ['forget_Q_A_Prob', 'probability', 'forget'],
    ['retain_Q_A_Prob', 'probability', 'retain'],
    ['ra_Q_A_Prob_normalised', 'probability', 'realAuthors'],
    ['wf_Q_A_Prob_normalised', 'probability', 'worldFacts'],
    ['wf_Q_A_ROUGE', 'rougeLRecall', 'worldFacts'],
    ['forget_Q_A_ROUGE', 'rougeLRecall', 'forget'],
    ['forget_Truth_Ratio', 'truthRatio', 'forget'],
    ['wf_Truth_Ratio', 'truthRatio', 'worldFacts'],
    ['model_utility', 'modelUtility'],
    ['extraction_strength', 'extractionStrength', 'forget'],
    ['exact_memorization', 'exactMemorization', 'forget'],
    ['mia_min_k', 'membershipMinK'],
    ['mia_min_k_plus_plus', 'membershipMinKPlusPlus'],
    ['privleak', 'privleak'],
  ] as const) {
    const { agg_value: stated } = (content as Record<string, unknown>)[name] as { agg_value: number };
    expect([name, figureIn(figures, metric, set)?.value]).toEqual([name, expect.closeTo(stated, 8)]);
  }
  expect(figures.notes.filter((note) => note.includes('states'))).toEqual([]);
  expect(figureIn(figures, 'forgetQuality')?.why).toMatch(/--retain-log/);
  expect(figureIn(figures, 'membershipLoss')?.why).toMatch(/holdout/);
  expect(figureIn(figures, 'extractionStrength', 'retain')?.why).toMatch(/no figures of single tokens/);
  expect(figureIn(figures, 'membershipMinK')?.interval).toHaveLength(2);
  expect(log.sets.forget![1]!.texts).toEqual({ prompt: 'user Q1 assistant', generation: 'a1!', answer: 'A1' });
  // Beside another of the same questions: equal truth ratios on the forget set, and the same scores.
  const beside = measureLog(log, { reference: await read(logOf(1)), resamples: 2 });
  expect(figureIn(beside, 'forgetQuality')?.value).toBe(1);
  expect(figureIn(beside, 'privleak')?.value).toBeCloseTo(0, 12);
});

test('an aggregate that the items do not give is told', async () => {
  const content = logOf();
  // Rounding of float32 below 0 is none.
  const { forget_Q_A_Prob: own } = content;
  const rounded = { ...own, value_by_index: { ...own.value_by_index, 1: { prob: 1.0001, avg_loss: -1e-4 } } };
  expect((await read({ ...content, forget_Q_A_Prob: rounded })).sets.forget![1]!.answer.meanLoss).toBe(0);
  const changed = { ...content, forget_Q_A_ROUGE: { ...content.forget_Q_A_ROUGE, agg_value: 0.9 } };
  const { notes } = measureLog(await read(changed), { resamples: 2 });
  expect(notes).toContainEqual(
    expect.stringMatching(/the log states forget_Q_A_ROUGE as 0\.9, but its items give 0\.58/),
  );
  // A mean of nothing states nothing.
  const none = { ...content, extraction_strength: { ...content.extraction_strength, agg_value: 'NaN' } };
  expect(measureLog(await read(none), { resamples: 2 }).notes.filter((note) => note.includes('states'))).toEqual([]);
  const infinite = { ...content.forget_Q_A_ROUGE, agg_value: 'INFINITE' };
  const text = JSON.stringify({ ...content, forget_Q_A_ROUGE: infinite }).replace('"INFINITE"', 'Infinity');
  expect(measureLog(await read(text), { resamples: 2 }).notes).toContainEqual(
    expect.stringMatching(/the log states forget_Q_A_ROUGE as Infinity, but its items give 0\.58/),
  );
});

test('items are told apart in a time that grows as they do', async () => {
  const value_by_index = indexed(Array<object>(100_000).fill({ avg_loss: 1 }));
  const { sets } = await read({ forget_Q_A_Prob: { value_by_index }, forget_Q_A_PARA_Prob: { value_by_index } });
  expect(sets.forget).toHaveLength(100_000);
});

test('what is missing has no figure, and what is wrong is named', async () => {
  const content = logOf();
  const { retain_Q_A_Prob: _, ...few } = content;
  const figures = measureLog(await read(few), { resamples: 2 });
  expect(figures.items).not.toHaveProperty('retain');
  expect(figureIn(figures, 'modelUtility')?.why).toMatch(/retain/);
  const of = (name: string) => (content as Record<string, unknown>)[name] as { value_by_index: object };
  const withItems = (name: string, items: object) => ({
    ...content,
    [name]: { ...of(name), value_by_index: { ...of(name).value_by_index, ...items } },
  });
  for (const [bad, message, details] of [
    [
      withItems('forget_Q_A_Prob', { 1: { prob: 1, avg_loss: -3 } }),
      /forget_Q_A_Prob, item "1" has avg_loss -3, which must be a loss/,
      { field: 'forget_Q_A_Prob', item: '1' },
    ],
    [
      withItems('forget_Q_A_PERT_Prob', { 2: { avg_loss: ['x'] } }),
      /must be a loss, or a list of losses/,
      { item: '2' },
    ],
    [
      withItems('forget_Q_A_PARA_Prob', { 3: { avg_loss: 1 } }),
      /item "3" is not among the items of forget_Q_A_Prob/,
      { item: '3' },
    ],
    [
      { ...content, forget_Q_A_PARA_Prob: losses([1, 1]) },
      /item "2" is missing, but forget_Q_A_Prob has it/,
      { item: '2' },
    ],
    [withItems('forget_Q_A_ROUGE', { 0: null }), /item "0" must be an object with rouge1_recall/, { item: '0' }],
    [
      { ...content, mia_min_k: { auc: 1, agg_value: 1 } },
      /mia_min_k\.forget must be an object with value_by_index, but is missing/,
      {},
    ],
    [{ ...content, privleak: { agg_value: 'x' } }, /privleak has agg_value "x", which must be a number or null/, {}],
  ] as const) {
    await expect(read(bad)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(message),
      details: expect.objectContaining(details),
    });
  }
  await expect(read({ forget_quality: 0.5, model_utility: 0.6 })).rejects.toMatchObject({
    code: 'SOUL_BAD_FILE',
    message: expect.stringMatching(/summary of open-unlearning/),
  });
  await expect(read({ forget_quality: { agg_value: 0.5 } })).rejects.toMatchObject({
    code: 'SOUL_BAD_FILE',
    message: expect.stringMatching(/no metric with items/),
  });
  await expect(read({ ...content, 'eval_log.json': { avg_gt_loss: [1] } })).rejects.toMatchObject({
    code: 'SOUL_BAD_DATA',
    message: expect.stringMatching(/two logs were mixed/),
    details: expect.objectContaining({ section: 'eval_log.json' }),
  });
});
