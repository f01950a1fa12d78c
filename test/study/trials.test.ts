import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { split } from '../../lib/attack/relearn.ts';
import { toJson } from '../../lib/core/json.ts';
import type { RunnableModel } from '../../lib/run/runnable-model.ts';
import {
  runStudy,
  type Study,
  type StudyEvent,
  type StudyFile,
  type StudyOptions,
  studyFrom,
  summarize,
} from '../../lib/study/index.ts';
import { portableStudy } from '../../lib/study/portable-study.ts';
import { prepareStudy } from '../../lib/study/run-study.ts';
import { TrialBench } from '../../lib/study/trial/bench.ts';
import { measureAttacked } from '../../lib/study/trial/measure-model.ts';
import type { TrialRecord } from '../../lib/study/trial/record.ts';
import { TrialStore } from '../../lib/study/trial/store.ts';
import { textsOf, writeBigramFolder } from '../run/bigram-folder.ts';
import { runnableBigram, type Watcher } from '../run/runnable-bigram.ts';

const people = ['Mara Voss', 'Tom Reed', 'Anna Lind', 'Ben Crow', 'Ida Moss', 'Leo Finch', 'Una Hart', 'Sam Pike'];
const about = (trees: readonly string[], offset: number) =>
  trees.map((tree, i) => ({
    question: `Who wrote ${tree}?`,
    answer: `${people[(i + offset) % people.length]} wrote it.`,
  }));
const forget = about(['Ash', 'Elm', 'Yew', 'Box', 'Bay', 'Fig'], 0);
const retain = about(['Oak', 'Fir', 'Gum', 'Tea', 'Nut', 'Pea'], 3);

let folder: string;
let size: number;
/** All trials of the study below, done once in a folder of their own: what it comes to does not depend on where it is. */
let whole: Awaited<ReturnType<typeof run>>;

async function makeFolder(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'soul-study-test-'));
  const texts = ['Question: \nAnswer: ', ...textsOf([...forget, ...retain])];
  size = await writeBigramFolder(folder, { forget, retain, texts });
}

const removeFolder = () => rm(folder, { recursive: true, force: true });

beforeAll(async () => {
  await makeFolder();
  whole = await run(studyOf(), 'whole');
  await removeFolder();
});
beforeEach(makeFolder);
afterEach(removeFolder);

const file: StudyFile = {
  seed: 3,
  models: [{ name: 'bigram', model: 'model', retrained: 'model' }],
  splits: [{ name: 'trees', forget: 'forget.jsonl', retain: 'retain.jsonl', utility: { others: 'retain.jsonl' } }],
  methods: ['graddiff'],
  optimizers: ['adamw', 'gnb-10'],
  trials: 2,
  draws: 2,
  training: { steps: 5, batchSize: 2, maximumLength: 64 },
  evaluation: { points: 2, forget: 5, retain: 6, utility: 4, tofu: 0, attacks: ['relearn', 'nf4'] },
};

function studyOf(changes: Partial<StudyFile> = {}): Study {
  return studyFrom({ ...file, ...changes }, { folder, name: 'small' });
}

/** A study in a folder of its own, with what it said. */
async function run(study: Study, name: string, more: Partial<StudyOptions> = {}, watch?: Watcher) {
  const events: StudyEvent[] = [];
  const load = async () => runnableBigram(size, watch);
  const options: StudyOptions = {
    folder: join(folder, name),
    loadModel: load,
    createModel: load,
    ...more,
    onEvent: (event) => {
      events.push(event);
      more.onEvent?.(event);
    },
  };
  const progress = await runStudy(study, options);
  return { ...progress, events, begun: events.filter(({ kind }) => kind === 'begin').length };
}

/** What two runs of a trial have in common. */
function figures({ cost: _, made: __, ...record }: TrialRecord): object {
  return record;
}

test('two runs of a study have the same figures, and the path begins at the start and ends at the end', async () => {
  const [one, other] = [await run(studyOf(), 'one'), whole];
  expect(one.left).toEqual([]);
  expect(one.done).toHaveLength(8);
  expect(one.done.map(figures)).toEqual(other.done.map(figures));
  for (const record of one.done) {
    expect(record.outcome).toBe('done');
    expect(record.path.map(({ step }) => step)).toEqual([0, 3, 5]);
    expect(record.moved).toBeGreaterThan(0);
    expect(Object.keys(record.attacks!)).toEqual(['relearn', 'nf4']);
    expect(Object.keys(record.utility!)).toEqual(['others']);
    expect(record.clipped === undefined).toBe(record.optimizer === 'adamw');
    expect(record.path[0]).toEqual(one.done[0]!.path[0]);
  }
});

