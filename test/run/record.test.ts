import { createHash, createHmac, generateKeyPairSync, verify } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import type { RunEvent } from '../../lib/unlearn/index.ts';
import { lines } from './bigram-folder.ts';
import { forgotten, secret, smallRuns } from './small-run.ts';

let folder: string;
let run: Awaited<ReturnType<typeof smallRuns>>;
const path = (name: string) => join(folder, name);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-record-'));
  run = await smallRuns(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const record = async (name = 'out') => JSON.parse(await readFile(path(`${name}/run.json`), 'utf8'));
const hex = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** Files of a folder, of those in it too, in which a text stands, in its own letters or in small ones. */
async function filesWith(text: string, name = 'out'): Promise<string[]> {
  const files = (await readdir(path(name), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const holding = await Promise.all(
    files.map(async (file) => {
      const content = await readFile(join(file.parentPath, file.name), 'latin1');
      return content.toLowerCase().includes(text.toLowerCase()) ? [file.name] : [];
    }),
  );
  return holding.flat().sort();
}
const words = [...secret.split(' '), ...forgotten.flatMap(({ question, answer }) => [question, answer])];

describe('what is deleted', () => {
  test('is named under a key beside the folder, by names that its owner can compute', async () => {
    const { itemKey } = await run();
    expect(itemKey!.file).toBe(path('out.key'));
    expect((await stat(path('out.key'))).mode & 0o777).toBe(0o600);
    const key = Buffer.from((await readFile(path('out.key'), 'latin1')).trim(), 'hex');
    const { deleted, inputs } = await record();
    const named = (text: string) => createHmac('sha256', key).update(text).digest('hex');
    expect(deleted).toEqual({
      items: 2,
      naming: { algorithm: 'HMAC-SHA-256', form: 1, keyId: hex(key).slice(0, 16) },
      names: forgotten.map(({ question, answer }) =>
        named(JSON.stringify({ completion: answer, kind: 'question-answer', prompt: question })),
      ),
    });
    // A plain hash of a small file could be found by guessing.
    expect(inputs.target).toEqual({
      file: 'forget.jsonl',
      keyedSha256: named(hex(await readFile(path('forget.jsonl')))),
      items: 2,
      truncated: 0,
    });
    expect(inputs.retain.sha256).toBe(hex(await readFile(path('retain.jsonl'))));
    expect(await filesWith(hex(await readFile(path('forget.jsonl'))))).toEqual([]);
    expect(await filesWith(key.toString('hex'))).toEqual([]);
  });

  test('is named under the same key again where one is there, or is given', async () => {
    const first = await run();
    const notes: string[] = [];
    const onEvent = (event: RunEvent) => void (event.kind === 'note' && notes.push(event.text));
    const again = await run({ overwrite: true }, { onEvent });
    expect(again.itemKey).toEqual(first.itemKey);
    const { deleted } = await record();
    const other = await run({ out: path('other'), itemKey: path('out.key') });
    expect(other.itemKey).toEqual(first.itemKey);
    expect((await record('other')).deleted).toEqual(deleted);
    expect(await readdir(folder)).not.toContain('other.key');
    expect(notes).toEqual([]);
    await rm(path('out.key'));
    await writeFile(path('out.key'), `${'7'.repeat(64)}\n`, { mode: 0o644 });
    await run({ overwrite: true }, { onEvent });
    expect(notes).toEqual([expect.stringMatching(/^others than you can read .*out\.key.*chmod 600/)]);
  });

  test('leaves no key where the run fails', async () => {
    await expect(run({}, {}, (call) => fail(call === 'accumulate'))).rejects.toThrow('mine');
    expect((await readdir(folder)).filter((name) => name.endsWith('.key'))).toEqual([]);
  });

  test('is refused a key before a model is loaded', async () => {
    await writeFile(path('out.key'), 'secret');
    await expect(run({}, {}, () => fail(true))).rejects.toThrow(/out\.key is no key of items/);
    await expect(run({ out: path('o'), itemKey: path('nowhere') })).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
    const training = { method: 'finetune', retain: undefined, out: path('o') } as never;
    await expect(run({ ...(training as object), withText: true })).rejects.toThrow(/withText is of no use/);
  });
});

function fail(when: boolean): void {
  if (when) throw new Error('mine');
}

describe('text of what is deleted', () => {
  const altpo = { method: 'altpo', generateAlternatives: 2 } as const;

  test('stands nowhere in the folder: not in what was made of it, nor in an error', async () => {
    let written = '';
    await run(altpo, {
      onEvent: (event) => {
        if (event.kind === 'step') written = path('out.partial/alternatives.jsonl');
      },
    });
    expect(written).not.toBe('');
    let saved = false;
    const quoting = run({ out: path('unmeasured') }, {}, (call) => {
      if (call === 'save') saved = true;
      if (call === 'score' && saved) throw new Error(`${forgotten[0]!.answer} is too long`);
    });
    await expect(quoting).rejects.toThrow(secret);
    await run({ out: path('po'), method: 'po' });
    await run({ out: path('dp'), method: 'spunge', methodSettings: { attribute: 'by' }, ...(await byName()) });
    for (const name of ['out', 'unmeasured', 'po', 'dp']) {
      for (const word of words) expect([name, word, await filesWith(word, name)]).toEqual([name, word, []]);
    }
    const { inputs, traces } = await record();
    expect(inputs.alternatives).toMatchObject({ file: 'alternatives.jsonl', items: 4, generated: { questions: 2 } });
    expect(inputs.alternatives).not.toHaveProperty('sha256');
    expect(traces).toEqual({
      ...{ optimizerStates: 'not-written', masterWeights: 'not-written', checkpoints: 'not-written' },
      ...{ alternatives: 'removed', texts: 'not-written' },
    });
  });

  /** The forget set with a field to be split by. */
  const byName = async () => {
    const [first, second] = forgotten;
    await writeFile(
      path('split.jsonl'),
      lines([
        { ...first, by: secret },
        { ...second, by: 'others' },
      ]),
    );
    return { target: path('split.jsonl') };
  };

  test('stands where it is asked for', async () => {
    await run({ ...altpo, withText: true });
    expect(await filesWith(secret)).toEqual(['alternatives.jsonl', 'run.json']);
    const { deleted, inputs, traces, outputs } = await record();
    const [{ question: prompt, answer: completion }] = forgotten as [(typeof forgotten)[0]];
    expect(deleted.texts[0]).toEqual({ completion, kind: 'question-answer', prompt });
    expect(inputs.target.sha256).toBe(hex(await readFile(path('forget.jsonl'))));
    expect(traces).toMatchObject({ alternatives: 'kept', texts: 'kept' });
    expect(Object.keys(outputs.others.sha256)).toEqual(['README.md', 'alternatives.jsonl', 'metrics.jsonl']);
    await run({ ...altpo, overwrite: true });
    expect(await filesWith(secret)).toEqual([]);
  });
});

test('the machine is not named: paths stand as they were typed', async () => {
  const before = process.cwd();
  process.chdir(folder);
  try {
    const here = await smallRuns('.', './');
    await here();
  } finally {
    process.chdir(before);
  }
  const { settings } = await record();
  expect(settings).toMatchObject({ model: './model', target: './forget.jsonl', out: './out' });
  for (const name of ['run.json', 'README.md', 'metrics.jsonl']) {
    const content = await readFile(path(`out/${name}`), 'utf8');
    for (const word of [folder, before, hostname(), `/${userInfo().username}/`]) expect(content).not.toContain(word);
  }
});

test('a signature is of the bytes of run.json, which has the hashes of all other files', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  await writeFile(path('signer.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const { signer } = await run({ sign: path('signer.pem') });
  const { signer: named, signature, algorithm } = JSON.parse(await readFile(path('out/run.json.sig'), 'utf8'));
  expect([algorithm, named, (await record()).signer]).toEqual(['Ed25519', signer, signer]);
  const bytes = await readFile(path('out/run.json'));
  expect(verify(null, bytes, publicKey, Buffer.from(signature, 'base64'))).toBe(true);
  const { model, others } = (await record()).outputs;
  const hashes = { ...model.sha256, ...others.sha256 };
  const files = (await readdir(path('out'))).filter((name) => !name.startsWith('run.json')).sort();
  expect(Object.keys(hashes).sort()).toEqual(files);
  for (const name of files) expect(hashes[name]).toBe(hex(await readFile(path(`out/${name}`))));
  await run({ overwrite: true });
  expect(await readdir(path('out'))).not.toContain('run.json.sig');
});

test('a key that cannot sign is refused before a model is loaded', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  await writeFile(path('rsa.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await expect(run({ sign: path('rsa.pem') }, {}, () => fail(true))).rejects.toThrow(/of type rsa/);
  expect((await readdir(folder)).filter((name) => name.startsWith('out'))).toEqual([]);
});

describe('the model card', () => {
  const card = async (name = 'out') => {
    const text = await readFile(path(`${name}/README.md`), 'utf8');
    const [, front, body] = /^---\n(.*?)\n---\n(.*)$/s.exec(text)!;
    return { metadata: parse(front!), body: body! };
  };

  test("has the Hub's metadata, the base's license, figures and settings", async () => {
    await writeFile(path('model/config.json'), '{"max_position_embeddings": 64, "_name_or_path": "maker/small-model"}');
    await writeFile(path('model/README.md'), '---\nlicense: apache-2.0\nlanguage: [en]\n---\n# Small\n');
    const { evaluation, verdict } = await run({ trainable: '.' });
    const { metadata, body } = await card();
    expect(metadata).toEqual({
      ...{ base_model: 'maker/small-model', base_model_relation: 'finetune', library_name: 'transformers' },
      ...{ license: 'apache-2.0', pipeline_tag: 'text-generation' },
      tags: ['unlearning', 'machine-unlearning', 'soul-unlearn', 'graddiff'],
    });
    expect(body).toContain('# out\n');
    expect(body).toContain('make it forget 2 examples');
    const { before, after } = evaluation!.target;
    expect(body).toContain(`| to forget | 2 | ${before.toFixed(4)} | ${after.toFixed(4)} |`);
    expect(body).toContain(verdict!.sentence);
    expect(body).toContain('- optimizerSettings.learningRate: `0.01`');
    expect(body).toContain('- trainable: `.`');
    expect(body).toContain('npx soul-unlearn verify');
    expect(body).toContain('They do not show that what the model knew of them is gone');
    expect(body).not.toContain('jsonl');
  });

  test.each([
    ['/home/somebody/model', '---\nlicense: [a, b]\n---\n', {}],
    ['maker/model/x', '---\n: [\n---\n', {}],
    [
      3,
      `---\nlicense: other\nlicense_name: own\nlicense_link: LICENSE\n---\n${secret}`,
      { license: 'other', license_name: 'own' },
    ],
  ])('takes of the base what is of use: %j, %j', async (name, text, license) => {
    await writeFile(path('model/config.json'), JSON.stringify({ max_position_embeddings: 64, _name_or_path: name }));
    await writeFile(path('model/README.md'), text);
    await run({ evaluate: 0 });
    const { metadata, body } = await card();
    const { tags: _, ...others } = metadata;
    expect(others).toEqual({
      ...{ base_model: 'model', base_model_relation: 'finetune', library_name: 'transformers' },
      ...{ pipeline_tag: 'text-generation', ...license },
    });
    expect(body).toContain('The model was not measured');
  });

  test('of training speaks of training, and nothing is deleted', async () => {
    await run({ method: 'finetune', retain: undefined as never });
    const { metadata, body } = await card();
    expect(metadata.tags).toEqual(['soul-unlearn', 'finetune']);
    expect(body).toContain('trained on 2 examples');
    expect(body).not.toContain('forget');
    const written = await record();
    expect(written).not.toHaveProperty('deleted');
    expect(written).not.toHaveProperty('traces');
    expect(written.inputs.target.sha256).toBe(hex(await readFile(path('forget.jsonl'))));
    expect((await readdir(folder)).filter((name) => name.endsWith('.key'))).toEqual([]);
  });
});
