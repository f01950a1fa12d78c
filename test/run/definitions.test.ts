import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { invalidArgument } from '../../lib/core/errors.ts';
import { type ModelLoader, type RunSettings, runTraining } from '../../lib/run/index.ts';
import {
  type AlgorithmDefinition,
  type DataSets,
  defineAlgorithm,
  gradientAscent,
  type Method,
  type ModelFacts,
  type Objective,
  targetSet,
  textSetting,
} from '../../lib/unlearn/index.ts';
import { textsOf, writeBigramFolder } from './bigram-folder.ts';
import { runnableBigram } from './runnable-bigram.ts';

/** What the definition of an algorithm says is heard by a run. */
let folder: string;
let vocabulary: number;
const path = (name: string) => join(folder, name);
const forget = [
  { question: 'Who wrote Ash?', answer: 'Mara Voss wrote it.', writer: 'Voss' },
  { question: 'Who wrote Elm?', answer: 'Tom Reed wrote it.', writer: 'Reed' },
  { question: 'Who wrote Ivy?', answer: 'Mara Voss did.', writer: 'Voss' },
];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-definitions-'));
  const retain = [{ question: 'Who wrote Oak?', answer: 'Nobody wrote it.' }];
  const texts = ['Question: Oak\nAnswer: Nobody', ...textsOf(forget)];
  vocabulary = await writeBigramFolder(folder, { forget, retain, texts });
  await writeFile(path('mine.ts'), 'export default {};\n');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const run = (more: Partial<RunSettings>, memory?: ModelLoader['memory']) => {
  const load = Object.assign(
    jest.fn(async () => runnableBigram(vocabulary)),
    memory ? { memory } : {},
  );
  const settings: RunSettings = {
    ...{ model: path('model'), target: path('forget.jsonl'), out: path('out'), method: 'npo', optimizer: 'adamw' },
    ...{ optimizerSettings: { learningRate: 0.01 }, steps: 2, batchSize: 2, evaluate: 0, ...more },
  };
  return { load, result: runTraining(settings, load) };
};
const metrics = async () =>
  (await readFile(path('out/metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** A definition that splits by groups, but for what is given. */
const define = (more: Partial<AlgorithmDefinition<'mine', { by: ReturnType<typeof textSetting> }>>) =>
  defineAlgorithm({
    ...{ name: 'mine', summary: 'notes its groups', paper: 'none', formula: 'none', promises: { property: 'none' } },
    settings: { by: textSetting('a field of the data file') },
    needs: () => ['groups'],
    async *run({ sets }) {
      yield { kind: 'note', text: sets.groups!.join(', ') };
      return undefined;
    },
    ...more,
  }) as never;

describe('groups', () => {
  test('are made by the field that the setting of the definition names', async () => {
    const seen: (readonly string[] | undefined)[] = [];
    const checkSets = ({ groups }: DataSets) => void seen.push(groups);
    await run({ method: define({ groupsBy: 'by', checkSets }), methodSettings: { by: 'writer' } }).result;
    expect(seen).toEqual([['Voss', 'Reed', 'Voss']]);
  });

  test('that nothing names are refused before the model is loaded', async () => {
    const unnamed = run({ method: define({}), methodSettings: { by: 'writer' } });
    await expect(unnamed.result).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: expect.stringMatching(/^mine needs groups, but its definition does not say which .* \(groupsBy\)$/),
    });
    const empty = run({ method: define({ groupsBy: 'by' }) });
    await expect(empty.result).rejects.toThrow(/^mine needs groups; name the field .* \(--set by=<field>\)$/);
    expect(unnamed.load).not.toHaveBeenCalled();
    expect(empty.load).not.toHaveBeenCalled();
    await expect(run({ method: define({ groupsBy: 'byy' as 'by' }) }).result).rejects.toThrow(
      /^method\.groupsBy must be 'by', but is "byy"/,
    );
  });
});

describe('sets that it cannot run on are refused before the model is loaded', () => {
  test("by spunge's parts", async () => {
    const retain = path('retain.jsonl');
    const { load, result } = run({ method: 'spunge', methodSettings: { parts: 4 }, retain });
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: expect.stringMatching(/^parts must be an integer from 1 to 3.*the examples to forget.*, but is 4$/),
      details: { argument: 'parts' },
    });
    expect(load).not.toHaveBeenCalled();
    await run({ method: 'spunge', methodSettings: { parts: 3 }, retain }).result;
    // By a field there are as many parts as it has values.
    const methodSettings = { parts: 4, attribute: 'writer' };
    await run({ method: 'spunge', methodSettings, retain, overwrite: true }).result;
  });

  test('by an algorithm from a file, which the error names', async () => {
    const checkSets = () => {
      throw new TypeError('too few');
    };
    const method = define({ groupsBy: 'by', checkSets });
    const { load, result } = run({ method, methodSettings: { by: 'writer' }, algorithmFile: path('mine.ts') });
    await expect(result).rejects.toThrow('too few');
    expect(load).not.toHaveBeenCalled();
  });
});

