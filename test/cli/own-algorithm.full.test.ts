import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { packageRoot } from '../../lib/core/package.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { writeSmallModel } from './small-model.ts';
import { type Outcome, outcomeOf } from './soul.ts';

let folder: string;
let place: string;
let count = 0;
const path = (name: string) => join(place, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-own-'));
});
beforeEach(async () => {
  place = join(folder, String(count++));
  await mkdir(place);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** The command from the test's folder, in which there is nothing but what the test wrote. */
function soulThere(...words: string[]): Promise<Outcome> {
  const call = ['--import', loader, join(packageRoot, 'lib/cli/main.ts'), ...words];
  return outcomeOf(spawn(process.execPath, call, { cwd: place, stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Nothing of it is there: what loads gets as far as the engine or the model. */
const unlearn = (...words: string[]) =>
  soulThere(...['unlearn', '--model', 'nowhere', '--forget', 'nowhere.jsonl', '--out', 'nowhere', '--json'], ...words);
const loaded = /^SOUL_(NOT_FOUND|ENGINE_MISSING)$/;

const texts = "name: 'mine', summary: 'mine', paper: 'none', formula: 'none', promises: { property: 'none' }";
const rates = "learningRates: { adamw: 5e-6, sophia: 9e-6, 'soul-repo': 3e-6 }";

const typeScript = `
import { SoulError } from 'soul-unlearn';
import { defineMethod, gradientAscent, numberSetting, targetSet } from 'soul-unlearn/unlearn';
import { source } from './source.ts';
const weight: number = 2;
const error = new SoulError('SOUL_CANCELLED', 'a test');
console.error('one package:', source === targetSet, error instanceof SoulError);
export default defineMethod({
  ${texts}, ${rates},
  settings: { pull: numberSetting('how much', weight) },
  terms: ({ pull }) => [{ name: 'forget', source, objective: gradientAscent, coefficient: pull }],
});
`;
const source =
  "import { type SourceOf, targetSet } from 'soul-unlearn/unlearn';\nexport const source: SourceOf = targetSet;\n";
/** The same as JavaScript. */
const plain = (text: string, extension: string) =>
  text
    .replace('weight: number', 'weight')
    .replace('type SourceOf, ', '')
    .replace(': SourceOf', '')
    .replace('.ts', extension);

test.each(['.ts', '.mts', '.mjs', '.js'])(
  'a %s file in an empty folder finds the package that runs',
  async (extension) => {
    const write = extension.endsWith('ts')
      ? (text: string) => text.replace('.ts', extension)
      : (text: string) => plain(text, extension);
    await writeFile(path(`mine${extension}`), write(typeScript));
    await writeFile(path(`source${extension}`), write(source));
    const { out, err } = await unlearn('--algorithm', `mine${extension}`, '--set', 'pull=0.5');
    expect(err).toMatch(/^one package: true true\n/);
    expect(JSON.parse(out).error.code).toMatch(loaded);
  },
);

describe('what is no algorithm is refused with what to do', () => {
  const file = async (content: string, name = 'mine.mjs') => {
    await writeFile(path(name), content);
    return (await unlearn('--algorithm', name)).err;
  };

  test.each<[string, string, RegExp]>([
    ['nothing exported', 'export const mine = {};', /mine\.mjs exports no algorithm: export what defineAlgorithm/],
    ['a number', 'export default 3;', /exports no algorithm.*\(it exports 3\)/],
    [
      'half an algorithm',
      `export default { ${texts}, settings: {}, run() {} };`,
      /the algorithm of mine\.mjs\.needs must be/,
    ],
    ['no terms', `export default { name: 'mine', terms: [] };`, /no term of the method mine has a weight/],
    ['one that fails', 'null.x;', /cannot be loaded: TypeError: Cannot read .* \(mine\.mjs:1:6\)/],
    ['a syntax error', 'export default ;', /cannot be loaded: SyntaxError|Unexpected/],
    ['another module', "import 'soul-unlearn/unlern';", /there is no soul-unlearn\/unlern; there are soul-unlearn, /],
    [
      'a name that is taken',
      "import { gradientAscent as objective, targetSet as source } from 'soul-unlearn/unlearn';\n" +
        "export default { name: 'npo', terms: [{ name: 'forget', source, objective }] };",
      /exports an algorithm of the name npo, which is that of another/,
    ],
  ])('%s', async (_, content, message) => {
    expect(await file(content)).toMatch(message);
  });

  test('no file, or one of another kind', async () => {
    expect((await unlearn('--algorithm', 'none.ts')).err).toMatch(/none\.ts does not exist/);
    expect((await unlearn('--algorithm', '.')).err).toMatch(/\. is not a file/);
    expect(await file('', 'mine.json')).toMatch(
      /must be an ES module in a file that ends in one of \.js, \.mjs, \.ts, \.mts/,
    );
  });

  test('two methods', async () => {
    const { code, err } = await unlearn('--algorithm', 'mine.mjs', '--method', 'npo');
    expect([code, err]).toEqual([
      2,
      expect.stringContaining("'--algorithm <file>' cannot be used with option '--method"),
    ]);
  });

  test('settings of what has none', async () => {
    await writeFile(
      path('mine.mjs'),
      "import { gradientAscent as objective, targetSet as source } from 'soul-unlearn/unlearn';\n" +
        "export const algorithm = { name: 'mine', terms: [{ name: 'forget', source, objective }] };",
    );
    const { err } = await unlearn('--algorithm', 'mine.mjs', '--set', 'beta=1');
    expect(err).toMatch(/beta=1 cannot be set: the method mine is terms alone; make it with defineMethod/);
    const { out } = await unlearn('--algorithm', 'mine.mjs');
    expect(JSON.parse(out).error.code).toMatch(loaded);
  });

  test('settings that it does not have', async () => {
    await writeFile(path('mine.ts'), typeScript);
    await writeFile(path('source.ts'), source);
    expect((await unlearn('--algorithm', 'mine.ts', '--set', 'pul=1')).err).toMatch(
      /no setting pul; did you mean pull\?/,
    );
  });
});

describeWithEngine('with a model', () => {
  test('it is run, recorded, and run again by the record', async () => {
    await writeSmallModel(place);
    await writeFile(path('mine.ts'), typeScript);
    await writeFile(path('source.ts'), source);
    const first = await soulThere(
      ...['unlearn', '--model', 'model', '--forget', 'data.jsonl', '--algorithm', './mine.ts', '--set', 'pull=0.5'],
      ...['--steps', '2', '--learning-rate', '0.01', '--threads', '1', '--evaluate', '0', '--out', 'out', '--quiet'],
    );
    expect(first).toMatchObject({ code: 0, err: 'one package: true true\n' });
    const { settings, inputs, coefficients } = JSON.parse(await readFile(path('out/run.json'), 'utf8'));
    expect(settings).toMatchObject({ method: 'mine', algorithmFile: './mine.ts', methodSettings: { pull: 0.5 } });
    const sha256 = createHash('sha256').update(typeScript).digest('hex');
    expect(inputs.algorithm).toEqual({ file: 'mine.ts', sha256 });
    expect(coefficients).toEqual({ forget: 0.5 });
    const again = await soulThere('unlearn', '--config', 'out/run.json', '--out', 'again', '--quiet');
    expect(again.code).toBe(0);
    const [one, other] = await Promise.all(['out', 'again'].map((name) => readFile(path(`${name}/model.safetensors`))));
    expect(one!.equals(other!)).toBe(true);
    await writeFile(path('mine.ts'), `${typeScript}// changed\n`);
    const changed = await soulThere('unlearn', '--config', 'out/run.json', '--out', 'changed', '--quiet');
    expect(changed).toMatchObject({
      code: 0,
      err: expect.stringContaining('note: ./mine.ts has changed since out/run.json was written'),
    });
    const named = await soulThere(
      'unlearn',
      '--config',
      'out/run.json',
      '--out',
      'named',
      '--method',
      'ascent',
      '--quiet',
    );
    const lines = named.err.trim().split('\n');
    expect([named.code, lines]).toEqual([
      0,
      Array(2).fill(expect.stringMatching(/^note: .* of another method, and left out$/)),
    ]);
    expect(await readdir(place)).toContain('named');
  });

  test('what goes wrong in it is told with its name, its line and the term', async () => {
    await writeSmallModel(place);
    const failing = (body: string) =>
      "import { targetSet as source } from 'soul-unlearn/unlearn';\n" +
      `function unready() {\n  ${body}\n}\n` +
      "export default { name: 'mine', terms: [{ name: 'forget', source, objective: unready }] };\n";
    const errorOf = async (body: string) => {
      await writeFile(path('mine.mjs'), failing(body));
      const words = ['--model', 'model', '--forget', 'data.jsonl', '--algorithm', 'mine.mjs', '--steps', '1'];
      return (await soulThere('unlearn', ...words, '--evaluate', '0', '--threads', '1', '--out', 'out', '--quiet')).err;
    };
    expect(await errorOf('return missing.loss;')).toBe(
      'soul: mine.mjs: the objective unready of the term forget failed: ReferenceError: missing is not defined (mine.mjs:3)\n',
    );
    expect(await errorOf('return 3;')).toMatch(
      /^soul: mine\.mjs: the objective unready of the term forget must return \{ loss, weights \}/,
    );
  });
});
