import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  type EvaluationLog,
  type LogFigures,
  type LogItem,
  measureLog,
  readEvaluationLog,
  writeEvaluationLog,
} from '../../lib/eval/index.ts';

const recorded = JSON.parse(await readFile(new URL('./fixtures/metrics.json', import.meta.url), 'utf8'));

/** See record_profiles.py. */
const profiles: {
  log: object;
  reference: object;
  figures: Record<string, Record<string, Record<string, number>>>;
} = JSON.parse(await readFile(new URL('./fixtures/profiles.json', import.meta.url), 'utf8'));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-log-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A section of three items, as TOFU writes it. */
const section = (): Record<string, Record<string, unknown>> => ({
  avg_gt_loss: { 0: 0.5, 1: 1, 2: 2 },
  gt_loss: { 0: 2, 1: 3, 2: 2 },
  num_token_gt: { 0: 4, 1: 3, 2: 1 },
  generated_text: { 0: ['q0', 'g0', 'a0'], 1: ['q1', 'g1', 'a1'], 2: ['q2', 'it is A2.', 'a2'] },
  rouge1_recall: { 0: 1, 1: 0.5, 2: 0 },
  rougeL_recall: { 0: 1, 1: 0.25, 2: 0.25 },
  average_perturb_loss: { 0: [1, 2], 1: [3, 1], 2: [2, 2] },
  avg_paraphrased_loss: { 0: 1, 1: 2.5, 2: 2 },
});

const whole = () => ({
  'eval_log_forget.json': section(),
  'eval_log.json': section(),
  'eval_real_author_wo_options.json': section(),
  'eval_real_world_wo_options.json': section(),
});

async function written(content: unknown, name = 'log.json'): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const figure = ({ figures }: LogFigures, metric: string, set?: string) =>
  figures.find((each) => each.metric === metric && each.set === set)!;

const data = process.env.SOUL_TEST_DATA;
if (!data) console.warn("SOUL_TEST_DATA is not set: figures of TOFU's published logs are not recomputed");
const withData = data ? describe : describe.skip;

withData("TOFU's published logs", () => {
  const published = (name: string) => readEvaluationLog(join(data!, 'tofu', 'published', `llama2-7b_${name}.json`));

  it.each([
    ['full', 'retain90', 'geometric', 0.622677363742715, 1.83406641099474e-21, 0.396666666666667],
    ['retain90', 'full', 'geometric', 0.613744995233942, 1.83406641099474e-21, 0.396666666666667],
    ['full', 'retain90', 'arithmetic', undefined, undefined, 0.41],
    ['retain90', 'full', 'arithmetic', undefined, undefined, 0.41],
  ] as const)('%s against %s, by the %s mean, give the published figures', async (name, other, mean, mu, p, D) => {
    const [log, reference] = await Promise.all([published(name), published(other)]);
    const measured = measureLog(log, { reference, truthRatioMean: mean, resamples: 20 });
    expect(measured.items).toEqual({ forget: 300, retain: 300, realAuthors: 100, worldFacts: 117 });
    const { all, ...sets } = recorded.published[name][mean];
    const near = (expected: number, found: number | undefined) =>
      expect(Math.abs(found! / expected - 1)).toBeLessThan(1e-9);
    near(mu ?? all.modelUtility, figure(measured, 'modelUtility').value);
    near(p ?? all.forgetQuality, figure(measured, 'forgetQuality').value);
    near(D, figure(measured, 'forgetQuality').details!.statistic);
    for (const [set, figures] of Object.entries<Record<string, number>>(sets)) {
      for (const [metric, expected] of Object.entries(figures)) near(expected, figure(measured, metric, set).value);
    }
  });

  it('of the model itself tell nothing, and say so', async () => {
    const log = await published('full');
    const measured = measureLog(log, { reference: log, resamples: 20 });
    expect(figure(measured, 'forgetQuality')).toMatchObject({ value: 1, details: { statistic: 0 } });
    expect(measured.notes).toContainEqual(expect.stringMatching(/forget quality.*the reference is the model itself/));
  });
});

