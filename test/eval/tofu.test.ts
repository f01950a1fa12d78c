import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { exists } from '../../lib/core/files.ts';
import { type Example, type ExampleTemplate, GuardrailTemplate, PromptTemplate } from '../../lib/data/index.ts';
import {
  EvaluationJournal,
  type EvaluationLog,
  type EvaluationSet,
  evaluateTofu,
  evaluationSets,
  measureLog,
  readEvaluationLog,
  readTofuSets,
  type TofuSets,
  type TokenFigures,
  writeEvaluationLog,
} from '../../lib/eval/index.ts';
import type { BigramLM } from '../model/bigram-lm.ts';
import { alphabet, letters, letterTokenizer as tokenizer } from './letters.ts';

let folder: string;
let sets: TofuSets;
const model = alphabet();
const template = PromptTemplate.parse('{question}');

const paraphrased = (question: string, answer: string, wrong: string[]) => ({
  question,
  answer,
  paraphrased_question: `${question} h`,
  paraphrased_answer: `${answer} a`,
  perturbed_answer: wrong,
});

const files: Record<string, object[]> = {
  'forget01_perturbed.json': [
    paraphrased('a', 'bcd', ['b', 'dcb a']),
    paraphrased('ab c', 'h', ['g g', 'e', 'f a c d']),
    paraphrased('d d', 'efgh abc', ['hgf', 'e e']),
  ],
  'retain_perturbed.json': [paraphrased('e', 'fgh', ['a', 'b']), paraphrased('f a b', 'cd', ['dd', 'c'])],
  'real_authors_perturbed.json': [{ question: 'g', answer: 'h', perturbed_answer: ['a', 'ab'] }],
  'world_facts_perturbed.json': [{ question: 'ab', answer: 'cd ', perturbed_answer: ['d', 'e'] }],
  'holdout.json': [{ question: 'c', answer: 'a b' }],
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-tofu-'));
  for (const [name, records] of Object.entries(files)) {
    await writeFile(join(folder, name), records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  }
  sets = await readTofuSets(folder, 'forget01', { holdout: join(folder, 'holdout.json') });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** -log p of each token of an answer by the model's own table, from `skip` tokens before it. */
function losses(text: string, answer: string, { end = true, skip = 0 } = {}): number[] {
  const tokens = [...tokenizer.encode(`${text} ${answer}`), ...(end ? [0] : [])];
  // A space of the template's is the answer's first token.
  const from = 1 + text.length - skip;
  return tokens.slice(from).map((token, i) => -model.logProbabilities(tokens[from + i - 1]!)[token]!);
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The model, which counts what it is asked, and knows the most that it was asked at once. */
function counting(inner: BigramLM) {
  const asked = { score: 0, generate: 0 };
  let most = 0;
  const watched = {
    vocabularySize: inner.vocabularySize,
    score: (...words: Parameters<BigramLM['score']>) => {
      asked.score++;
      most = Math.max(most, words[0].size);
      return inner.score(...words);
    },
    generate: (...words: Parameters<BigramLM['generate']>) => {
      asked.generate++;
      return inner.generate(...words);
    },
  };
  return { asked, most: () => most, model: watched };
}

/** What does not hang on the token before the question: of longer questions, without the first token of their whole text. */
function inside({ sets }: EvaluationLog) {
  const cut = (tokens: TokenFigures | undefined) =>
    tokens && Object.fromEntries(Object.entries(tokens).map(([name, values]) => [name, values.slice(1)]));
  const longer = evaluationSets.flatMap((set) => sets[set]!.filter(({ texts }) => texts!.prompt.length > 1));
  expect(longer).toHaveLength(4);
  return longer.map((item) => ({ ...item, wholeTokens: cut(item.wholeTokens) }));
}

describe('evaluateTofu', () => {
  it('counts the end of a turn as the end of a text: not in the profile of SOUL', async () => {
    const end = tokenizer.encode('h', { addSpecialTokens: false })[0];
    const ofTurns: ExampleTemplate = {
      ...{ setting: 'chat', name: 'turns that end with h', record: { kind: 'chat' }, endTokens: [end!] },
      render(example) {
        const { prompt, completion } = template.render(example);
        return { prompt, completion: `${completion}h` };
      },
    };
    const answerOf = async (of: ExampleTemplate, profile: 'soul' | 'tofu') =>
      (await evaluateTofu(model, tokenizer, sets, { template: of, profile })).sets.forget![0]!.answer;
    expect(await answerOf(ofTurns, 'soul')).toEqual(await answerOf(template, 'soul'));
    expect((await answerOf(ofTurns, 'tofu')).tokens).toBe((await answerOf(template, 'tofu')).tokens! + 1);
    // Where the end of the text is also that of a turn, it counts as well.
    const ended = { ...ofTurns, render: template.render.bind(template), endTokens: [0] };
    expect(await answerOf(ended, 'tofu')).toEqual(await answerOf(template, 'tofu'));
  });

  it("asks TOFU's questions: losses are those of the table, the end of the text counted", async () => {
    const log = await evaluateTofu(model, tokenizer, sets, { template, batchSize: 3 });
    expect(Object.keys(log.sets)).toEqual([...evaluationSets]);
    for (const [set, records] of [
      ['forget', files['forget01_perturbed.json']!],
      ['retain', files['retain_perturbed.json']!],
      ['realAuthors', files['real_authors_perturbed.json']!],
      ['worldFacts', files['world_facts_perturbed.json']!],
    ] as [EvaluationSet, ReturnType<typeof paraphrased>[]][]) {
      const items = log.sets[set]!;
      expect(items).toHaveLength(records.length);
      for (const [
        i,
        { question, answer, paraphrased_answer: other = answer, perturbed_answer: wrong },
      ] of records.entries()) {
        const item = items[i]!;
        const own = losses(question, answer);
        expect(item.answer).toEqual({ meanLoss: expect.closeTo(mean(own), 5), tokens: own.length });
        expect(item.paraphrased!.meanLoss).toBeCloseTo(mean(losses(question, other)), 5);
        expect(item.perturbed!.map(({ meanLoss }) => meanLoss)).toEqual(
          wrong.map((text) => expect.closeTo(mean(losses(question, text)), 5)),
        );
        expect(item.answerTokens!.logProbability).toEqual(own.map((loss) => expect.closeTo(-loss, 5)));
        expect(item.texts).toMatchObject({ prompt: question, answer });
      }
    }
    expect(log.sets.realAuthors![0]!.texts!.generation).toBe('h');
    expect(log.sets.realAuthors![0]).toMatchObject({ rougeLRecall: 1, rouge1Recall: 1 });
    expect(log.sets.holdout![0]).not.toHaveProperty('perturbed');
    expect(log.sets.holdout![0]).not.toHaveProperty('rougeLRecall');
    expect(log.recorded).toMatchObject({ profile: 'tofu', split: 'forget01', template: template.record, truncated: 0 });
    const short = await evaluateTofu(model, tokenizer, sets, { template, maximumLength: 9 });
    // Texts of more than 7 letters, beside the tokens of beginning and end.
    const texts = Object.values(files)
      .flat()
      .flatMap(
        ({
          question,
          answer,
          paraphrased_answer: other,
          perturbed_answer: wrong = [],
        }: Partial<ReturnType<typeof paraphrased>>) =>
          [answer, ...(other ? [other] : []), ...wrong].map((text) => `${question} ${text}`),
      );
    const long = texts.filter((text) => text.length > 7).length;
    expect(long).toBeGreaterThan(3);
    expect(short.recorded).toMatchObject({ maximumLength: 9, truncated: long });
    expect(short.sets.forget![2]!.answer.tokens).toBe(5);
  });

  it.each(['tofu', 'soul'] as const)(
    'in profile %s puts other answers and questions into conversations',
    async (profile) => {
      const talk: ExampleTemplate = {
        ...{ setting: 'chat', name: 'turns', record: { kind: 'chat' }, endTokens: [] },
        render({ messages = [] }) {
          const texts = messages.map(({ content }, i) => `${i === 0 ? '' : ' '}${content}`);
          const end = (i: number) => texts.slice(0, i + 1).join('').length;
          const labels = [1, 3].map((i) => [end(i - 1), end(i)] as const);
          return { prompt: texts.slice(0, -1).join(''), text: texts.join(''), labels };
        },
      };
      const turn = (content: string, i: number) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content });
      const alternatives = { paraphrasedQuestion: 'h', paraphrasedAnswer: 'd e a', perturbedAnswers: ['f', 'g g'] };
      const conversation: Example = {
        ...{
          kind: 'messages',
          prompt: 'c',
          completion: 'd e',
          messages: ['a', 'b', 'c', 'd e'].map(turn),
          alternatives,
        },
        source: { file: 'talk', line: 1 },
      } as const;
      const asked = { split: 'own', examples: { forget: [conversation] }, sha256: {} };
      const { sets } = await evaluateTofu(model, tokenizer, asked, { template: talk, profile });
      const [item] = sets.forget!;
      const counted = profile === 'soul' ? { end: false, skip: 1 } : {};
      const other = profile === 'soul' ? 'a b h' : 'a b c';
      expect(item!.answer.meanLoss).toBeCloseTo(mean(losses('a b c', 'd e', counted)), 5);
      expect(item!.paraphrased!.meanLoss).toBeCloseTo(mean(losses(other, 'd e a', counted)), 5);
      expect(item!.perturbed!.map(({ meanLoss }) => meanLoss)).toEqual(
        ['f', 'g g'].map((wrong) => expect.closeTo(mean(losses(other, wrong, counted)), 5)),
      );
    },
  );

  it('in profile soul asks other questions, counts no end and a token of the prompt, and scores the whole text', async () => {
    const log = await evaluateTofu(model, tokenizer, sets, { template, profile: 'soul' });
    const [, item] = log.sets.forget!;
    const soul = { end: false, skip: 1 };
    expect(item!.answer.meanLoss).toBeCloseTo(mean(losses('ab c', 'h', soul)), 5);
    expect(item!.paraphrased!.meanLoss).toBeCloseTo(mean(losses('ab c h', 'h a', soul)), 5);
    expect(item!.perturbed![2]!.meanLoss).toBeCloseTo(mean(losses('ab c h', 'f a c d', soul)), 5);
    expect(item!.wholeTokens!.logProbability).toEqual(
      losses('ab c', 'h', { end: false, skip: 4 }).map((loss) => expect.closeTo(-loss, 5)),
    );
    const { figures } = measureLog(log, { resamples: 5 });
    expect(figures.find(({ metric }) => metric === 'membershipMinK')!.value).toBeGreaterThanOrEqual(0);
  });

  it.each(['tofu', 'soul'] as const)(
    'behind a guardrail asks the same in profile %s, whose limits do not count it',
    async (profile) => {
      const known = (text: string) => text.replaceAll(/[^a-h ]/g, ' ');
      const blurred: typeof tokenizer = { ...tokenizer, encode: (text, given) => tokenizer.encode(known(text), given) };
      const guarded = GuardrailTemplate.over(template, { questions: ['a', 'b'] });
      const [own, plain] = await Promise.all(
        [guarded, template].map((each) => evaluateTofu(model, blurred, sets, { template: each, profile })),
      );
      // The model looks at one token before each: a label of another place would show.
      expect(inside(own!)).toEqual(inside(plain!));
      expect(own!.recorded).toMatchObject({ template: guarded.record, truncated: 0 });
      expect(guarded.instruction.length).toBeGreaterThan(200);
      const figures = measureLog(own!, { resamples: 2 });
      expect(figures.notes).toContainEqual(expect.stringMatching(/input-based baseline/));
      expect(() => measureLog(plain!, { reference: own! })).toThrow(/asked behind a guardrail/);
      expect(measureLog(own!, { reference: plain!, resamples: 2 }).figures).toHaveLength(figures.figures.length);
    },
  );

  it('gives a log whose figures are the same when it is read again', async () => {
    const log = await evaluateTofu(model, tokenizer, sets, { template });
    const file = join(folder, 'log.json');
    await writeEvaluationLog(file, log);
    const read = await readEvaluationLog(file);
    expect(read).toEqual(log);
    expect(measureLog(read, { resamples: 20, reference: read })).toEqual(
      measureLog(log, { resamples: 20, reference: log }),
    );
    // TOFU's own reader asks for these of every set that has wrong answers.
    const written = JSON.parse(await readFile(file, 'utf8'));
    for (const name of ['eval_log.json', 'eval_log_forget.json', 'eval_real_author_wo_options.json']) {
      for (const field of [
        'avg_gt_loss',
        'average_perturb_loss',
        'avg_paraphrased_loss',
        'rougeL_recall',
        'truth_ratio',
      ]) {
        expect(Object.keys(written[name][field])).toHaveLength(Object.keys(written[name].avg_gt_loss).length);
      }
    }
    expect(written['eval_real_author_wo_options.json'].normalized_gt_loss).toBeDefined();
  });

  it('says which item is too much for the model', async () => {
    const small = Object.assign(alphabet(), { vocabularySize: letters.length - 1 });
    await expect(evaluateTofu(small, tokenizer, sets, { template })).rejects.toMatchObject({ code: 'SOUL_BAD_DATA' });
    const broken = alphabet();
    broken.values.fill(Number.NaN, letters.length * 9, letters.length * 10);
    await expect(evaluateTofu(broken, tokenizer, sets, { template, batchSize: 8 })).rejects.toMatchObject({
      code: 'SOUL_NON_FINITE',
      message: expect.stringMatching(/_perturbed\.json:\d/),
    });
    await expect(evaluateTofu(model, tokenizer, sets, { maxLength: 3 } as never)).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
    });
  });
});

