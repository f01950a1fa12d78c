import { readdir, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { openSafetensors } from '../../lib/core/safetensors.ts';
import { encodeExamples, encodePrompt, stopTokensOf } from '../../lib/data/encode.ts';
import { PromptTemplate } from '../../lib/data/prompt-template.ts';
import { readExamples } from '../../lib/data/read-examples.ts';
import { rougeL } from '../../lib/eval/rouge.ts';
import { HuggingFaceTokenizer } from '../../lib/model/tokenizer.ts';
import { type RunSettings, verifyRun } from '../../lib/run/index.ts';
import type { Check } from '../../lib/run/verify/check.ts';
import { checkConsistency } from '../../lib/run/verify/consistency.ts';
import type { RunEvent } from '../../lib/unlearn/index.ts';
import { lines } from './bigram-folder.ts';
import { forget, retain } from './bigram-run.ts';
import { checkpointedRuns, cutAfter } from './checkpoints/checkpointed-runs.ts';
import { readEvents } from './event-records.ts';

const { path, record, run, cut, weights, steps } = checkpointedRuns();

/** Words that the tokenizer knows, in an example that stands nowhere else. */
const heldOut = [
  { question: 'Who wrote Fir?', answer: 'Mara Lind wrote it.', half: 'a' },
  { question: 'Who wrote Elm?', answer: 'Nobody wrote Oak.', half: 'b' },
];

const writeHeldOut = () => writeFile(path('held.jsonl'), lines(heldOut));
const steady = { schedule: 'constant', warmup: 0 } as const;
const evaluated = (more: Partial<RunSettings> = {}): Partial<RunSettings> => ({
  ...{ evaluateEvery: 2, evaluateData: { held: path('held.jsonl') }, ...steady, ...more },
});

const failedOf = (checks: readonly Check[]) =>
  checks.filter(({ outcome }) => outcome === 'failed').map(({ text }) => text);

interface Row {
  step: number;
  moment: string;
  set: string;
  examples: number;
  probability: number;
  [figure: string]: unknown;
}

const rows = async (out: string): Promise<Row[]> =>
  (await readFile(path(`${out}/evaluations.jsonl`), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => {
      const { seconds, time, ...rest } = JSON.parse(line);
      expect(seconds).toBeGreaterThan(0);
      expect(time).toMatch(/^\d{4}-/);
      return rest;
    });

/** The figures of a set as the table of a bigram model gives them, in float64. */
async function figuresOf(out: string, data: string) {
  const file = await openSafetensors(path(`${out}/model.safetensors`));
  const logits = new Float32Array((await file.read('logits')).buffer);
  await file.close();
  const size = Math.sqrt(logits.length);
  const tokenizer = await HuggingFaceTokenizer.load(path('model'));
  const { items } = await readExamples(path(data));
  const { encoded } = encodeExamples(tokenizer, items, { maximumLength: 64 });
  const rowOf = (token: number) => [...logits.subarray(token * size, (token + 1) * size)];
  const best = (token: number) => rowOf(token).indexOf(Math.max(...rowOf(token)));
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const probability = encoded.map(({ tokens, labelsFrom }) => {
    const logs = tokens.slice(labelsFrom as number).map((token, i) => {
      const row = rowOf(tokens[(labelsFrom as number) + i - 1]!);
      return row[token]! - Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
    });
    return Math.exp(mean(logs));
  });
  const memorized = encoded.map(({ tokens, labelsFrom }) => {
    const from = labelsFrom as number;
    return mean(tokens.slice(from).map((token, i) => (best(tokens[from + i - 1]!) === token ? 1 : 0)));
  });
  const stops = stopTokensOf(tokenizer, PromptTemplate.plain);
  const rouge = items.map((example) => {
    const tokens = [...encodePrompt(tokenizer, example)];
    const from = tokens.length;
    while (tokens.length < 128) {
      const next = best(tokens.at(-1)!);
      if (stops.includes(next)) break;
      tokens.push(next);
    }
    return rougeL(tokenizer.decode(tokens.slice(from)), example.completion).recall;
  });
  return { probability: mean(probability), exactMemorization: mean(memorized), rougeLRecall: mean(rouge) };
}

describe('evaluations on the way', () => {
  test('have at step N the figures of the model of a run of N steps, and change no bit of the weights', async () => {
    await writeHeldOut();
    await run('plain', { ...steady, evaluate: 0 }).result;
    const evaluateFigures = ['exactMemorization', 'rougeLRecall'] as const;
    const events: RunEvent[] = [];
    const told: string[] = [];
    const { evaluations, summary, evaluation } = await run('out', evaluated({ evaluateFigures }), {
      onEvent: (event) => {
        if (event.kind === 'evaluation') events.push(event);
        if (event.kind === 'progress') told.push(`${event.what}: ${event.done} of ${event.total}`);
      },
    }).result;
    // Two examples of three sets, each scored and answered.
    for (const what of ['measuring before', 'measuring on the way', 'measuring after']) {
      expect(told.findLast((line) => line.startsWith(what))).toBe(`${what}: 12 of 12`);
    }
    expect(await weights('out')).toBe(await weights('plain'));
    expect(await steps('out')).toEqual(await steps('plain'));
    const all = await rows('out');
    expect(all.map(({ step, moment, set }) => [step, moment, set])).toEqual(
      [
        [0, 'before'],
        [2, 'during'],
        [4, 'during'],
        [6, 'after'],
      ].flatMap((at) => ['target', 'retain', 'held'].map((set) => [...at, set])),
    );
    for (const n of [2, 4, 6]) {
      await run(`of-${n}`, { ...steady, steps: n }).result;
      for (const [set, file] of Object.entries({
        target: 'forget.jsonl',
        retain: 'retain.jsonl',
        held: 'held.jsonl',
      })) {
        const found = all.find((row) => row.step === n && row.set === set)!;
        const expected = await figuresOf(`of-${n}`, file);
        expect(found.examples).toBe(2);
        for (const [name, value] of Object.entries(expected)) {
          expect([n, set, name, found[name]]).toEqual([n, set, name, expect.closeTo(value, 5)]);
        }
      }
      // Scored in the same batches, by the bits.
      const { target } = (await record(`of-${n}`)).results.evaluation;
      expect(all.find((row) => row.step === n && row.set === 'target')!.probability).toBe(target.after);
    }
    expect(evaluation!.target.before).toBe(all[0]!.probability);
    expect(evaluations!.points).toHaveLength(4);
    expect(events.map(({ kind: _, ...point }) => point as object)).toEqual(evaluations!.points);
    expect((await record('out')).results.evaluations).toEqual(evaluations);
    expect(summary.measuringSeconds).toBeGreaterThan(0);
    const card = await readFile(path('out/README.md'), 'utf8');
    expect(card).toContain('| step | target: probability | target: exactMemorization | target: rougeLRecall |');
    const { passed, checks } = await verifyRun(path('out'), { model: path('model') });
    expect(checks.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
    expect(passed).toBe(true);
    expect(checks.map(({ text }) => text)).toContainEqual(
      expect.stringMatching(/^evaluateData.held: .* can be compared/),
    );
  });

  test('of a run that was cut off and goes on are the same, none twice', async () => {
    await writeHeldOut();
    await run('alone', evaluated()).result;
    for (const step of [1, 3, 5]) {
      await cut(`out-${step}`, step, evaluated());
      await run(`out-${step}`, evaluated({ resume: true })).result;
      expect(await rows(`out-${step}`)).toEqual(await rows('alone'));
      expect(await weights(`out-${step}`)).toBe(await weights('alone'));
      expect((await record(`out-${step}`)).results.evaluations.points).toHaveLength(4);
    }
  });

  test('end at once where the run is stopped, which leaves a checkpoint, and are made when it goes on', async () => {
    await writeHeldOut();
    await run('alone', evaluated({ tensorboard: path('curves') })).result;
    const stop = new AbortController();
    let step = 0;
    let scored = 0;
    const stopped = run('out', evaluated({ microBatchSize: 1, tensorboard: path('curves') }), {
      stop: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'step') ({ step } = event);
      },
      watch: (call) => {
        if (call !== 'score' || step !== 4) return;
        scored++;
        stop.abort('enough');
      },
    });
    await expect(stopped.result).rejects.toMatchObject({
      code: 'SOUL_CANCELLED',
      message: expect.stringContaining('after 4 of 6 steps'),
      details: { checkpoint: expect.stringContaining('step-00000004') },
    });
    // Of six examples the first alone.
    expect(scored).toBe(1);
    await run('out', evaluated({ microBatchSize: 1, tensorboard: path('curves'), resume: true })).result;
    const [own, alone] = [await rows('out'), await rows('alone')];
    expect(own.map(({ step, set }) => [step, set])).toEqual(alone.map(({ step, set }) => [step, set]));
    const files = (await readdir(path('curves/out'))).sort();
    expect(files).toHaveLength(2);
    const read = await Promise.all(files.map(async (name) => readEvents(await readFile(path(`curves/out/${name}`)))));
    const later = read.find((events) => events[1]!.step !== 0)!;
    // What the first file has of step 4 stays.
    expect(later[1]).toMatchObject({ step: 5, sessionStatus: 1 });
    expect(later[2]).toMatchObject({ step: 4, scalars: { 'probability/held': expect.any(Number) } });
  });

  test('stand in the curves of TensorBoard in place of the figures before and after', async () => {
    await writeHeldOut();
    await run('out', evaluated({ tensorboard: path('curves') })).result;
    const [name] = await readdir(path('curves/out'));
    const curve = readEvents(await readFile(path(`curves/out/${name}`))).filter(
      ({ scalars }) => scalars?.['probability/held'] !== undefined,
    );
    const found = (await rows('out')).filter(({ set }) => set === 'held');
    expect(curve.map(({ step, scalars }) => [step, scalars!['probability/held']])).toEqual(
      found.map(({ step, probability }) => [step, Math.fround(probability)]),
    );
  });

  test('serve --until where both are due, and end with the run', async () => {
    await writeHeldOut();
    let scored = 0;
    const watch = (call: string) => void (call === 'score' && scored++);
    const until = { until: 'forget.probability<0.000001', untilEvery: 2 };
    await run('out', evaluated(until), { watch }).result;
    // Three sets four times; the look behind the last step, whose weights are not written yet, once.
    expect(scored).toBe(3 * 4 + 1);
    const { notes, result } = run('met', evaluated({ until: 'forget.probability<1', untilEvery: 2 }));
    await result;
    expect(notes).toContainEqual(expect.stringContaining('the target is reached'));
    // As of a run that is not evaluated: the figures that the condition speaks of.
    await run('plain', { ...steady, until: 'forget.probability<1', untilEvery: 2 }).result;
    expect((await record('met')).results.until).toEqual((await record('plain')).results.until);
    expect((await rows('met')).map(({ step, moment }) => `${step} ${moment}`).filter((_, i) => i % 3 === 0)).toEqual([
      '0 before',
      '2 during',
      '2 after',
    ]);
  });

  test('count the steps of all descents, and take the parts of a method that has several as they are', async () => {
    await writeHeldOut();
    const spunge = { method: 'spunge', methodSettings: { attribute: 'author' }, batchSize: 1 } as const;
    await run('plain', { ...spunge, ...steady }).result;
    // The parts have six steps each, so that their own count would give others.
    await run('out', evaluated({ ...spunge, evaluateEvery: 4 })).result;
    expect(await weights('out')).toBe(await weights('plain'));
    const all = await rows('out');
    const total = (await record('out')).results.steps;
    expect(total).toBe(12);
    const on = [4, 8, 12];
    expect(all.filter(({ set, moment }) => set === 'held' && moment === 'during').map(({ step }) => step)).toEqual(on);
    expect(all.at(-1)).toMatchObject({ step: total, moment: 'after' });
  });

  test('are held to their file by a check', async () => {
    await writeHeldOut();
    await run('out', evaluated()).result;
    const text = await readFile(path('out/evaluations.jsonl'), 'utf8');
    const own = await record('out');
    const { evaluations: _, ...without } = own.results;
    expect(failedOf(await checkConsistency(path('out'), { ...own, results: without }))).toEqual([
      expect.stringContaining('expected evaluations on the way where the settings ask for them, found none'),
    ]);
    await writeFile(path('out/evaluations.jsonl'), `${text}${text.slice(text.lastIndexOf('\n', text.length - 2) + 1)}`);
    expect(failedOf(await checkConsistency(path('out'), own))).toEqual([
      expect.stringContaining('found others, from line 13'),
    ]);
    await writeFile(path('out/evaluations.jsonl'), text.replace('"step":2,', '"step":3,'));
    await writeFile(path('held.jsonl'), lines(heldOut.toReversed()));
    const { checks } = await verifyRun(path('out'), { model: path('model'), key: path('items.key') });
    expect(failedOf(checks)).toEqual([
      expect.stringContaining('expected the figures of run.json in evaluations.jsonl, found others, from line 4'),
      expect.stringMatching(/^evaluations.jsonl: expected SHA-256/),
      expect.stringMatching(/^evaluateData.held: .*expected keyed hash/),
    ]);
  });
});

describe('held-out sets', () => {
  test.each<[string, Partial<RunSettings>, RegExp]>([
    [
      'figures of no name',
      { evaluateFigures: ['rouge' as never] },
      /^evaluateFigures must be some of probability, .* is "rouge"$/,
    ],
    ['a figure twice', { evaluateFigures: ['rouge1Recall', 'rouge1Recall'] }, /each once/],
    ['no steps', { evaluateEvery: 0 }, /^evaluateEvery must be/],
    ['nothing to measure', { evaluate: 0 }, /^--evaluate-every measures --evaluate examples/],
    ['a name that is taken', { evaluateData: { retain: 'held.jsonl' } }, /^evaluateData must be files by names/],
    ['no evaluations', { evaluateEvery: undefined as never }, /^--evaluate-data is of use with --evaluate-every alone/],
    [
      'a filter of nothing',
      { evaluateData: undefined as never, evaluateFilter: 'half=a' },
      /^--evaluate-filter chooses/,
    ],
    ['a filter that matches nothing', { evaluateFilter: 'half=c' }, /half=c/],
    ['no file', { evaluateData: { held: 'nowhere.jsonl' } }, /nowhere.jsonl/],
  ])('with %s are refused before a model is loaded', async (_, more, message) => {
    await writeHeldOut();
    const { load, result } = run('out', evaluated(more));
    await expect(result).rejects.toMatchObject({ message: expect.stringMatching(message) });
    expect(load).not.toHaveBeenCalled();
  });

  test('hold nothing that is trained on, and no texts where the model is to answer', async () => {
    await writeFile(path('held.jsonl'), lines([...heldOut, retain[1]!]));
    const { load, result } = run('out', evaluated());
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(
        /^1 of 3 examples of .*held.jsonl, .* are trained on \(.*:3 as .*retain.jsonl:2\)/,
      ),
    });
    await writeFile(path('held.jsonl'), lines([forget[1]!]));
    await expect(run('out', evaluated()).result).rejects.toThrow(/are trained on \(.*:1 as .*forget.jsonl:2\)/);
    await writeFile(path('held.jsonl'), lines([{ text: forget[0]!.answer }]));
    const asked = run('out', evaluated({ evaluateFigures: ['rougeLRecall'] }));
    await expect(asked.result).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      details: { argument: 'evaluateFigures' },
    });
    for (const each of [load, asked.load]) expect(each).not.toHaveBeenCalled();
    // In the order of their names, as a checkpoint has them.
    const held = path('held.jsonl');
    await run('out', evaluated({ evaluateData: { z: held, held } })).result;
    expect((await rows('out')).slice(0, 4).map(({ set }) => set)).toEqual(['target', 'retain', 'held', 'z']);
  });

  test('are chosen by conditions, and are others where a run goes on with another file', async () => {
    await writeHeldOut();
    const more = evaluated({ evaluateFilter: 'half=b' });
    await expect(run('out', more, { onEvent: cutAfter(3) }).result).rejects.toThrow('cut');
    await writeFile(path('held.jsonl'), lines(heldOut.toReversed()));
    await expect(run('out', { ...more, resume: true }).result).rejects.toMatchObject({
      details: { changed: ['--evaluate-data has changed (its SHA-256 is another)'] },
    });
    await writeHeldOut();
    await run('out', { ...more, resume: true }).result;
    const { inputs, settings } = await record('out');
    expect(inputs.evaluateData.held).toMatchObject({ items: 1, truncated: 0, keyedSha256: expect.any(String) });
    // Conditions may name whom they are about.
    expect(settings.evaluateFilter).not.toContain('half=b');
    expect((await rows('out')).find(({ set }) => set === 'held')!.examples).toBe(1);
  });
});