describe.each(['tofu', 'open-unlearning', 'soul'] as const)('the conventions of %s', (profile) => {
  const { log, reference, figures } = profiles;

  it('give the figures of numpy and scipy', async () => {
    const [own, other] = (await Promise.all(
      [log, reference].map(async (each, i) => {
        return readEvaluationLog(await written(each, `${profile}-${i}.json`));
      }),
    )) as [EvaluationLog, EvaluationLog];
    const measured = measureLog(own, { profile, reference: other, resamples: 3 });
    const { statistic, ...all } = figures[profile]!.all!;
    expect(figure(measured, 'forgetQuality').details!.statistic).toBeCloseTo(statistic!, 12);
    for (const [set, expected] of Object.entries({ ...figures[profile], all })) {
      for (const [metric, value] of Object.entries(expected)) {
        const found = figure(measured, metric, set === 'all' ? undefined : set).value;
        expect([set, metric, found]).toEqual([set, metric, expect.closeTo(value, 11)]);
      }
    }
  });
});

describe('measureLog', () => {
  it('computes the figures of items by hand', async () => {
    const measured = measureLog(await readEvaluationLog(await written(whole())));
    const [a, b, c] = [Math.exp(-0.5), Math.exp(-1), Math.exp(-2)];
    expect(figure(measured, 'probability', 'retain').value).toBeCloseTo((a + b + c) / 3, 14);
    const shares = [a / (a + b + c), b / (b + Math.exp(-3) + b), c / (3 * c)];
    expect(figure(measured, 'probability', 'worldFacts').value).toBeCloseTo(
      shares.reduce((sum, share) => sum + share) / 3,
      14,
    );
    // log R of the items: 1 - 1.5, 2.5 - 2 and 0.
    expect(figure(measured, 'truthRatio', 'forget').value).toBeCloseTo((2 * Math.exp(-0.5) + 1) / 3, 14);
    expect(figure(measured, 'truthRatio', 'retain').value).toBeCloseTo((1 - Math.exp(-0.5)) / 3, 14);
    expect(figure(measured, 'perplexity', 'forget').value).toBeCloseTo(Math.exp((2 + 3 + 2) / 8), 14);
    expect(figure(measured, 'containsAnswer', 'realAuthors').value).toBeCloseTo(1 / 3, 14);
    expect(figure(measured, 'containsAnswer', 'realAuthors').interval).toEqual([0, 1]);
  });

  it('has no forget quality without a reference, never 0, and none of tokens or non-members', async () => {
    const measured = measureLog(await readEvaluationLog(await written(whole())));
    for (const [metric, why] of [
      ['forgetQuality', /trained without the forget set/],
      ['membershipMinK', /never saw \(--holdout\)/],
      ['privleak', /never saw/],
    ] as const) {
      expect(figure(measured, metric)).toEqual({ metric, why: expect.stringMatching(why) });
    }
    expect(figure(measured, 'exactMemorization', 'forget').why).toMatch(/no figures of single tokens/);
  });

  it('takes the first 300 in profile tofu, and all in others', async () => {
    const long = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [i, i < 300 ? 0 : Infinity]));
    const log = JSON.stringify({ 'eval_log_forget.json': { avg_gt_loss: long } }).replaceAll('null', 'Infinity');
    const read = await readEvaluationLog(await written(log));
    const tofu = measureLog(read, { resamples: 5 });
    expect(figure(tofu, 'probability', 'forget').value).toBe(1);
    expect(tofu.notes).toEqual(['the first 300 of 400 items of forget, as tofu takes them']);
    expect(figure(measureLog(read, { resamples: 5, profile: 'open-unlearning' }), 'probability', 'forget').value).toBe(
      0.75,
    );
  });

  it('says of which item there is no ratio', async () => {
    const log = whole();
    log['eval_log.json'].average_perturb_loss![1] = [Infinity, Infinity];
    log['eval_log.json'].avg_paraphrased_loss![1] = Infinity;
    const measured = measureLog(
      await readEvaluationLog(await written(JSON.stringify(log).replaceAll('null', 'Infinity'))),
    );
    expect(figure(measured, 'truthRatio', 'retain').why).toMatch(/undefined: of item 1 neither/);
    expect(figure(measured, 'modelUtility').why).toMatch(/needs truth ratio of retain: undefined/);
    expect(figure(measured, 'truthRatio', 'forget').value).toBeGreaterThan(0);
  });

  it("in profile soul tests against the model's own retain set", async () => {
    const log = whole();
    log['eval_log.json'].avg_paraphrased_loss = { 0: 9, 1: 9, 2: 9 };
    const read = await readEvaluationLog(await written(log));
    const measured = measureLog(read, { profile: 'soul' });
    expect(measured.truthRatioMean).toBe('arithmetic');
    // Three ratios below three others: 2 of C(6, 3) ways.
    expect(figure(measured, 'forgetQuality')).toMatchObject({
      value: expect.closeTo(0.1, 12),
      details: { statistic: 1 },
    });
  });

  it('says of a p-value outside of its interval that this is no mistake', async () => {
    const losses = Array.from({ length: 60 }, (_, i) => 1 + i / 60);
    const same = {
      avg_gt_loss: losses,
      avg_paraphrased_loss: losses,
      average_perturb_loss: losses.map(() => [2, 2]),
    };
    const log = await readEvaluationLog(await written({ 'eval_log_forget.json': same, 'eval_log.json': same }));
    const { figures, notes } = measureLog(log, { profile: 'soul' });
    const { value, interval } = figures.find(({ metric }) => metric === 'forgetQuality')!;
    // Both samples are the same, those drawn anew are not.
    expect(value).toBe(1);
    expect(interval![1]).toBeLessThan(1);
    expect(notes).toContainEqual(expect.stringMatching(/^forget quality \(p\): p lies outside of its interval/));
    expect(measureLog(log).notes.join()).not.toMatch(/interval/);
  });

  const tokens = (...logProbability: number[]): LogItem => ({
    index: '0',
    answer: { meanLoss: -logProbability.reduce((sum, value) => sum + value, 0) / logProbability.length, tokens: 3 },
    texts: { prompt: '', generation: '', answer: 'the same text' },
    answerTokens: {
      logProbability,
      isArgmax: logProbability.map((value) => (value > -1 ? 1 : 0)),
      mean: logProbability.map(() => -1),
      variance: logProbability.map(() => 4),
    },
  });

  it('finds members where a holdout set is given, and what is learned by heart', () => {
    const members = [tokens(-0.5, -0.5, -9), tokens(-2, -0.1, -9), tokens(-3, -2, -9)];
    const others = [tokens(-2, -2.5, -0.1), tokens(-9, -9, -0.1)];
    const log: EvaluationLog = { sets: { forget: members, holdout: others } };
    const measured = measureLog(log, { resamples: 50 });
    // The last token is not looked at; k of two tokens is one: 0.5, 2, 3 against 2.5 and 9.
    expect(figure(measured, 'membershipMinK').value).toBeCloseTo(5 / 6, 14);
    expect(figure(measured, 'membershipMinKPlusPlus').value).toBeCloseTo(5 / 6, 14);
    // Mean losses of all three: 3.33, 3.7, 4.67 against 1.53 and 6.03.
    expect(figure(measured, 'membershipLoss').value).toBeCloseTo(0.5, 14);
    expect(figure(measured, 'membershipZlib').value).toBeCloseTo(0.5, 14);
    expect(figure(measured, 'privleak').value).toBeCloseTo(((1 / 6 - 0.5) / 0.5) * 100, 6);
    expect(figure(measured, 'exactMemorization', 'forget').value).toBeCloseTo((1 + 0.5 + 0) / 3, 14);
    expect(figure(measured, 'extractionStrength', 'forget').value).toBeCloseTo((1 + 0.5 + 0.5) / 3, 14);
    // Beside a reference to whom members are less likely by 0, 1 and 3, and others by 2: one of three is below them.
    const less = ({ answer, ...rest }: LogItem, by: number) => ({
      ...rest,
      answer: { ...answer, meanLoss: answer.meanLoss + by },
    });
    const reference: EvaluationLog = {
      sets: {
        forget: members.map((item, i) => less(item, [0, 1, 3][i]!)),
        holdout: others.map((item) => less(item, 2)),
      },
    };
    const beside = measureLog(log, { reference, resamples: 50 });
    expect(figure(beside, 'membershipReference').value).toBeCloseTo(1 / 3, 14);
    expect(figure(beside, 'privleak').value).toBe(0);
  });

  it('has no figure of tokens for answers of one, and a privleak without anything to divide by is undefined', () => {
    const log: EvaluationLog = { sets: { forget: [tokens(-1), tokens(-2)], holdout: [tokens(-3), tokens(-4)] } };
    const measured = measureLog(log, { resamples: 5, reference: log });
    expect(figure(measured, 'exactMemorization', 'forget').why).toMatch(/no answer has a token/);
    expect(figure(measured, 'membershipMinK').value).toBe(1);
    expect(figure(measured, 'privleak')).toMatchObject({ why: 'undefined', note: expect.stringMatching(/itself/) });
  });

  it('refuses another profile than the log was made in, and a reference of other questions', async () => {
    const own: EvaluationLog = { ...(await readEvaluationLog(await written(whole()))), recorded: { profile: 'soul' } };
    expect(measureLog(own, { resamples: 5 }).profile).toBe('soul');
    expect(() => measureLog(own, { profile: 'tofu' })).toThrow(
      /conventions of soul and cannot be measured by those of tofu/,
    );
    const log = await readEvaluationLog(await written(whole()));
    expect(() => measureLog(log, { reference: own })).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }),
    );
    const other = whole();
    other['eval_log_forget.json'].generated_text![1] = ['q1', 'g', 'another'];
    const reference = await readEvaluationLog(await written(other));
    expect(() => measureLog(log, { reference })).toThrow(
      expect.objectContaining({
        code: 'SOUL_BAD_DATA',
        message: expect.stringMatching(
          /eval_log_forget\.json, generated_text, item "1" has the answer "another", not "a1"/,
        ),
      }),
    );
  });
});

