import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type VerifyOptions, verifyRun } from '../../lib/run/index.ts';
import { lines } from './bigram-folder.ts';
import { forgotten, secret, smallRuns } from './small-run.ts';

let folder: string;
const path = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-verify-'));
  for (const name of ['signer', 'other']) {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    await writeFile(path(`${name}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await writeFile(path(`${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }));
  }
  const run = await smallRuns(folder);
  await run({ out: path('made'), sign: path('signer.pem') });
  await run({ out: path('trained'), method: 'finetune', retain: undefined as never });
  await run({ out: path('unmeasured'), method: 'ssd', evaluate: 0, steps: undefined as never, overwrite: false });
});
afterAll(() => rm(folder, { recursive: true, force: true }));
/** A copy, to be changed. */
beforeEach(async () => {
  await rm(path('out'), { recursive: true, force: true });
  await cp(path('made'), path('out'), { recursive: true });
  await cp(path('made.key'), path('out.key'));
});

const verify = (options: VerifyOptions = {}, name = 'out') => verifyRun(path(name), options);
/** The lines of what failed. */
const failures = async (options: VerifyOptions = {}, name = 'out') =>
  (await verify(options, name)).checks.filter(({ outcome }) => outcome === 'failed').map(({ text }) => text);
/** Puts values to places in the record; undefined takes away what is there. */
const change = async (values: Readonly<Record<string, unknown>>) => {
  const record = JSON.parse(await readFile(path('out/run.json'), 'utf8'));
  for (const [place, value] of Object.entries(values)) {
    const names = place.split('.');
    const last = names.pop()!;
    names.reduce((holder, name) => holder[name], record)[last] = value;
  }
  await writeFile(path('out/run.json'), JSON.stringify(record));
};

test('a folder as it was made is verified, whatever made it', async () => {
  const { passed, checks, madeWith } = await verify({ signer: path('signer.pub') });
  expect(checks.map(({ subject, outcome }) => [subject, outcome])).toEqual([
    ['record', 'passed'],
    ['settings', 'passed'],
    ['signature', 'passed'],
    ['outputs', 'passed'],
    ...new Array(3).fill(['inputs', 'passed']),
  ]);
  expect(passed).toBe(true);
  expect(madeWith).toMatchObject({ package: 'soul-unlearn 0.1.0', node: process.version, method: 'graddiff' });
  expect(await failures({}, 'trained')).toEqual([]);
  expect(await failures({}, 'unmeasured')).toEqual([]);
});

describe('files', () => {
  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'one that is changed',
      () => writeFile(path('out/README.md'), '# Mine'),
      /^README\.md: expected SHA-256 \w+, found \w+$/,
    ],
    ['weights cut short', () => truncate(path('out/model.safetensors'), 100), /^model\.safetensors: expected SHA-256/],
    ['one that is missing', () => rm(path('out/metrics.jsonl')), /^metrics\.jsonl: expected a file, found none$/],
    ['one more', () => writeFile(path('out/notes.txt'), ''), /^notes\.txt: expected no such file, found one/],
    [
      'one more in a folder',
      () => mkdir(path('out/old')).then(() => writeFile(path('out/old/model.safetensors'), '')),
      /^old\/model\.safetensors: expected no such file/,
    ],
    [
      'a link out of the folder',
      () => rm(path('out/config.json')).then(() => symlink('/nowhere', path('out/config.json'))),
      /^config\.json: expected a file, found what is none$/,
    ],
  ])('%s', async (_, tamper, message) => {
    await tamper();
    expect(await failures()).toEqual([expect.stringMatching(message)]);
  });

  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'is missing',
      () => rm(path('out/run.json')),
      /^expected the record of a run, found no run\.json; of what soul merge or soul fuse made, verify/,
    ],
    [
      'is not there yet',
      () => rm(path('out/run.json')).then(() => writeFile(path('out/.soul-run.json'), '')),
      /found no run\.json: the run goes on or was cut off \(soul runs\)$/,
    ],
    ['is cut short', () => truncate(path('out/run.json'), 200), /^expected JSON in run\.json/],
    [
      'is another',
      () => writeFile(path('out/run.json'), '{"settings":{},"package":{"name":"x"}}'),
      /^expected a record of soul-unlearn/,
    ],
    ['is emptied', () => change({ outputs: {}, inputs: {}, settings: {} }), /^expected the hashes of all files/],
  ])('a record that %s', async (_, tamper, message) => {
    await tamper();
    expect(await failures()).toContainEqual(expect.stringMatching(message));
  });

  test.each(['run.json', 'run.json.sig', 'metrics.jsonl'])('%s is a pipe, which nobody writes to', async (name) => {
    await rm(path(`out/${name}`));
    execFileSync('mkfifo', [path(`out/${name}`)]);
    expect((await failures()).length).toBeGreaterThan(0);
    await rm(path('out'), { recursive: true });
  });

  test('no folder at all is no failure of a check', async () => {
    await expect(verify({}, 'nowhere')).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
    await expect(verify({}, 'signer.pem')).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
  });
});