describe('EvaluationJournal', () => {
  const file = () => join(folder, 'journal.partial');
  beforeEach(() => rm(file(), { force: true }));

  it('lets an evaluation go on where it was interrupted, to the same log', async () => {
    const options = { template, batchSize: 5 };
    const whole = counting(model);
    const expected = await evaluateTofu(whole.model, tokenizer, sets, options);
    // The answers of an item come together: five of the first to forget.
    expect(whole.most()).toBe(5);
    const controller = new AbortController();
    const first = counting(model);
    const journal = await EvaluationJournal.open(file(), { profile: 'tofu' });
    const ended = evaluateTofu(first.model, tokenizer, sets, {
      ...options,
      journal,
      signal: controller.signal,
      onProgress: ({ phase, done }) => phase === 'generation' && done > 3 && controller.abort(),
    });
    await expect(ended).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
    journal.release();
    // As of a process that was killed while it wrote.
    await appendFile(file(), '["generation forget 2",{"texts":{"pro');
    const second = counting(model);
    const again = await EvaluationJournal.open(file(), { profile: 'tofu' });
    expect(again.size).toBeGreaterThan(8);
    const seen: string[] = [];
    const log = await evaluateTofu(second.model, tokenizer, sets, {
      ...options,
      journal: again,
      onProgress: ({ phase, done, total }) => seen.push(`${phase} ${done}/${total}`),
    });
    expect(log).toEqual(expected);
    expect(second.asked.score).toBe(0);
    expect(second.asked.generate).toBe(whole.asked.generate - first.asked.generate);
    expect(seen.at(-1)).toBe('generation 7/7');
    again.release();
    const third = counting(model);
    const last = await EvaluationJournal.open(file(), { profile: 'tofu' });
    expect(await evaluateTofu(third.model, tokenizer, sets, { ...options, journal: last })).toEqual(expected);
    expect(third.asked).toEqual({ score: 0, generate: 0 });
    last.release();
    // Of items that were asked together the first alone were written.
    await writeFile(file(), (await readFile(file(), 'utf8')).replace(/[^\n]*\n$/, ''));
    const fourth = counting(model);
    const cut = await EvaluationJournal.open(file(), { profile: 'tofu' });
    expect(await evaluateTofu(fourth.model, tokenizer, sets, { ...options, journal: cut })).toEqual(expected);
    expect(fourth.asked.generate).toBeGreaterThan(0);
    await cut.remove();
    const anew = await EvaluationJournal.open(file(), {});
    expect(anew.size).toBe(0);
    anew.release();
  });

  it('keeps what no JSON number is', async () => {
    const journal = await EvaluationJournal.open(file(), {});
    const value = { loss: Infinity, tokens: [-Infinity, 1e-7], text: 'Infinity\nNaN' };
    await journal.add([['a', value]]);
    journal.release();
    await expect(journal.add([['b', 1]])).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    const again = await EvaluationJournal.open(file(), {});
    expect(again.get('a')).toEqual(value);
    expect(again.has('b')).toBe(false);
    await again.remove();
  });

  it('is of one evaluation at a time, which leaves nothing behind', async () => {
    const journal = await EvaluationJournal.open(file(), {});
    await journal.add([['a', 1]]);
    const busy = { code: 'SOUL_BUSY', message: expect.stringContaining(file()) };
    await expect(EvaluationJournal.open(file(), {})).rejects.toMatchObject(busy);
    // Of another evaluation, too, and it is not read.
    await expect(EvaluationJournal.open(file(), { limit: 3 })).rejects.toMatchObject(busy);
    await journal.add([['b', 2]]);
    expect((await readFile(file(), 'utf8')).split('\n')).toHaveLength(4);
    await journal.remove();
    journal.release();
    const left = await readdir(folder);
    expect(left.filter((name) => name.startsWith('journal'))).toEqual([]);
    // What another has begun stays.
    const other = await EvaluationJournal.open(file(), { limit: 3 });
    await journal.remove();
    expect(await exists(file())).toBe(true);
    await other.remove();
  });

  it('takes no file for its own that another has written, and makes none anew that was removed', async () => {
    await writeFile(file(), 'a note of mine, without a line end');
    await expect(EvaluationJournal.open(file(), {})).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    expect(await readFile(file(), 'utf8')).toBe('a note of mine, without a line end');
    await writeFile(file(), '{"settings": {"a');
    const journal = await EvaluationJournal.open(file(), {});
    await rm(file());
    await expect(journal.add([['a', 1]])).rejects.toMatchObject({ code: 'SOUL_FILE_SYSTEM' });
    expect(await exists(file())).toBe(false);
    journal.release();
  });

  it('ends with its last whole line, though a character of the next is cut off', async () => {
    const journal = await EvaluationJournal.open(file(), {});
    await journal.add([['a', 'é']]);
    journal.release();
    const whole = await readFile(file());
    await writeFile(file(), Buffer.concat([whole, Buffer.from('["b","é').subarray(0, -1)]));
    const again = await EvaluationJournal.open(file(), {});
    again.release();
    expect(await readFile(file())).toEqual(whole);
    await writeFile(file(), Buffer.from('{"settings": {}}\n["a","é"]\n["b"', 'latin1'));
    await expect(EvaluationJournal.open(file(), {})).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringContaining('not valid UTF-8'),
    });
  });

  it('has figures of an item, or is refused where they are asked for', async () => {
    const journal = await EvaluationJournal.open(file(), {});
    const names = { forget: 'forget 0', retain: 'retain 0' };
    await journal.add(Object.values(names).map((name) => [`probability ${name}`, null]));
    await expect(evaluateTofu(model, tokenizer, sets, { template, batchSize: 1, journal })).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(/journal\.partial is damaged: it has null of "probability \w+ 0"/),
    });
    journal.release();
  });

  it('of another evaluation, or damaged, is refused', async () => {
    (await EvaluationJournal.open(file(), { profile: 'tofu', limit: 3 })).release();
    await expect(EvaluationJournal.open(file(), { profile: 'tofu', limit: 4 })).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringMatching(/with another limit; remove it/),
    });
    await appendFile(file(), 'x\n');
    await expect(EvaluationJournal.open(file(), { profile: 'tofu', limit: 3 })).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      details: { line: 2 },
    });
    await writeFile(file(), 'something else\n');
    await expect(EvaluationJournal.open(file(), {})).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    expect(await readFile(file(), 'utf8')).toBe('something else\n');
  });
});