describe('readEvaluationLog', () => {
  it('reads lists as objects', async () => {
    const objects = await readEvaluationLog(await written(whole()));
    const lists = Object.entries(whole()).map(([name, fields]) => [
      name,
      Object.fromEntries(Object.entries(fields).map(([field, values]) => [field, Object.values(values)])),
    ]);
    expect(await readEvaluationLog(await written(Object.fromEntries(lists)))).toEqual(objects);
  });

  it('reads what it writes, infinite losses too', async () => {
    const log = (await readEvaluationLog(await written(whole()))) as { sets: Record<string, LogItem[]> };
    const figures = { logProbability: [-0.5, -Infinity], isArgmax: [1, 0], mean: [-1, -2], variance: [0, 1.5] };
    const item = { ...log.sets.forget![0]!, paraphrased: { meanLoss: Infinity, tokens: 2 }, answerTokens: figures };
    const { perturbed: _, ...bare } = item;
    const perturbed = [{ meanLoss: 1, tokens: 3 }];
    const recorded = { profile: 'tofu', template: '{question}' } as const;
    const own: EvaluationLog = { recorded, sets: { forget: [{ ...bare, perturbed }] } };
    const file = join(folder, 'own.json');
    await writeEvaluationLog(file, own);
    expect(await readEvaluationLog(file)).toEqual(own);
    expect(await readFile(file, 'utf8')).toMatch(/"truth_ratio": \{\s*"0": Infinity/);
  });

  it.each<[string, (log: ReturnType<typeof whole>) => unknown, string, RegExp]>([
    [
      'a field that lacks an item',
      (log) => delete log['eval_log.json'].rougeL_recall![1],
      'SOUL_BAD_DATA',
      /eval_log\.json, rougeL_recall, item "1" is missing/,
    ],
    [
      'a field with another item',
      (log) => (log['eval_log.json'].gt_loss![7] = 1),
      'SOUL_BAD_DATA',
      /gt_loss, item "7" is not among the items/,
    ],
    [
      'a loss that is a text',
      (log) => (log['eval_log.json'].avg_gt_loss![2] = 'x'),
      'SOUL_BAD_DATA',
      /avg_gt_loss, item "2" must be a loss.* but is "x"/,
    ],
    [
      'a negative loss',
      (log) => (log['eval_log.json'].avg_gt_loss![0] = -3),
      'SOUL_BAD_DATA',
      /item "0" must be a loss.* but is -3/,
    ],
    [
      'a recall above 1',
      (log) => (log['eval_log.json'].rougeL_recall![0] = 98),
      'SOUL_BAD_DATA',
      /item "0" must be a number from 0 to 1, but is 98/,
    ],
    [
      'a mean of another item',
      (log) => (log['eval_log.json'].avg_gt_loss![1] = 0.5),
      'SOUL_BAD_DATA',
      /avg_gt_loss, item "1" is 0\.5, but the sum of its 3 tokens is 3/,
    ],
    [
      'wrong answers that are none',
      (log) => (log['eval_log_forget.json'].average_perturb_loss![1] = []),
      'SOUL_BAD_DATA',
      /average_perturb_loss, item "1" must be a list/,
    ],
    [
      'texts that are two',
      (log) => (log['eval_log.json'].generated_text![0] = ['a', 'b']),
      'SOUL_BAD_DATA',
      /generated_text, item "0" must be prompt/,
    ],
    [
      'a probability above 1',
      (log) => Object.assign(log['eval_log.json'], { gt_token_log_probability: [[-1], [-1], [0.5]] }),
      'SOUL_BAD_DATA',
      /gt_token_log_probability, item "2" must be a list whose entries are a logarithm/,
    ],
    [
      'tokens of which one figure is missing',
      (log) =>
        Object.assign(log['eval_log.json'], {
          gt_token_log_probability: [[-1], [-1], [-1]],
          gt_token_is_argmax: [[1], [0, 1], [1]],
        }),
      'SOUL_BAD_DATA',
      /gt_token_mean, item "0" is missing, but gt_token_log_probability has 1|gt_token_is_argmax, item "1" has 2 values/,
    ],
    [
      'a section without losses',
      (log) => delete log['eval_log.json'].avg_gt_loss,
      'SOUL_BAD_DATA',
      /eval_log\.json lacks the field "avg_gt_loss"/,
    ],
    [
      'a section that is a list',
      (log) => Object.assign(log, { 'eval_log.json': [] }),
      'SOUL_BAD_DATA',
      /eval_log\.json must be an object/,
    ],
    [
      'a profile that is none',
      (log) => Object.assign(log['eval_log.json'], { recorded: { profile: 'x' } }),
      'SOUL_BAD_DATA',
      /recorded must name one of the profiles/,
    ],
  ])('refuses %s', async (_, spoil, code, message) => {
    const log = whole();
    spoil(log);
    await expect(readEvaluationLog(await written(log))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('refuses NaN by its item, and what is no log', async () => {
    const nan = JSON.stringify(whole()).replace('0.5', 'NaN');
    await expect(readEvaluationLog(await written(nan))).rejects.toMatchObject({
      details: { field: 'avg_gt_loss', item: '0' },
    });
    for (const content of ['{"a": 1}', '[]', '{']) {
      await expect(readEvaluationLog(await written(content))).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    }
    await expect(readEvaluationLog(join(folder, 'none.json'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
  });
});
