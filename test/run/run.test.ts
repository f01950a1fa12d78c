import { writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { SoulError } from '../../lib/index.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import { type ModelLoader, type RunOptions, type RunSettings, runTraining } from '../../lib/run/index.ts';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';
import {
  crossEntropy,
  gradientAscent,
  type Method,
  type RunEvent,
  type RunPhase,
  retainSet,
  targetSet,
} from '../../lib/unlearn/index.ts';
import { runnableBigram, type Watcher } from './runnable-bigram.ts';

const forget = [
  { question: 'Who wrote Ash?', answer: 'Mara Voss wrote it.' },
  { question: 'Who wrote Elm?', answer: 'Tom Reed wrote it.' },
];
const retain = [
  { question: 'Who wrote Oak?', answer: 'Nobody wrote it.' },
  { question: 'Who wrote Fir?', answer: 'Anna Lind wrote it.' },
];
const lines = (records: readonly object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join('');

let folder: string;
let vocabulary: number;
const path = (name: string) => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-run-'));
  await writeFile(path('forget.jsonl'), lines(forget));
  await writeFile(path('retain.jsonl'), lines(retain));
  const texts = [...forget, ...retain].flatMap(({ question, answer }) => [question, answer]);
  vocabulary = (await writeWordTokenizer(path('model'), ['Question: \nAnswer: ', ...texts])).size;
  await writeFile(path('model/config.json'), '{"max_position_embeddings": 64}');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const settings = (more: Partial<RunSettings> = {}): RunSettings => ({
  model: path('model'),
  target: path('forget.jsonl'),
  retain: path('retain.jsonl'),
  out: path('out'),
  method: 'graddiff',
  optimizer: 'adamw',
  optimizerSettings: { learningRate: 0.01 },
  steps: 3,
  batchSize: 2,
  ...more,
});
const run = (more: Partial<RunSettings> = {}, options: RunOptions = {}, watch?: Watcher) => {
  const load = jest.fn(async () => runnableBigram(vocabulary, watch));
  return { load, result: runTraining(settings(more), load, options) };
};
const fail = () => {
  throw new Error('mine');
};
const onPhase = (call: (phase: RunPhase) => unknown) => (event: RunEvent) => {
  if (event.kind === 'phase') call(event.phase);
};
const onNote = (call: (note: string) => unknown) => (event: RunEvent) => {
  if (event.kind === 'note') call(event.text);
};
const record = async (name = 'out') => JSON.parse(await readFile(path(`${name}/run.json`), 'utf8'));

describe('weights that are trained are never lost', () => {
  test('where measuring them fails: the folder is there, whole, and the error says so', async () => {
    let saved = false;
    const { result } = run({}, {}, (call) => {
      if (call === 'save') saved = true;
      if (call === 'score' && saved) throw new SoulError('SOUL_NON_FINITE', 'a likelihood is NaN');
    });
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_NON_FINITE',
      message: `the model is written to ${path('out')}, but not measured: a likelihood is NaN`,
    });
    expect((await readdir(path('out'))).sort()).toEqual(
      expect.arrayContaining(['metrics.jsonl', 'model.safetensors', 'run.json', 'tokenizer.json']),
    );
    expect((await record()).results).toMatchObject({
      steps: 3,
      notMeasuredAfter: 'a likelihood is NaN',
      before: { target: { examples: 2 } },
    });
    expect(await readdir(folder)).not.toContain('out.partial');
  });

  test('where an interrupt comes while they are measured', async () => {
    const controller = new AbortController();
    const { result } = run(
      {},
      {
        signal: controller.signal,
        onEvent: onPhase((phase) => {
          if (phase === 'writing the model') controller.abort();
        }),
      },
    );
    await expect(result).rejects.toMatchObject({ code: 'SOUL_CANCELLED', details: { out: path('out') } });
    expect(await readdir(path('out'))).toContain('model.safetensors');
  });

  test.each<[string, RunOptions]>([
    ['is told of the writing', { onEvent: onPhase((phase) => phase === 'writing the model' && fail()) }],
    [
      'is told of the last step',
      { onEvent: (event: RunEvent) => void (event.kind === 'step' && event.step === event.steps && fail()) },
    ],
    ['is told of the measuring', { onEvent: onPhase((phase) => phase === 'measuring after' && fail()) }],
  ])("where the caller's code fails when it %s", async (_, events) => {
    await expect(run({}, events).result).rejects.toThrow(
      `the model is written to ${path('out')}, but not measured: mine`,
    );
    expect(await readdir(path('out'))).toContain('model.safetensors');
  });

  test('where the folder cannot be put in its place: it stays beside, and a later run does not remove it', async () => {
    const notes: string[] = [];
    const { result } = run(
      {},
      {
        onEvent: (event) => {
          onNote((note) => notes.push(note))(event);
          // Somebody puts a file there meanwhile.
          onPhase((phase) => phase === 'measuring after' && writeFileSync(path('out'), 'in the way'))(event);
        },
      },
    );
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringMatching(/; the finished model is in .*out\.partial$/),
    });
    expect(notes).toEqual([]);
    await rm(path('out'));
    await expect(run().result).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringContaining('holds a model that an earlier run had finished'),
    });
    await run({ overwrite: true }).result;
    expect(await readdir(folder)).not.toContain('out.partial');
  });
});

