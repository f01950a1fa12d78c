import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { progressOn } from '../../lib/cli/progress.ts';
import { type AskedModel, askTofu } from '../../lib/cli/tofu-evaluation.ts';
import { SoulError } from '../../lib/core/errors.ts';
import { exists } from '../../lib/core/files.ts';
import { EvaluationJournal } from '../../lib/eval/tofu/journal.ts';
import type { RunnableModel } from '../../lib/run/runnable-model.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { captured } from './captured.ts';
import { writeSmallModel } from './small-model.ts';

let folder: string;
const path = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-eval-tofu-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('eval --log', () => {
  const section = (loss: number) => ({
    avg_gt_loss: [loss, loss],
    rougeL_recall: [0.5, 0.5],
    average_perturb_loss: [
      [loss + Math.LN2, loss + Math.LN2],
      [loss + Math.LN2, loss + Math.LN2],
    ],
  });
  const log = {
    'eval_log_forget.json': section(1),
    'eval_log.json': section(Math.LN2),
    'eval_real_author_wo_options.json': section(3),
    'eval_real_world_wo_options.json': section(3),
  };

  test('computes figures as JSON and as a table, without a model', async () => {
    await writeFile(path('log.json'), JSON.stringify(log));
    const json = await captured('eval', '--log', path('log.json'), '--json');
    expect(json.code).toBe(0);
    // Probability, ROUGE and truth ratio are one half everywhere: wrong answers are half as likely, and two.
    expect(JSON.parse(json.out)).toMatchObject({
      profile: 'tofu',
      items: { forget: 2, retain: 2 },
      figures: {
        modelUtility: { value: expect.closeTo(0.5, 12), interval: [expect.closeTo(0.5, 12), expect.closeTo(0.5, 12)] },
        forgetQuality: { value: null, why: expect.stringMatching(/--retain-log/) },
      },
      sets: { forget: { probability: { value: expect.closeTo(Math.exp(-1), 12) } } },
    });
    const text = await captured('eval', '--log', path('log.json'), '--retain-log', path('log.json'));
    expect(text.out).toMatch(/model utility +all +0\.5000 +0\.5000 to 0\.5000/);
    expect(text.out).toMatch(/forget quality \(p\) +all +1\.0000/);
    expect(text.out).toMatch(/note: forget quality \(p\): the reference is the model itself/);
    expect(text.out).toMatch(/membership AUC, loss +n\/a: /);
  });

  test('names the embedder of an accuracy', async () => {
    const embedded = (right: number) => ({
      ...section(1),
      ...{ paraphrased_similarity: [right, 0.9], perturb_similarity: section(1).rougeL_recall.map(() => [0.2, 0.5]) },
      recorded: { profile: 'soul', embedder: 'mini (model.onnx, SHA-256 01)' },
    });
    const content = { 'eval_log_forget.json': embedded(0.4), 'eval_log.json': embedded(0.6) };
    await writeFile(path('embedded.json'), JSON.stringify(content));
    const json = JSON.parse((await captured('eval', '--log', path('embedded.json'), '--json')).out);
    expect(json).toMatchObject({
      embedder: 'mini (model.onnx, SHA-256 01)',
      sets: { forget: { accuracy: { value: 0.5 } }, retain: { accuracy: { value: 1 } } },
    });
    const { out } = await captured('eval', '--log', path('embedded.json'));
    expect(out).toMatch(/^accuracy by the sentence embeddings of mini \(model\.onnx, SHA-256 01\)$/m);
    expect(out).toMatch(/^accuracy +forget +0\.5000 /m);
    expect((await captured('eval', '--log', path('log.json'))).out).toMatch(
      /^accuracy +n\/a: it needs sentence embeddings \(--embedder\)$/m,
    );
  });

  test('names what is wrong in a log, and options that do not go together', async () => {
    const broken = { ...log, 'eval_log.json': { ...section(1), rougeL_recall: [0.5] } };
    await writeFile(path('broken.json'), JSON.stringify(broken));
    const outcome = await captured('eval', '--log', path('broken.json'), '--json');
    expect(outcome.code).toBe(2);
    expect(JSON.parse(outcome.out).error).toMatchObject({
      code: 'SOUL_BAD_DATA',
      details: { section: 'eval_log.json', field: 'rougeL_recall', item: '1' },
    });
    await writeFile(path('data.jsonl'), '{"question": "Who?"}\n{"question": "Who?"}\n');
    await writeFile(path('cut.json'), JSON.stringify(log).slice(0, -2));
    for (const [words, message] of [
      [['--model', 'x'], /required option '--data <files...>' is missing/],
      [['--data', 'x'], /required option '--model <folder>' is missing/],
      [['--tofu', 'x'], /required option '--model <folder>' is missing/],
      [[], /options .* are missing \(or give --log in place of --model, --log or --tofu in place of --data\)/],
      [['--model', 'x', '--tofu', 'x', '--filter', 'a=b'], /cannot be used with option '--filter/],
      [['--log', 'x', '--split', 'forget01'], /cannot be used with option '--split/],
      [['--log', 'x', '--max-length', '8'], /cannot be used with option '--max-length/],
      [['--log', path('data.jsonl')], /is no evaluation log but JSON lines, as data has/],
      [['--log', path('cut.json')], /cut\.json is not JSON/],
      [['--log', 'x', '--model', 'x'], /cannot be used with/],
      [['--log', 'x', '--embedder', 'x'], /cannot be used with/],
      [['--model', 'x', '--data', 'x', '--embedder', 'x'], /cannot be used with option '--embedder/],
      [['--model', 'x', '--tofu', 'x', '--data', 'x'], /cannot be used with/],
      [['--model', 'x', '--data', 'x', '--split', 'forget01'], /cannot be used with option '--split/],
      [['--model', 'x', '--tofu', 'x', '--no-generate'], /cannot be used with/],
      [['--log', 'x', '--guardrail'], /cannot be used with option '--guardrail'/],
      [['--log', 'x', '--logit-lens'], /cannot be used with option '--logit-lens'/],
      [['--model', 'x', '--data', 'x', '--refusals', 'x'], /cannot be used with option '--refusals/],
      [['--log', 'x', '--profile', 'tofuu'], /Did you mean tofu\?/],
    ] as const) {
      const { code, err } = await captured('eval', ...words);
      expect(err).toMatch(message);
      expect(code).toBe(2);
    }
  });
});

test('an evaluation that ends before it has found anything leaves no .partial file', async () => {
  const refused = async () => {
    throw new SoulError('SOUL_EXISTS', 'the log is there');
  };
  const asking = { settings: {}, asking: { profile: 'tofu' } } as unknown as AskedModel;
  const asked = askTofu({} as RunnableModel, asking, { split: 'forget01', examples: {}, sha256: {} }, path('no.json'), {
    signal: new AbortController().signal,
    progress: progressOn('measuring', { quiet: true }),
    onOpen: refused,
  });
  await expect(asked).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
  expect(await exists(path('no.json.partial'))).toBe(false);
});

describeWithEngine('eval --tofu', () => {
  test('writes a log that gives the same figures, and does not replace one', async () => {
    await writeSmallModel(folder);
    const record = {
      ...{ question: 'Who?', answer: 'Nobody.', paraphrased_answer: 'Nobody. Nobody.' },
      perturbed_answer: ['Who?', 'Answer: Who?'],
    };
    for (const name of ['forget01', 'retain', 'real_authors', 'world_facts']) {
      await writeFile(path(`${name}_perturbed.json`), `${JSON.stringify(record)}\n`.repeat(3));
    }
    const words = [
      'eval',
      '--model',
      path('model'),
      '--tofu',
      folder,
      '--split',
      'forget01',
      '--out',
      path('own.json'),
    ];
    const run = () => captured(...words, '--device', 'cpu', '--threads', '1', '--limit', '2', '--json', '--quiet');
    const { code, out } = await run();
    expect(code).toBe(0);
    const result = JSON.parse(out);
    expect(result).toMatchObject({ log: path('own.json'), items: { forget: 2, worldFacts: 2 } });
    expect(result.secondsPerItem).toBeGreaterThan(0);
    expect(await exists(path('own.json.partial'))).toBe(false);
    const again = JSON.parse((await captured('eval', '--log', path('own.json'), '--json')).out);
    expect(again.figures).toEqual(result.figures);
    expect(again.sets).toEqual(result.sets);
    const section = JSON.parse(await readFile(path('own.json'), 'utf8'))['eval_log.json'];
    expect(section.recorded).toMatchObject({ profile: 'tofu', limit: 2 });
    expect(section.generated_text['0'][0]).toBe('Question: Who?\nAnswer:');
    // Said before the model is read, of which there is none here.
    const embedder = ['--embedder', path('nowhere'), '--model', path('none'), '--overwrite', '--json'];
    const refused = await captured('eval', '--tofu', folder, '--device', 'cpu', ...embedder);
    expect(refused.code).toBe(2);
    expect(JSON.parse(refused.out).error).toMatchObject({
      code: 'SOUL_NOT_FOUND',
      details: { folder: path('nowhere') },
    });
    const second = await run();
    expect(second.code).toBe(2);
    expect(JSON.parse(second.out).error.code).toBe('SOUL_EXISTS');
    expect(result.peakMemory).toBeGreaterThan(2 ** 20);

    // Other batches give the same figures, but for the order of sums, and are another evaluation to go on with.
    const other = (...more: string[]) =>
      captured(
        ...words.slice(0, -1),
        path('other.json'),
        ...['--device', 'cpu', '--limit', '2', '--json', '--quiet'],
        ...more,
      );
    const journal = await EvaluationJournal.open(path('other.json.partial'), {});
    const busy = await other('--batch-tokens', '8');
    expect(JSON.parse(busy.out).error).toMatchObject({ code: 'SOUL_BUSY' });
    await journal.remove();
    const bounded = JSON.parse((await other('--batch-tokens', '8')).out);
    const { probability } = bounded.sets.forget;
    expect(probability.value).toBeCloseTo(result.sets.forget.probability.value, 6);
    expect((await readdir(folder)).filter((name) => name.startsWith('other'))).toEqual(['other.json']);
  });

  test('behind a guardrail and layer by layer gives a log of its own, which is no reference', async () => {
    await writeFile(path('subjects.txt'), 'Nobody\n');
    const words = [
      '--model',
      path('model'),
      '--tofu',
      folder,
      '--split',
      'forget01',
      '--device',
      'cpu',
      '--threads',
      '1',
    ];
    const evaluate = (...more: string[]) =>
      captured('eval', ...words, '--limit', '1', '--template', 'plain', '--json', '--quiet', ...more);
    const lone = await evaluate('--guardrail-subjects', path('subjects.txt'));
    expect(lone.out).toMatch(/--guardrail-subjects belongs to a guardrail; add --guardrail/);
    const counted = await evaluate('--guardrail-examples', '0');
    expect(counted.out).toMatch(/--guardrail-examples belongs to a guardrail; add --guardrail/);
    const guarded = ['--guardrail', '--guardrail-examples', '1', '--guardrail-subjects', path('subjects.txt')];
    const narrow = await evaluate(...guarded);
    expect(narrow.out).toMatch(/the guardrail takes 81 tokens, but the model reads 64 at most/);
    const config = JSON.parse(await readFile(path('model/config.json'), 'utf8'));
    await writeFile(path('model/config.json'), JSON.stringify({ ...config, max_position_embeddings: 256 }));
    const { code, out } = await evaluate(...guarded, '--logit-lens', '--out', path('guarded.json'));
    expect([code, out]).toEqual([0, expect.stringContaining('input-based baseline')]);
    const { sets } = JSON.parse(out);
    const log = JSON.parse(await readFile(path('guarded.json'), 'utf8'))['eval_log_forget.json'];
    expect(log.recorded.template).toMatchObject({ guardrail: expect.stringMatching(/nothing at all: Nobody\./) });
    expect(JSON.parse(log.recorded.template.guardrailExamples)).toEqual([['Who?', expect.any(String)]]);
    expect(log.generated_text['0'][0]).toBe('Question: Who?\nAnswer:');
    expect(sets.forget.logitLens.at(-1).value).toBeCloseTo(-log.avg_gt_loss['0'], 5);
    const plain = await captured('eval', '--log', path('own.json'), '--retain-log', path('guarded.json'), '--json');
    expect(JSON.parse(plain.out).error.message).toMatch(/asked behind a guardrail/);
  });
});