describe('a record that does not agree with itself', () => {
  test.each<[string, unknown, RegExp]>([
    ['results.evaluation.target.after', 1.5, /^expected a probability of target after from 0 to 1, found 1\.5$/],
    ['results.evaluation.retain.after', 0, /^expected the verdict 'destroyed' of what was kept, found yes$/],
    ['results.evaluation.target.examples', 1, /^expected figures of 2 examples of target, found 1$/],
    ['results.evaluation', undefined, /^expected figures where the settings ask for them/],
    ['results.steps', 4, /^expected 4 lines in metrics\.jsonl, one a step, found 3$/],
    ['deleted.names', [], /^expected 2 names of deleted items, found 0$/],
    ['deleted.names.0', 'Zebulon', /^expected names of 64 hexadecimal digits/],
    ['deleted', undefined, /^expected what was deleted/],
    ['inputs.target.items', 3, /^expected 3 deleted items, as many as examples, found 2$/],
    ['startedAt', '2999-01-01', /^expected a run that ended after it began/],
    ['settings.seed', undefined, /^expected the setting seed, found none$/],
    ['settings.batchSize', 0, /found: batchSize must be an integer of at least 1/],
    ['settings.own', 1, /found: the configuration has no option own/],
    ['settings.methodSettings', { own: 1 }, /found: .*own/],
  ])('%s: %j', async (place, value, message) => {
    await change({ [place]: value });
    expect(await failures()).toContainEqual(expect.stringMatching(message));
  });
});

describe('a record that nobody wrote so', () => {
  const odd = [{ toString: 1, valueOf: 1 }, [{ toString: 1 }], '\u001b[2Jverified', null];
  const places = ['package.version', 'startedAt', 'finishedAt', 'signer', 'settings.method', 'settings.evaluate'];
  const counts = [
    'inputs.target.items',
    'deleted.items',
    'deleted.naming.form',
    'deleted.naming.keyId',
    'results.steps',
  ];
  test.each([...places, ...counts, 'environment.node', 'results.verdict.kept'])('%s', async (place) => {
    for (const value of odd) {
      await cp(path('made/run.json'), path('out/run.json'));
      await change({ [place]: value });
      const { passed, checks } = await verify({ signer: path('signer.pub'), data: path('forget.jsonl') });
      expect(passed).toBe(false);
      for (const { text } of checks) expect(text).not.toMatch(/\p{Cc}/u);
    }
  });

  test('nested deeper than any is', async () => {
    await change({ startedAt: 'deep' });
    const text = await readFile(path('out/run.json'), 'utf8');
    await writeFile(path('out/run.json'), text.replace('"deep"', '['.repeat(20_000) + ']'.repeat(20_000)));
    expect(await failures()).toEqual([expect.stringMatching(/^expected JSON in run\.json/)]);
  });
});

describe('what the run read', () => {
  const inputs = async (options: VerifyOptions) =>
    (await verify(options)).checks.filter(({ subject }) => subject === 'inputs').map(({ outcome }) => outcome);

  test('is compared where it is, and told where it is not', async () => {
    await cp(path('model'), path('copy'), { recursive: true });
    expect(await inputs({ model: path('copy') })).toEqual(['passed', 'passed', 'passed']);
    await writeFile(path('copy/config.json'), '{}');
    expect(await failures({ model: path('copy') })).toEqual([
      expect.stringMatching(/^model: .*copy\/config\.json: expected SHA-256 \w+, found/),
    ]);
    await writeFile(path('less.jsonl'), lines(forgotten.slice(1)));
    expect(await failures({ target: path('less.jsonl') })).toEqual([
      expect.stringMatching(/^data: .*less\.jsonl: expected keyed hash \w+, found/),
    ]);
    await change({ 'settings.model': '/nowhere', 'settings.retain': '/nowhere' });
    expect(await inputs({})).toEqual(['unknown', 'passed', 'unknown']);
    expect(await inputs({ model: path('nowhere') })).toEqual(['failed', 'passed', 'unknown']);
  });

  test('is not known of what was forgotten without the key', async () => {
    await rm(path('out.key'));
    expect(await inputs({})).toEqual(['passed', 'unknown', 'passed']);
    expect(await inputs({ key: path('made.key') })).toEqual(['passed', 'passed', 'passed']);
  });
});

