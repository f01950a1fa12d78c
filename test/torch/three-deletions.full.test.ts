import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type EncodedExample, encodeExamples } from '../../lib/data/encode.ts';
import { readExamples } from '../../lib/data/read-examples.ts';
import { probability } from '../../lib/eval/probability.ts';
import { gramFileName } from '../../lib/model/index.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { captureGrams, Lab, method, writeGrams } from '../../lib/unlearn/index.ts';
import { soul } from '../cli/soul.ts';
import { describeWithEngine } from './engine-available.ts';

/**
 * Three deletions, of one author of the demo each, each from the original model by unlearning layers of its own. The table in
 * docs/unlearning-layers.md has the figures.
 */
describeWithEngine("three deletions from the demo's model", () => {
  let folder: string;
  const at = (...names: string[]) => join(folder, ...names);
  const sets: { retain: EncodedExample[]; authors: EncodedExample[][] } = { retain: [], authors: [] };
  const one = { threads: 1 };
  const adapter = { kind: 'unlearning-layers', bottleneck: 32 } as const;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-deletions-'));
    const { code, err } = await soul('demo', '--out', at('demo'), '--methods', '', '--quiet');
    expect([code, err]).toEqual([0, expect.anything()]);
    const { model, tokenizer } = await TorchLM.loadWithTokenizer(at('demo/original'), one);
    model.release();
    const encoded = async (name: string) =>
      encodeExamples(tokenizer, (await readExamples(at(`demo/data/${name}.jsonl`))).items).encoded;
    sets.retain = await encoded('retain');
    const lines = (await readFile(at('demo/data/forget.jsonl'), 'utf8')).trim().split('\n');
    const byAuthor = new Map<string, EncodedExample[]>();
    for (const [i, example] of (await encoded('forget')).entries()) {
      const { author } = JSON.parse(lines[i]!);
      byAuthor.set(author, [...(byAuthor.get(author) ?? []), example]);
    }
    sets.authors = [...byAuthor.values()];
    expect(sets.authors.length).toBe(3);
    for (const [i, target] of sets.authors.entries()) await unlearn(target, `deletion-${i}`);
    const names = [0, 1, 2].map((i) => at(`deletion-${i}`));
    const fused = await soul('fuse', ...names, '--out', at('fused'), '--quiet');
    expect([fused.code, fused.err]).toEqual([0, '']);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function unlearn(target: readonly EncodedExample[], name: string): Promise<void> {
    const model = await TorchLM.load(at('demo/original'), { ...one, adapter });
    const referenceModel = await model.fork();
    const lab = new Lab({
      model,
      sets: { target, retain: sets.retain },
      optimizer: (options) =>
        new AdamW(model.parameters, { learningRate: 4e-3, weightDecay: 0, clipNorm: 1, ...options }),
      referenceModel: async () => referenceModel,
      descent: { epochs: 20, batchSize: 8, schedule: { shape: 'linear', warmup: 0.06 } },
    });
    for await (const _ of lab.descend(method('eul', { retainExamples: 80 }))) void _;
    await lab.release();
    referenceModel.release();
    await model.save(at(name));
    await writeGrams(at(name, gramFileName), await captureGrams(model, target));
    model.release();
  }

  /** The mean probability of the answers of each author, and of the retain set. */
  async function figures(model: TorchLM): Promise<{ authors: number[]; retain: number }> {
    const mean = async (examples: readonly EncodedExample[]) => {
      const items = await probability(model, examples);
      return items.reduce((sum, item) => sum + item.probability, 0) / items.length;
    };
    const authors: number[] = [];
    for (const own of sets.authors) authors.push(await mean(own));
    return { authors, retain: await mean(sets.retain) };
  }

  async function figuresOf(name: string): Promise<{ authors: number[]; retain: number }> {
    const model = await TorchLM.load(at(name), one);
    try {
      return await figures(model);
    } finally {
      model.release();
    }
  }

  test('each forgets its own author, and keeps the others', async () => {
    for (const i of [0, 1, 2]) {
      const { authors, retain } = await figuresOf(`deletion-${i}`);
      expect(authors[i]).toBeLessThan(0.2);
      for (const [other, value] of authors.entries()) if (other !== i) expect(value).toBeGreaterThan(0.9);
      expect(retain).toBeGreaterThan(0.95);
    }
  });

  test('fused, they forget what each forgot, and keep what each kept', async () => {
    const { authors, retain } = await figuresOf('fused');
    for (const value of authors) expect(value).toBeLessThan(0.25);
    expect(retain).toBeGreaterThan(0.85);
  });

  test('are measured in place of a model, and refused where a whole one is needed', async () => {
    const data = at('demo/data/retain.jsonl');
    const measured = await soul(
      'eval',
      '--model',
      at('fused'),
      '--data',
      data,
      '--no-generate',
      '--threads',
      '1',
      '--json',
    );
    expect([measured.code, measured.err.includes('error')]).toEqual([0, false]);
    expect(JSON.parse(measured.out).probability).toBeCloseTo((await figuresOf('fused')).retain, 4);
    const merged = await soul('merge', at('fused'), '--out', at('merged'), '--json');
    expect([merged.code, JSON.parse(merged.out).error.message]).toEqual([
      2,
      expect.stringMatching(/unlearning layers, which cannot be merged/),
    ]);
  });

  test('their mean forgets nothing, and their sum keeps little', async () => {
    const parts = await Promise.all([0, 1, 2].map((i) => TorchLM.load(at(`deletion-${i}`), one)));
    const [model] = parts as [TorchLM<'f32'>];
    const all = parts.map(({ parameters }) => (parameters.values.array as Float32Array).slice());
    const sum = all[0]!.map((_, i) => all.reduce((total, values) => total + values[i]!, 0));
    const values = model.parameters.values.array as Float32Array;
    values.set(sum.map((value) => value / 3));
    for (const value of (await figures(model)).authors) expect(value).toBeGreaterThan(0.9);
    values.set(sum);
    expect((await figures(model)).retain).toBeLessThan(0.5);
    for (const part of parts) part.release();
  });
});