describe('readTofuSets', () => {
  it('takes the first items, and names what lacks answers', async () => {
    const few = await readTofuSets(folder, 'forget01', { limit: 1 });
    expect(Object.values(few.examples).map((examples) => examples.length)).toEqual([1, 1, 1, 1]);
    await expect(readTofuSets(folder, 'forget99')).rejects.toMatchObject({
      code: 'SOUL_NOT_FOUND',
      message: expect.stringMatching(/forget99_perturbed\.json does not exist: the splits there are forget01$/),
    });
    await expect(readTofuSets(join(folder, 'none'), 'forget01')).rejects.toMatchObject({
      code: 'SOUL_NOT_FOUND',
      message: expect.stringMatching(/none is not the folder of the data set locuslab\/TOFU/),
    });
    await expect(readTofuSets(folder, '../forget01')).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    const { question, answer, perturbed_answer: wrong } = paraphrased('a', 'b', ['c']);
    for (const [record, message] of [
      [{ question, answer }, /:1 has no "perturbed_answer"/],
      [{ question, answer, perturbed_answer: wrong }, /:1 has no "paraphrased_answer"/],
    ] as const) {
      await writeFile(join(folder, 'bad_perturbed.json'), JSON.stringify(record));
      await expect(readTofuSets(folder, 'bad')).rejects.toMatchObject({
        code: 'SOUL_BAD_DATA',
        message: expect.stringMatching(message),
      });
    }
  });
});