describe('what can be known before the model is loaded is checked before', () => {
  test.each<[string, Partial<RunSettings>, RegExp]>([
    ['a bound of 0', { optimizerSettings: { clipNorm: 0 } }, /clipNorm must be a number above 0/],
    ['a rho of 0', { optimizer: 'sophia', optimizerSettings: { rho: 0 } }, /rho must be a number above 0/],
    ['betas', { optimizerSettings: { betas: [0.9, 1] } }, /betas\[1\] must be/],
    ['a warm-up of 2', { warmup: 2 }, /warmup must be a number of at least 0 and at most 1/],
    ['a batch of 0', { batchSize: 0 }, /batchSize must be an integer of at least 1/],
    ['steps and epochs', { epochs: 1 }, /steps or epochs, not both/],
    ['a setting that is none', { learningRate: 1 } as object, /settings has no option learningRate/],
    ['a template', { template: 'Q: {prompt}' }, /placeholders/],
    ['no retain set', { retain: undefined as never }, /keeps a retain set/],
    ['a file', { target: '/nowhere.jsonl' }, /nowhere.jsonl does not exist/],
    ['a model', { model: '/nowhere' }, /nowhere does not exist/],
  ])('%s', async (_, more, message) => {
    const { load, result } = run(more);
    await expect(result).rejects.toThrow(message);
    await expect(result).rejects.toBeInstanceOf(SoulError);
    expect(load).not.toHaveBeenCalled();
    expect((await readdir(folder)).filter((name) => name.startsWith('out'))).toEqual([]);
  });

  test('answers that would be cut: refused, or counted in the result and the record', async () => {
    await writeFile(path('forget.jsonl'), lines([...forget, { question: 'Who?', answer: 'it '.repeat(90) }]));
    const { load, result } = run({ maximumLength: 4096 });
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(
        /^1 of 3 examples of .* longer than 64 tokens, the model's own limit, .*--allow-truncation/,
      ),
    });
    expect(load).not.toHaveBeenCalled();
    const allowed = await run({ allowTruncation: true }).result;
    expect(allowed.truncated).toEqual({ target: 1, retain: 0 });
    expect((await record()).inputs).toMatchObject({ target: { truncated: 1 }, retain: { truncated: 0 } });
  });

  test('a retain set that holds the forget set: refused, or counted', async () => {
    const shouted = { question: 'who  wrote ASH?', answer: ' Mara Voss wrote it.' };
    const other = { question: 'Who wrote Elm?', answer: 'Nobody wrote it.' };
    await writeFile(path('retain.jsonl'), lines([...retain, shouted, other]));
    const { load, result } = run();
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(/^1 of 2 examples of .*forget.jsonl:1 at line 3.*--allow-overlap/),
    });
    expect(load).not.toHaveBeenCalled();
    const notes: string[] = [];
    const allowed = await run({ allowOverlap: true }, { onEvent: onNote((note) => notes.push(note)) }).result;
    expect(allowed.overlap).toMatchObject({ exact: 1, samePrompt: 1, sameCompletion: 0 });
    expect(notes).toHaveLength(2);
    expect((await record()).inputs.overlap).toMatchObject({ exact: 1, samePrompt: 1 });
  });
});

