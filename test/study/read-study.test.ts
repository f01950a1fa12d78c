import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { toJson } from '../../lib/core/json.ts';
import { exampleStudy, readStudy, studyFileSchema, studyFrom, studyOptimizers } from '../../lib/study/index.ts';
import { smallFile, smallStudy } from './small-study.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'study-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function written(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

describe('a study file', () => {
  test('needs the four lists alone, and has a default for all else', async () => {
    const study = await readStudy(await written('small.json', JSON.stringify(smallFile)));
    expect(study).toEqual({
      ...{ name: 'small', title: 'small', seed: 0n, trials: 8, draws: 5, dtype: 'f32', threads: 1 },
      models: [{ name: 'demo', made: 'demo' }],
      splits: [{ name: 'invented', made: 'demo' }],
      methods: [{ name: 'graddiff', settings: { forgetCoefficient: 1, retainCoefficient: 5, retainLoss: 'ce' } }],
      optimizers: ['adamw', 'gnb-10'].map((own) => studyOptimizers.find(({ name }) => name === own)),
      search: { learningRate: [0.25, 4], retainCoefficient: [0.5, 4], clippedFraction: [0.01, 0.5] },
      training: { batchSize: 8, maximumLength: 512 },
      evaluation: { points: 8, forget: 40, retain: 40, utility: 40, tofu: 0, attacks: [] },
    });
  });

  test('is YAML as well, with paths beside the file', async () => {
    const yaml = `
name: mine
seed: 18446744073709551615
models:
  - { name: tuned, model: models/tuned, retrained: /models/retrained }
  - { name: base, base: ../base, training: { epochs: 2 } }
splits:
  - name: authors
    forget: authors.jsonl
    forgetFilter: author=Ada
    retain: [authors.jsonl, /data/more.jsonl]
    retainFilter: [author!=Ada, line=1-40]
    utility: { facts: facts.jsonl }
    tofu: tofu
    tofuSplit: forget10
methods: [{ name: npo, settings: { beta: 0.2 } }]
optimizers:
  - gnb
  - { name: slow, optimizer: sophia, settings: { betas: [0.9, 0.999], rho: 0.1 }, curvature: { every: 5 }, hessianData: both }
  - { name: fo-zo, optimizer: adamw, inside: fo-zo, text: both ways }
evaluation: { tofu: 20, attacks: [nf4] }
`;
    const study = await readStudy(await written('other.yaml', yaml));
    expect(study).toMatchObject({
      ...{ name: 'mine', title: 'mine', seed: 2n ** 64n - 1n },
      models: [
        { name: 'tuned', model: join(folder, 'models/tuned'), retrained: '/models/retrained' },
        { name: 'base', base: join(folder, '../base'), training: { epochs: 2, batchSize: 8 } },
      ],
      evaluation: { tofu: 20, attacks: ['nf4'], points: 8 },
    });
    expect(study.splits).toEqual([
      {
        name: 'authors',
        forget: [join(folder, 'authors.jsonl')],
        forgetFilter: ['author=Ada'],
        retain: [join(folder, 'authors.jsonl'), '/data/more.jsonl'],
        retainFilter: ['author!=Ada', 'line=1-40'],
        utility: { facts: [join(folder, 'facts.jsonl')] },
        tofu: join(folder, 'tofu'),
        tofuSplit: 'forget10',
      },
    ]);
    expect(study.methods[0]!.settings).toMatchObject({ beta: 0.2, retainCoefficient: 5 });
    expect(study.optimizers.slice(1)).toEqual([
      {
        ...{ name: 'slow', optimizer: 'sophia', hessianData: 'both', searches: [] },
        text: 'Sophia with the Gauss-Newton-Bartlett estimate, second order',
        ...{ settings: { betas: [0.9, 0.999], rho: 0.1 }, curvature: { every: 5 } },
      },
      {
        ...{ name: 'fo-zo', text: 'both ways', optimizer: 'adamw', settings: {}, curvature: {} },
        ...{ inside: 'fo-zo', searches: [] },
      },
    ]);
  });

  test('in full is the same study again', async () => {
    const study = smallStudy({ optimizers: studyOptimizers.map(({ name }) => name), seed: 3, draws: 2 });
    const file = await written('study.json', toJson(study));
    expect(await readStudy(file)).toEqual(study);
    expect(studyFrom(study, { folder: '/', name: 'x' })).toEqual(study);
  });

  test('may name its schema', () => {
    expect(smallStudy({ $schema: './study.schema.json' })).toEqual(smallStudy());
  });
});

describe('the example', () => {
  test('is read, and says what is taken where nothing is said', async () => {
    const study = await readStudy(await written('example.yaml', exampleStudy()));
    expect(study).toEqual({
      ...smallStudy({ optimizers: ['adamw', 'sign', 'gnb-10', 'constant-h'] }),
      ...{ name: 'example', title: 'Does second order help a model forget?' },
    });
  });

  test('shows every optimizer, and other entries that can be taken in place of its own', async () => {
    const shown = exampleStudy()
      .replace(/^ {2}- name: (demo|invented)\n {4}made: demo\n/gm, '')
      .replace(/^#(?= {2})/gm, '')
      .replace(/^# (?=texts: )/m, '');
    const study = await readStudy(await written('shown.yaml', shown));
    expect(study.models.map(({ name }) => name)).toEqual(['tuned', 'smollm2']);
    expect(study.splits).toMatchObject([{ name: 'authors', forgetFilter: ['author=Ada'], tofuSplit: 'forget10' }]);
    expect(study.methods.map(({ name }) => name)).toEqual(['graddiff', 'npo']);
    const names = study.optimizers.map(({ name }) => name);
    expect(names.toSorted()).toEqual([...studyOptimizers.map(({ name }) => name), 'slow-h', 'sharpness'].toSorted());
    expect(study.optimizers.slice(-2)).toMatchObject([
      { hessianData: 'both', curvature: { every: 10 }, searches: [], ratesOf: 'sophia' },
      { optimizer: 'adamw', inside: 'sam' },
    ]);
    expect(study).toMatchObject({ training: { steps: 40, microBatchSize: 4 }, texts: true });
  });
});

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** The words of JSON Schema that the file's schema uses, by the specification. */
function isValid(schema: Schema, value: unknown): boolean {
  const typeOf = () => {
    if (Array.isArray(value)) return ['array'];
    if (value === null) return ['null'];
    return Number.isInteger(value) ? ['integer', 'number'] : [typeof value];
  };
  if (schema.type !== undefined && !typeOf().some((type) => [schema.type].flat().includes(type))) return false;
  if (schema.enum && !schema.enum.includes(value)) return false;
  if (schema.anyOf && !schema.anyOf.some((each) => isValid(each, value))) return false;
  if (Array.isArray(value)) {
    const { items = {}, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
    return value.length >= minItems && value.length <= maxItems && value.every((each) => isValid(items, each));
  }
  if (typeof value !== 'object' || value === null) return true;
  const { properties = {}, required = [], additionalProperties = true } = schema;
  if (!required.every((name) => name in value)) return false;
  return Object.entries(value).every(([name, entry]) => {
    const own = properties[name] ?? additionalProperties;
    return typeof own === 'boolean' ? own : isValid(own, entry);
  });
}

describe('the JSON Schema', () => {
  const schema = studyFileSchema() as Schema;

  test('accepts what is read', () => {
    const full = JSON.parse(toJson(smallStudy({ optimizers: studyOptimizers.map(({ name }) => name) })));
    for (const file of [smallFile, full, { ...smallFile, $schema: 'x', seed: '5', search: { learningRate: [1, 2] } }]) {
      expect(isValid(schema, file)).toBe(true);
    }
    expect(isValid(schema, { ...full, training: { epochs: 2.5, batchSize: 4 } })).toBe(true);
  });

  test.each<[string, object]>([
    ['a list that lacks', { methods: undefined }],
    ['an empty list', { methods: [] }],
    ['an unknown name', { trails: 3 }],
    ['a wrong type', { trials: '3' }],
    ['an unknown optimizer', { optimizers: ['adam'] }],
    ['an unknown method', { methods: ['grad'] }],
    ['an unknown setting of an optimizer', { optimizers: [{ name: 'a', optimizer: 'adamw', settings: { beta: 1 } }] }],
    ['one end of a range', { search: { learningRate: [1] } }],
    ['an unknown attack', { evaluation: { attacks: ['int3'] } }],
    ['a model of two kinds', { models: [{ name: 'a', made: 'demo', model: 'b' }] }],
  ])('refuses %s', (_, changes) => {
    const file = JSON.parse(JSON.stringify({ ...smallFile, ...changes }));
    expect(isValid(schema, file)).toBe(false);
    expect(() => studyFrom(file, { folder: '/', name: 'x' })).toThrow();
  });
});