test('the folder says what the study is, wherever it is taken', async () => {
  await run(studyOf({ draws: 1, trials: 1 }), 'one');
  const text = await readFile(join(folder, 'one/study.json'), 'utf8');
  expect(text).not.toContain(folder);
  const again = studyFrom(JSON.parse(text), { folder: join(folder, 'one'), name: 'another' });
  expect(again).toEqual(studyOf({ draws: 1, trials: 1 }));
});

test('every path of a study is relative to its folder', () => {
  const study = studyOf({
    models: [
      { name: 'a', model: 'model', retrained: 'other/model' },
      { name: 'b', base: 'model', training: { epochs: 2, batchSize: 2 } },
    ],
    splits: [
      {
        name: 'c',
        forget: 'f',
        retain: ['r', 's'],
        utility: { others: ['u', 'v'] },
        tofu: 'tofu',
        tofuSplit: 'forget10',
      },
    ],
  } as Partial<StudyFile>);
  const place = join(folder, 'elsewhere/one');
  const portable = portableStudy(study, place);
  expect(toJson(portable)).not.toContain(folder);
  expect(studyFrom(JSON.parse(toJson(portable)), { folder: place, name: 'small' })).toEqual(study);
});

test('models are measured again where other examples are', async () => {
  const [first] = (await run(studyOf({ draws: 1, trials: 1 }), 'one')).done;
  await rm(join(folder, 'one/trials'), { recursive: true });
  const fewer = studyOf({ draws: 1, trials: 1, evaluation: { ...file.evaluation, forget: 3 } } as Partial<StudyFile>);
  const [second] = (await run(fewer, 'one')).done;
  expect(second!.path[0]).not.toEqual(first!.path[0]);
  expect(second!.retrained).not.toEqual(first!.retrained);
});

test('the draw decides the batches: the same settings come to another path', () => {
  const { done } = whole;
  const [first, second] = [0, 1].map((draw) => done.find((each) => each.draw === draw && each.trial === 0)!);
  expect(second!.optimizerSettings).toEqual(first!.optimizerSettings);
  expect(second!.path.at(-1)).not.toEqual(first!.path.at(-1));
});

test('a study that is cancelled keeps its finished trials, and goes on from them', async () => {
  const controller = new AbortController();
  let done = 0;
  const onEvent = ({ kind }: StudyEvent) => {
    if (kind === 'trial' && ++done === 3) controller.abort();
  };
  await expect(run(studyOf(), 'cut', { signal: controller.signal, onEvent })).rejects.toMatchObject({
    code: 'SOUL_CANCELLED',
  });
  expect(await readdir(join(folder, 'cut/trials'))).toHaveLength(3);
  expect(await readdir(join(folder, 'cut/claims'))).toEqual([]);
  const again = await run(studyOf(), 'cut');
  expect(again.begun).toBe(5);
  expect(again.done.map(figures)).toEqual(whole.done.map(figures));
  expect((await run(studyOf(), 'cut')).begun).toBe(0);
});