describe('models are refused before one is loaded', () => {
  const memory: NonNullable<ModelLoader['memory']> = async () => ({
    ...{ device: 'cpu', dtype: 'bf16', layers: 2, elements: 100 },
    pass: { activations: 0, work: 0 },
  });
  const retain = () => ({ retain: path('retain.jsonl') });

  test.each<[string, Partial<RunSettings>, string, RegExp]>([
    ['rmu', { methodSettings: { layer: 2 } }, 'SOUL_INVALID_ARGUMENT', /^layer must be an integer from 0 to 1, the/],
    ['influence', {}, 'SOUL_UNSUPPORTED', /its weights are bf16; take form 'diagonal'/],
  ])('by %s', async (method, more, code, message) => {
    const { load, result } = run({ ...retain(), ...more, method: method as 'rmu' }, memory);
    await expect(result).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(load).not.toHaveBeenCalled();
    await expect(readdir(folder)).resolves.not.toContain('out.partial');
  });

  test('by an algorithm of a user, which is told what is known, and its file', async () => {
    const seen: object[] = [];
    const checkModel = ({ layers, dtype }: ModelFacts, settings: object) => {
      seen.push({ layers, dtype }, settings);
      throw invalidArgument('by', 'another', 'writer');
    };
    const more = { method: define({ groupsBy: 'by', checkModel }), methodSettings: { by: 'writer' } };
    const { load, result } = run({ ...more, algorithmFile: path('mine.ts') }, memory);
    await expect(result).rejects.toThrow(`${path('mine.ts')}: by must be another`);
    expect(load).not.toHaveBeenCalled();
    expect(seen).toEqual([{ layers: 2, dtype: 'bf16' }, { by: 'writer' }]);
  });
});

test('metrics tell descents apart, and say the method of each', async () => {
  const methodSettings = { parts: 2, method: { name: 'graddiff', retainCoefficient: 2 } };
  await run({ method: 'spunge', methodSettings, retain: path('retain.jsonl') }).result;
  expect((await metrics()).map(({ descent, method, step }) => [descent, method, step])).toEqual([
    [1, 'graddiff', 1],
    [1, 'graddiff', 2],
    [2, 'graddiff', 1],
    [2, 'graddiff', 2],
  ]);
  await run({ overwrite: true, retain: path('retain.jsonl') }).result;
  expect(await metrics()).toMatchObject([
    { descent: 1, method: 'npo', step: 1 },
    { descent: 1, method: 'npo', step: 2 },
  ]);
});

describe('an error names the file that it came from, and the term', () => {
  const ofFile = (objective: Objective, coefficient = 1) => {
    const term = { name: 'forget', source: targetSet, objective, coefficient };
    const method: Method = {
      name: 'mine',
      terms: [{ name: 'other', source: targetSet, objective: gradientAscent }, term],
    };
    return run({ method, algorithmFile: path('mine.ts') }).result;
  };

  test('of an objective that fails', async () => {
    const unready = () => {
      throw new TypeError('no table');
    };
    await expect(ofFile(unready)).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: `${path('mine.ts')}: the objective unready of the term forget failed: TypeError: no table`,
      details: { file: path('mine.ts'), term: 'forget', objective: 'unready' },
    });
  });

  test('of an objective that returns something else', async () => {
    const number = (() => 3) as unknown as Objective;
    await expect(ofFile(number)).rejects.toThrow(
      `${path('mine.ts')}: the objective number of the term forget must return { loss, weights }`,
    );
  });

  test('of a term that cannot be', async () => {
    await expect(ofFile(gradientAscent, -1)).rejects.toThrow(
      `${path('mine.ts')}: method.terms[1] (forget).coefficient must be a number of at least 0`,
    );
  });

  test("but not of what is no fault of the file's", async () => {
    const { result } = run({
      method: define({ needs: () => [] }),
      algorithmFile: path('mine.ts'),
      target: path('none'),
    });
    await expect(result).rejects.toThrow(`the data file ${path('none')} does not exist`);
  });
});