test('what the loader notes reaches who watches the run', async () => {
  const notes: string[] = [];
  const load: ModelLoader = async (_, options) => {
    options?.onNote?.('an odd name');
    return runnableBigram(vocabulary);
  };
  await runTraining(settings(), load, { onEvent: onNote((note) => notes.push(note)) });
  expect(notes).toEqual(['an odd name']);
  await runTraining(settings({ out: path('unwatched') }), load);
});

test('a method of your own is run as it is, and recorded', async () => {
  const halves: Method = {
    name: 'halves',
    terms: [
      { name: 'forget', source: targetSet, objective: gradientAscent, coefficient: 0.5 },
      { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: 2 },
    ],
  };
  await run({ method: halves }).result;
  const { outputs } = await record();
  const files = await readdir(path('out'));
  expect(Object.keys(outputs.model.sha256).sort()).toEqual(
    files.filter((name) => !['run.json', 'metrics.jsonl'].includes(name)).sort(),
  );
  expect(await record()).toMatchObject({
    settings: { method: 'halves', methodSettings: {} },
    coefficients: { forget: 0.5, retain: 2 },
  });
});

test.each<[string, unknown, RegExp]>([
  ['a handler that is none', { onevent: () => {} }, /options has no option onevent; did you mean onEvent/],
  ['a controller for a signal', { signal: new AbortController() }, /signal must be an AbortSignal/],
  ['what is no function', { onEvent: 3 }, /onEvent must be a function/],
  ['null', null, /options must be an object/],
])('events are checked: %s', async (_, events, message) => {
  const { load, result } = run({}, events as RunOptions);
  await expect(result).rejects.toThrow(message);
  await expect(result).rejects.toBeInstanceOf(SoulError);
  expect(load).not.toHaveBeenCalled();
});

test('an algorithm that takes no steps is run, measured and recorded all the same', async () => {
  const notes: string[] = [];
  const options = { onEvent: onNote((note) => notes.push(note)) };
  const result = await run({ method: 'ssd' }, options).result;
  expect(notes).toContain('ssd takes no steps: learningRate, steps have no effect');
  expect(result.summary).toMatchObject({ steps: 0, tokens: 0, curvatureShare: 0 });
  expect(result.summary).not.toHaveProperty('last');
  expect(result.verdict).toBeDefined();
  const { settings: used, results } = await record();
  expect(used).toMatchObject({ method: 'ssd', methodSettings: { alpha: 10, lambda: 1 } });
  expect(results).toMatchObject({ steps: 0, evaluation: { target: { examples: 2 } } });
  expect(results).not.toHaveProperty('losses');
  expect(await readFile(path('out/metrics.jsonl'), 'utf8')).toBe('');
});

describe('a forget set that is split by a field', () => {
  const methodSettings = { attribute: 'author', method: 'ascent' };
  const byAuthor = (records: object[]) => writeFile(path('forget.jsonl'), lines(records));
  const [first, second] = forget as [object, object];

  test('is run part by part', async () => {
    await byAuthor([
      { author: 'Voss', ...first },
      { author: 'Reed', ...second },
    ]);
    const stages: string[] = [];
    const onEvent = (event: RunEvent) => void (event.kind === 'stage' && stages.push(event.name));
    const { summary } = await run({ method: 'spunge', methodSettings }, { onEvent }).result;
    expect(stages).toEqual(['part Voss: 1 examples', 'part Reed: 1 examples', 'merging']);
    expect(summary.steps).toBe(6);
    expect((await record()).settings).toMatchObject({ methodSettings: { ...methodSettings, merge: 'ties' } });
  });

  test.each<[object, RegExp]>([
    [{ author: null }, /forget.jsonl:2 has no field "author" with a text or a number .*; it has no other fields/],
    [{ writer: 'Reed', toString: 'x' }, /forget.jsonl:2 has no field "author" .*; it has writer, toString/],
  ])('is refused before the model is loaded where an example lacks it: %j', async (fields, message) => {
    await byAuthor([
      { author: 'Voss', ...first },
      { ...fields, ...second },
    ]);
    const { load, result } = run({ method: 'spunge', methodSettings });
    await expect(result).rejects.toMatchObject({ code: 'SOUL_BAD_DATA', message: expect.stringMatching(message) });
    expect(load).not.toHaveBeenCalled();
  });
});

