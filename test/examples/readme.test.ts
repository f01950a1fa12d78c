import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { packageRoot } from '../../lib/core/package.ts';
import { encodeExamples, readExamples } from '../../lib/data/index.ts';
import { probability } from '../../lib/eval/index.ts';
import { FlatBuffer, Sophia } from '../../lib/index.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { soulIn } from '../cli/soul.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import {
  preludeNames,
  readmeSnippets,
  runProgram,
  runSnippet,
  snippetsOf,
  typeErrors,
  writeProgram,
  writeSettings,
} from './snippets.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-readme-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("README's blocks", () => {
  test('each have a prelude, and the test that runs them', () => {
    // The last of them is run by test/cuda/readme.test.ts.
    expect(readmeSnippets().map(({ name }) => name)).toEqual(['in-your-own-trainer', 'unlearning-loops', 'on-a-gpu']);
    expect(preludeNames().sort()).toEqual(['in-your-own-trainer', 'on-a-gpu', 'unlearning-loops']);
    const [alone] = snippetsOf('# A new way\n\n```sh\nls # no heading\n```\n\n```ts\nlet x = 1;\n```\n');
    expect(alone).toEqual({ name: 'a-new-way', line: 8, code: 'let x = 1;' });
    expect(() => writeProgram(folder, alone!)).toThrow('write test/examples/preludes/a-new-way.ts');
  });

  test('have the types that the package has, as the examples do', () => {
    const examples = join(packageRoot, 'examples');
    const files = readmeSnippets().map((snippet) => writeProgram(folder, snippet));
    files.push(...readdirSync(examples).map((name) => join(examples, name)));
    expect(typeErrors(writeSettings(folder, files))).toBe('');
  });
});

describe('in your own trainer', () => {
  interface Report {
    losses: number[];
    gradientAtStart: number[];
    gradientsLeft: number[];
  }
  const runTrainer = (steps: number) => {
    const { lines, stderr } = runSnippet(folder, 'in-your-own-trainer', String(steps));
    expect(stderr).toBe(''); // no warning
    expect(lines).toHaveLength(1);
    return JSON.parse(lines[0]!) as Report;
  };

  test('the first step takes the gradient of the loss, and nothing of the sampled labels', async () => {
    const { gradientAtStart, gradientsLeft } = runTrainer(1);
    const buffer = () => FlatBuffer.alloc(gradientAtStart.length);
    const sophia = new Sophia({ values: buffer(), gradients: buffer() }, { rho: { clippedFraction: 0.1 } });
    await sophia.loadState(join(folder, 'state.safetensors'));
    const { step, momentum, hessian } = sophia.state;
    expect(step).toBe(1);
    expect(hessian.array.every((h) => h > 0)).toBe(true);
    for (const [i, gradient] of gradientAtStart.entries()) {
      expect(momentum.array[i]! / (1 - sophia.betas[0]) / gradient).toBeCloseTo(1, 3);
    }
    expect(gradientsLeft.every((gradient) => gradient === 0)).toBe(true);
  });

  test('the loss falls', () => {
    const { losses } = runTrainer(300);
    expect(losses[0]).toBeCloseTo(Math.log(2), 6);
    expect(losses.at(-1)).toBeLessThan(0.5 * Math.log(2));
  });
});

describeWithEngine('unlearning loops', () => {
  let ran: ReturnType<typeof runSnippet>;
  beforeAll(() => {
    ran = runSnippet(folder, 'unlearning-loops');
  });

  /** Mean probability of the answers of both files. */
  const known = async (name: string) => {
    const { model, tokenizer } = await TorchLM.loadWithTokenizer(join(folder, name));
    const mean = async (file: string) => {
      const { encoded } = encodeExamples(tokenizer, (await readExamples(join(folder, file))).items);
      const likelihoods = await probability(model, encoded);
      return likelihoods.reduce((sum, likelihood) => sum + likelihood.probability, 0) / encoded.length;
    };
    const both = { forget: await mean('forget.jsonl'), retain: await mean('retain.jsonl') };
    model.release();
    return both;
  };

  const lastStep = /^(\d+)\/\1 \{ forget: [\d.]+, retain: [\d.]+ \}$/;

  test("README's block makes the model forget, and keep the rest", async () => {
    const before = await known('model');
    expect(before.forget).toBeGreaterThan(0.8);
    expect(before.retain).toBeGreaterThan(0.8);
    const after = await known('model-bounded');
    expect(after.forget).toBeLessThan(0.5 * before.forget);
    expect(after.retain).toBeGreaterThan(0.9 * before.retain);
    expect(ran.lines.at(-1)).toMatch(lastStep);
  });

  test('examples/own-objective.ts does', async () => {
    const before = await known('model');
    const example = join(packageRoot, 'examples/own-objective.ts');
    const { lines } = runProgram(folder, example, 'model', 'forget.jsonl', 'retain.jsonl', 'model-own');
    const after = await known('model-own');
    expect(after.forget).toBeLessThan(0.5 * before.forget);
    expect(after.retain).toBeGreaterThan(0.9 * before.retain);
    expect(lines.at(-1)).toMatch(lastStep);
  });
});

describeWithEngine('a method of your own on the command line', () => {
  test.each([
    ['own-method', 'capped', { cap: 6 }],
    ['own-rule', 'without-harm', {}],
    ['own-algorithm', 'forget-and-mend', { share: 0.95, mendingEpochs: 2 }],
  ])('examples/%s.ts makes the model forget, and keep the rest', async (example, method, settings) => {
    const place = await mkdtemp(join(folder, 'own-'));
    const model = join(folder, 'model');
    const words = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    const { code, out } = await soulIn(
      {},
      ...['unlearn', '--algorithm', join(packageRoot, 'examples', `${example}.ts`), ...words, '--model', model],
      ...['--forget', join(folder, 'forget.jsonl'), '--retain', join(folder, 'retain.jsonl')],
      ...['--out', join(place, 'out'), '--json', '--quiet'],
    );
    expect(code).toBe(0);
    const { target, retain } = JSON.parse(out).evaluation;
    expect(target.after).toBeLessThan(0.5 * target.before);
    expect(retain.after).toBeGreaterThan(0.8 * retain.before);
    const record = JSON.parse(readFileSync(join(place, 'out/run.json'), 'utf8'));
    expect(record.settings).toMatchObject({ method, methodSettings: settings });
  });
});

test('the command is called by a name that npx finds where it is not installed', () => {
  const places = ['README.md', 'CHANGELOG.md', 'docs', 'lib', 'scripts', 'examples'];
  const files = places.flatMap((place) =>
    place.endsWith('.md')
      ? [place]
      : readdirSync(join(packageRoot, place), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name).slice(packageRoot.length)),
  );
  expect(files.length).toBeGreaterThan(100);
  const found = files.flatMap((file) => {
    const text = readFileSync(join(packageRoot, file), 'utf8').replace('`npx soul-unlearn`, or `npx soul`', '');
    return (text.match(/.*\bnpx soul(?!-unlearn\b).*/g) ?? []).map((line) => `${file}: ${line}`);
  });
  expect(found).toEqual([]);
});