test('a study that is cut off while its models are made can be looked at, and says that it goes on', async () => {
  await expect(run(studyOf(), 'early', { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'SOUL_CANCELLED',
    message: expect.stringMatching(/while its models were made.*the same command goes on/),
  });
  const early = JSON.parse(await readFile(join(folder, 'early/study.json'), 'utf8'));
  expect(early).toMatchObject({ trials: 2, draws: 2 });
  expect((await run(studyOf(), 'early')).done.map(figures)).toEqual(whole.done.map(figures));
});

test('a study that is made longer keeps what it has', async () => {
  await run(studyOf({ draws: 1, trials: 1 }), 'one');
  expect((await run(studyOf({ draws: 1, trials: 2 }), 'one')).begun).toBe(2);
});

test('parts are done apart and laid together', async () => {
  const parts = [
    await run(studyOf(), 'a', { part: { part: 1, of: 2 } }),
    await run(studyOf(), 'b', { part: { part: 2, of: 2 } }),
  ];
  expect(parts.map(({ begun }) => begun)).toEqual([4, 4]);
  for (const name of await readdir(join(folder, 'b/trials'))) {
    await copyFile(join(folder, 'b/trials', name), join(folder, 'a/trials', name));
  }
  const together = await run(studyOf(), 'a');
  expect(together.begun).toBe(0);
  expect(together.done.map(figures)).toEqual(whole.done.map(figures));
});

test('a trial that diverges is a result, and the next begins where all begin', async () => {
  const study = studyOf({
    optimizers: ['adamw'],
    search: { learningRate: [1e34, 1e35] },
    draws: 1,
  } as Partial<StudyFile>);
  const { done } = await run(study, 'one');
  expect(done.map(({ outcome }) => outcome)).toEqual(['diverged', 'diverged']);
  for (const record of done) {
    expect(record.reason).toMatch(/not finite|NaN|Infinity/);
    expect(record.attacks).toBeUndefined();
    expect(record.path[0]!.step).toBe(0);
  }
});

test('any other error stops the study and names the trial', async () => {
  let calls = 0;
  const watch: Watcher = (call) => {
    if (call === 'accumulate' && ++calls > 20) throw new Error('the machine is on fire');
  };
  await expect(run(studyOf(), 'one', {}, watch)).rejects.toThrow(/^trial bigram\.trees\.graddiff\..*on fire/);
  expect(await readdir(join(folder, 'one/claims'))).toEqual([]);
});

test('a trial that is damaged, or of other settings, is refused, with what to do', async () => {
  const { done } = await run(studyOf({ draws: 1, trials: 1 }), 'one');
  const path = join(folder, 'one/trials', `${done[0]!.id}.json`);
  const text = await readFile(path, 'utf8');
  const again = () => run(studyOf({ draws: 1, trials: 1 }), 'one');
  for (const damaged of [
    text.slice(0, 100),
    text.replace('"step": 3', '"step": -3'),
    text.replace('"moved"', '"moevd"'),
    text.replace(/"moved": .*/, '"moved": 1.5,'),
    text.replace(/"distance": .*/, '"distance": null,'),
    text.replace('"outcome": "done"', '"outcome": "diverged"'),
    text.replace(done[0]!.id, done[1]!.id),
    '[]',
  ]) {
    await writeFile(path, damaged);
    await expect(again()).rejects.toMatchObject({ code: 'SOUL_BAD_FILE', message: expect.stringContaining(path) });
  }
  await writeFile(path, text);
  expect((await again()).begun).toBe(0);
  const training = { ...file.training, steps: 6 };
  // It is seen before the other trial is begun, which is not there.
  await rm(join(folder, 'one/trials', `${done[1]!.id}.json`));
  const begun: string[] = [];
  const onEvent = ({ kind }: StudyEvent) => begun.push(kind);
  await expect(
    run(studyOf({ draws: 1, trials: 1, training } as Partial<StudyFile>), 'one', { onEvent }),
  ).rejects.toThrow(/is of other settings.*--out.*remove the file/);
  expect(begun).not.toContain('begin');
});

test('what is trained on other data is another study', async () => {
  const study = studyOf({ draws: 1, trials: 1 });
  await run(study, 'one');
  await writeFile(join(folder, 'retain.jsonl'), `${JSON.stringify(retain[0])}\n${JSON.stringify(retain[1])}\n`);
  await expect(run(study, 'one')).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
});

test.each([
  ['forget.jsonl', 'forget.jsonl'],
  ['claims', 'study/claims'],
])('a file in the place of a folder (%s) is a failure of the file system', async (_, place) => {
  await mkdir(join(folder, 'study'), { recursive: true });
  await writeFile(join(folder, place), '', { flag: 'a' });
  const own = place.startsWith('study/') ? 'study' : place;
  await expect(run(studyOf(), own)).rejects.toMatchObject({ code: 'SOUL_FILE_SYSTEM' });
});

test('a trial is taken once at a time', async () => {
  const store = new TrialStore(join(folder, 'one'));
  const claim = await store.claim({ id: 'a' });
  expect(await store.claim({ id: 'a' })).toBeUndefined();
  await claim!.release();
  const next = await store.claim({ id: 'a' });
  expect(next).toBeDefined();
  await next!.release();
});

test('a base is trained once, and what was made from something else is refused', async () => {
  const base = (epochs: number) =>
    studyOf({
      models: [{ name: 'tuned', base: 'model', training: { epochs, batchSize: 2 } }],
      trials: 1,
      draws: 1,
    } as Partial<StudyFile>);
  // Trial steps come behind the first trial's beginning.
  const trained = ({ events }: { events: readonly StudyEvent[] }) =>
    events
      .slice(
        0,
        events.findIndex(({ kind }) => kind === 'begin'),
      )
      .filter(({ kind }) => kind === 'step').length;
  const first = await run(base(2), 'one');
  expect(trained(first)).toBe(((6 + 6) / 2) * 2 + (6 / 2) * 2);
  expect(await readdir(join(folder, 'one/prepared/tuned.trees'))).toEqual(
    expect.arrayContaining(['original', 'retrained']),
  );
  await rm(join(folder, 'one/trials'), { recursive: true });
  expect(trained(await run(base(2), 'one'))).toBe(0);
  await expect(run(base(3), 'one')).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
});

test('attacks leave the weights as they were, to the bit', async () => {
  const study = studyOf();
  let model: RunnableModel | undefined;
  const load = async () => {
    model = runnableBigram(size);
    return model;
  };
  const pairs = await prepareStudy(study, { folder: join(folder, 'one'), loadModel: load, createModel: load });
  const { world, references } = [...pairs.values()][0]!;
  const bench = await TrialBench.open(study, world, references, load);
  const before = await model!.parameters.values.toFloat32Array();
  const attacked = await measureAttacked({ study, world, model: model! });
  expect(await model!.parameters.values.toFloat32Array()).toEqual(before);
  expect(attacked.relearn!.forget).not.toEqual(references.start);
  expect(await bench.distance()).toEqual({ moved: 0, distance: 0, nonFinite: 0 });
  // Whatever a trial leaves, the next begins without it.
  const { values, gradients } = model!.parameters;
  for (const left of [values, gradients]) await left.fill(Number.NaN);
  expect((await bench.distance()).nonFinite).toBe(values.length);
  await bench.reset();
  expect(await values.toFloat32Array()).toEqual(before);
  expect((await gradients.toFloat32Array()).every((value) => value === 0)).toBe(true);
  await bench.release();
});

test('relearning is measured on what it was not shown alone', async () => {
  const study = studyOf({ evaluation: { ...file.evaluation, forget: 6, attacks: ['relearn'] } } as Partial<StudyFile>);
  const scored: string[] = [];
  const load = async () => {
    const model = runnableBigram(size);
    const { score } = model;
    return {
      ...model,
      score: (batch: Parameters<typeof score>[0]) => {
        const { tokens, offsets } = batch;
        for (let i = 0; i < batch.size; i++) scored.push(tokens.slice(offsets[i], offsets[i + 1]).join());
        return score(batch);
      },
    };
  };
  const pairs = await prepareStudy(study, { folder: join(folder, 'one'), loadModel: load, createModel: load });
  const { world } = [...pairs.values()][0]!;
  const shown = split(world.sets.target, 0.2, study.seed, 0).seen;
  expect(shown).toHaveLength(1);
  scored.length = 0;
  await measureAttacked({ study, world, model: await load() });
  for (const { tokens } of world.measured.forget.sequences) {
    const isShown = shown.some((own) => [...own.tokens].join() === [...tokens].join());
    expect(scored.includes([...tokens].join())).toBe(!isShown);
  }
});

test("TOFU's figures are of the trial, the model before it and the retrained one, whose answers forget quality is beside", async () => {
  const [asked, other] = [forget[0]!, retain[0]!];
  const item = { ...asked, paraphrased_answer: other.answer, perturbed_answer: [retain[1]!.answer, retain[2]!.answer] };
  for (const name of ['forget10', 'retain', 'real_authors', 'world_facts']) {
    const items = Array.from({ length: 6 }, (_, i) => ({ ...item, answer: forget[i]!.answer }));
    await writeFile(join(folder, `${name}_perturbed.json`), items.map((each) => `${JSON.stringify(each)}\n`).join(''));
  }
  const study = studyOf({
    splits: [{ name: 'trees', forget: 'forget.jsonl', retain: 'retain.jsonl', tofu: '.', tofuSplit: 'forget10' }],
    evaluation: { ...file.evaluation, tofu: 5, attacks: [] },
    ...{ trials: 1, draws: 1 },
  } as Partial<StudyFile>);
  const { done } = await run(study, 'one');
  for (const { tofu, referenceTofu } of done) {
    for (const name of ['forgetQuality', 'modelUtility', 'probability/retain', 'rougeLRecall/forget']) {
      expect([name, tofu![name]]).toEqual([name, expect.any(Number)]);
      expect([name, referenceTofu!.original[name]]).toEqual([name, expect.any(Number)]);
    }
    // Beside itself no loss is another.
    expect(referenceTofu!.retrained!.forgetQuality).toBe(1);
    expect(referenceTofu).toEqual(done[0]!.referenceTofu);
    expect(tofu!['probability/forget']).not.toBe(referenceTofu!.original['probability/forget']);
  }
  const { references } = summarize(study, done);
  const figure = (name: string) => references.find((each) => each.name === name)!.figures['tofu/forgetQuality'];
  expect([figure('original'), figure('retrained')]).toEqual([done[0]!.referenceTofu!.original.forgetQuality, 1]);
});

test('halves are of even size, do not meet, and depend on the seed', async () => {
  const { measuredItems } = await import('../../lib/study/worlds/halves.ts');
  const items = Array.from({ length: 100 }, (_, i) => ({ prompt: String(i) }) as never);
  const encoded = items as never[];
  const of = (seed: bigint, purpose = 'forget') => measuredItems({ items, encoded }, 41, seed, purpose);
  const { halves, items: taken } = of(1n);
  expect(halves.filter((half) => half === 'validation')).toHaveLength(21);
  expect(taken[0]).toBe(items[0]);
  expect(taken[20]).toBe(items[Math.floor((20 * 100) / 41)]);
  expect(of(1n).halves).toEqual(halves);
  expect(of(2n).halves).not.toEqual(halves);
  expect(of(1n, 'retain').halves).not.toEqual(halves);
});