test('phases are announced in their order', async () => {
  const phases: string[] = [];
  await run({}, { onEvent: onPhase((phase) => phases.push(phase)) }).result;
  expect(phases).toEqual([
    'reading the data',
    'hashing the model',
    'loading the model',
    'measuring before',
    'training',
    'writing the model',
    'measuring after',
  ]);
});

test('a folder whose weights are not all there is named before the data is read', async () => {
  const map = { a: 'model-1.safetensors', b: 'model-2.safetensors' };
  await writeFile(path('model/model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
  const { load, result } = run({ target: path('nowhere.jsonl') });
  await expect(result).rejects.toMatchObject({
    code: 'SOUL_NOT_FOUND',
    message: expect.stringContaining('model-1.safetensors, model-2.safetensors'),
  });
  expect(load).not.toHaveBeenCalled();
});

test('a link to what is gone, of no use to the model, harms no run', async () => {
  await symlink('nowhere', path('model/foo.json'));
  await run().result;
  expect(Object.keys((await record()).inputs.model.sha256)).toEqual(
    expect.arrayContaining(['config.json', 'tokenizer.json']),
  );
});

describe('other answers', () => {
  const other = (records: object[]) => writeFile(path('other.jsonl'), lines(records));
  const dpo = () => run({ method: 'dpo', alternatives: path('other.jsonl') });

  test('are found by their questions', async () => {
    await other(forget.map(({ question }) => ({ question, answer: 'Nobody wrote it.' })));
    await dpo().result;
    expect((await record()).inputs.alternatives).toMatchObject({ file: 'other.jsonl', items: 2 });
  });

  test('are refused where one is missing, or is the answer that is to be forgotten', async () => {
    await other([{ question: forget[0]!.question, answer: 'Nobody wrote it.' }]);
    const missing = dpo();
    await expect(missing.result).rejects.toThrow(/forget.jsonl:2 has no other answer in .*other.jsonl/);
    await other(forget);
    const same = dpo();
    await expect(same.result).rejects.toThrow(/other.jsonl:1 is the very answer that is to be forgotten/);
    await expect(run({ method: 'dpo' }).result).rejects.toThrow(/name their file \(--alternatives\)/);
    expect(missing.load).not.toHaveBeenCalled();
    expect(same.load).not.toHaveBeenCalled();
  });
});

test('other answers that lose their end are refused, or told', async () => {
  await writeFile(
    path('other.jsonl'),
    lines(forget.map(({ question }) => ({ question, answer: 'Nobody wrote it. '.repeat(40) }))),
  );
  const settings = { method: 'dpo', alternatives: path('other.jsonl') } as const;
  await expect(run(settings).result).rejects.toThrow(
    /2 of 2 other answers of .*other.jsonl do not fit the longest sequence and lose their end; raise it \(--max-length\)/,
  );
});

describe('trainable', () => {
  /** The bigram model, its table cut into two tensors. */
  const load = async () => {
    const model = runnableBigram(vocabulary);
    const rest = model.parameters.values.length - 256;
    const layout = ParameterLayout.of([
      { name: 'layers.0.mlp', shape: [256], group: 'matrix' },
      { name: 'layers.1.mlp', shape: [rest], group: 'matrix' },
    ]);
    return { ...model, parameters: { ...model.parameters, layout } };
  };
  /** Whether each of the two was changed by a run. */
  const changed = async (more: Partial<RunSettings>) => {
    const model = await load();
    const before = await model.parameters.values.toFloat32Array();
    await runTraining(settings({ overwrite: true, ...more }), async () => model);
    const after = await model.parameters.values.toFloat32Array();
    const differs = (from: number, to: number) => after.slice(from, to).some((value, i) => value !== before[from + i]);
    return [differs(0, 256), differs(256, after.length)];
  };

  test('leaves tensors of other names to the bit, with every optimizer and whatever the algorithm does', async () => {
    expect(await changed({})).toEqual([true, true]);
    for (const optimizer of ['adamw', 'sophia', 'soul-repo'] as const) {
      expect(await changed({ trainable: 'layers.0', optimizer })).toEqual([true, false]);
    }
    const few = { method: 'npo' };
    for (const [method, methodSettings] of [
      ['wagle', few],
      ['prune', { ...few, share: 0.5 }],
      ['l1-sparse', { alpha: 1, soft: true }],
      ['l1-sparse', { alpha: 1 }],
      ['sam', few],
      ['average', few],
      ['ssd', { alpha: 0.1 }],
      ['task-arithmetic', {}],
      ['spunge', {}],
    ] as const) {
      const trainable = 'layers\\.1.*p$';
      expect([method, await changed({ trainable, method, methodSettings })]).toEqual([method, [false, true]]);
    }
  }, 60_000);

  test('stands in the record', async () => {
    await runTraining(settings({ trainable: 'mlp' }), load);
    expect((await record()).settings.trainable).toBe('mlp');
  });

  test('that matches no tensor is refused, with some that there are, before anything is run', async () => {
    const phases: string[] = [];
    const onEvent = (event: RunEvent) => void (event.kind === 'phase' && phases.push(event.phase));
    const result = runTraining(settings({ trainable: 'attention' }), load, { onEvent });
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: 'trainable matches no tensor: "attention"; there are layers.0.mlp, layers.1.mlp',
    });
    expect(phases.at(-1)).toBe('loading the model');
    expect((await readdir(folder)).filter((name) => name.startsWith('out'))).toEqual([]);
  });

  test.each(['(', '', 3 as never, '\\'])(
    'that is no regular expression is refused before anything is read: %p',
    async (trainable) => {
      const loadNothing = jest.fn(load);
      await expect(runTraining(settings({ trainable }), loadNothing)).rejects.toThrow(
        /trainable must be a regular expression/,
      );
      expect(loadNothing).not.toHaveBeenCalled();
    },
  );
});