describe('items', () => {
  test('are found, in any order and with any other fields; the lines of others are named', async () => {
    await writeFile(path('request.jsonl'), lines([{ ...forgotten[1], author: 'x' }]));
    const found = await verify({ data: path('request.jsonl') });
    expect([found.passed, found.items]).toEqual([
      true,
      { file: path('request.jsonl'), items: 1, deleted: 1, notDeleted: [] },
    ]);
    await writeFile(path('request.jsonl'), lines([forgotten[0]!, { question: 'Who wrote Ash?', answer: 'No one.' }]));
    const others = await verify({ data: path('request.jsonl'), key: path('made.key') });
    expect([others.passed, others.items!.deleted, others.items!.notDeleted]).toEqual([false, 1, [2]]);
    expect(await failures({ data: path('request.jsonl') })).toEqual([
      expect.stringMatching(/expected 2 deleted examples, found 1; not deleted: line 2$/),
    ]);
    expect(JSON.stringify(others)).not.toContain(secret);
    const chosen = await verify({ data: path('request.jsonl'), filter: 'line=1', key: path('made.key') });
    expect([chosen.passed, chosen.items!.items]).toEqual([true, 1]);
    await expect(verify({ filter: 'line=1' })).rejects.toThrow(/filter must be given with data/);
  });

  test('are not found without their key, or under another', async () => {
    const data = path('forget.jsonl');
    await writeFile(path('other.key'), `${'1'.repeat(64)}\n`);
    expect(await failures({ data, key: path('other.key') })).toEqual([
      expect.stringMatching(/expected the key [0-9a-f]{16}, under which the items were named, found [0-9a-f]{16}$/),
    ]);
    expect(await failures({ key: path('other.key') })).toHaveLength(1);
    await rm(path('out.key'));
    expect(await failures({ data })).toEqual([expect.stringMatching(/found none beside the folder; name its file/)]);
    expect(await failures({ data }, 'trained')).toEqual([expect.stringMatching(/that run deleted nothing$/)]);
    await expect(verify({ data, key: path('nowhere') })).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
  });
});

test('bounds on figures', async () => {
  const { results } = JSON.parse(await readFile(path('out/run.json'), 'utf8'));
  const { before, after } = results.evaluation.target;
  const require = [`forget.probability.before>=${before}`, `forget.probability<=${after} and retain.probability>0`];
  const { passed, checks } = await verify({ require });
  expect([passed, checks.filter(({ subject }) => subject === 'requirement').length]).toEqual([true, 3]);
  expect(await failures({ require: 'forget.probability<0' })).toEqual([
    `expected forget.probability<0, found ${after}`,
  ]);
  expect(await failures({ require: 'retain.probability>0' }, 'unmeasured')).toEqual([
    'expected retain.probability>0, found that it was not measured',
  ]);
  await expect(verify({ require: 'probability<1' })).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
});

describe('a signature', () => {
  const signed = (name = 'signer') => failures({ signer: path(`${name}.pub`) });

  test('is of the signer, and of this record', async () => {
    expect(await signed()).toEqual([]);
    expect(await signed('other')).toEqual([
      expect.stringMatching(/^expected a signature by SHA256:\S+, found one by SHA256:\S+$/),
    ]);
    await writeFile(path('out/run.json'), `${await readFile(path('out/run.json'), 'utf8')}\n`);
    expect(await signed()).toEqual([expect.stringMatching(/not of this run\.json: it was changed$/)]);
  });

  test('is missed where the record speaks of one, or where it is asked for', async () => {
    await rm(path('out/run.json.sig'));
    expect(await failures()).toEqual([
      expect.stringMatching(/^expected the signature by SHA256:\S+, found no run\.json\.sig$/),
    ]);
    await change({ signer: undefined });
    expect(await failures()).toEqual([]);
    expect(await signed()).toEqual([expect.stringMatching(/found no run\.json\.sig$/)]);
    await writeFile(path('out/run.json.sig'), '{}');
    expect(await signed()).toEqual([expect.stringMatching(/it is damaged$/)]);
  });
});

test.each<[unknown, object, RegExp]>([
  ['', {}, /folder must be a path/],
  ['x', { sign: 'y' }, /options has no option sign; did you mean signer/],
  ['x', { key: 3 }, /key must be a path, but is 3/],
])('%j with %j is refused', (name, options, message) =>
  expect(verifyRun(name as string, options)).rejects.toThrow(message),
);