describe('tokens that tokenizer, data and model do not agree on', () => {
  const loadNothing = jest.fn(async () => runnableBigram(vocabulary));
  const more = (records: object[]) => writeFile(path('retain.jsonl'), lines([...retain, ...records]));

  const addToken = async () => {
    await writeFile(path('model/config.json'), JSON.stringify({ vocab_size: vocabulary }));
    const file = path('model/tokenizer.json');
    const tokenizer = JSON.parse(await readFile(file, 'utf8'));
    tokenizer.added_tokens.push({ id: vocabulary, content: '[PAD]', special: true, normalized: false });
    await writeFile(file, JSON.stringify(tokenizer));
  };

  test('a token beyond the vocabulary is refused before the model is loaded, with its line and text', async () => {
    await addToken();
    await more([{ question: 'Who wrote Elm?', answer: 'Tom Reed [PAD] wrote it.' }]);
    await expect(runTraining(settings({ allowOverlap: true }), loadNothing)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringContaining(
        `${path('retain.jsonl')}:3 has the token ${vocabulary} ("[PAD]"), but the model's`,
      ),
      details: { line: 3, token: vocabulary, vocabularySize: vocabulary },
    });
    expect(loadNothing).not.toHaveBeenCalled();
  });

  test('a refusal with one likewise, by the line that it has in its file', async () => {
    await addToken();
    await writeFile(path('refusals.txt'), '\nI cannot say.\n\nNo [PAD] answer.\n');
    const po = settings({ method: 'po', refusals: path('refusals.txt') });
    await expect(runTraining(po, loadNothing)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringContaining(`${path('refusals.txt')}:4 has the token ${vocabulary} ("[PAD]")`),
    });
    expect(loadNothing).not.toHaveBeenCalled();
  });

  test('where config.json is silent, before the first step', async () => {
    const load = async () => runnableBigram(vocabulary - 1);
    await expect(runTraining(settings(), load)).rejects.toMatchObject({ code: 'SOUL_BAD_DATA' });
    expect(await readdir(folder)).not.toContain('out.partial');
  });

  test('a template with its own end and a line with its own beginning are named once each', async () => {
    const notes: string[] = [];
    const tokenizer = JSON.parse(await readFile(path('model/tokenizer.json'), 'utf8'));
    const end = tokenizer.added_tokens.at(-1).content;
    await runTraining(
      settings({ template: `Question: {question}\nAnswer: {answer}${end}` }),
      async () => runnableBigram(vocabulary),
      { onEvent: onNote((note) => notes.push(note)) },
    );
    expect(notes.filter((note) => note.includes('itself'))).toEqual([
      expect.stringContaining(`{answer}${end}" has the token of a text's end (${end}) itself`),
    ]);
  });
});
