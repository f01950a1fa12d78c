import { readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { HuggingFaceTokenizer } from '../../lib/model/tokenizer.ts';
import { type RunOptions, type RunSettings, runTraining } from '../../lib/run/index.ts';
import { lines } from './bigram-folder.ts';
import { bigramRunOfEachTest, forget } from './bigram-run.ts';
import { onNote } from './heard.ts';
import { runnableBigram } from './runnable-bigram.ts';

const bigram = bigramRunOfEachTest();
const { path, settings, run, record } = bigram;

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

describe('other answers that the model makes', () => {
  const made = async (name = 'out') =>
    (await readFile(path(`${name}/alternatives.jsonl`), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const altpo = (more: Partial<RunSettings> = {}, options: RunOptions = {}) =>
    run({ method: 'altpo', generateAlternatives: 3, withText: true, ...more }, options);

  test('are written before the first step, differ from what is forgotten, and are in the record', async () => {
    const phases: string[] = [];
    let written: unknown[] = [];
    await altpo(
      {},
      {
        onEvent: (event) => {
          if (event.kind === 'phase') phases.push(event.phase);
          if (event.kind === 'step' && event.step === 1) {
            written = readFileSync(path('out.partial/alternatives.jsonl'), 'utf8').trim().split('\n');
          }
        },
      },
    ).result;
    const records = await made();
    expect(records.length).toBe(written.length);
    expect(phases.indexOf('generating other answers')).toBeLessThan(phases.indexOf('training'));
    for (const { question, answer } of forget) {
      const own = records.filter((each) => each.question === question).map((each) => each.answer);
      expect(own.length).toBe(3);
      expect(new Set([answer, '', ...own]).size).toBe(5);
    }
    const { inputs, settings: recorded } = await record();
    expect(recorded.generateAlternatives).toBe(3);
    expect(inputs.alternatives).toMatchObject({ file: 'alternatives.jsonl', items: 6 });
    expect(inputs.alternatives.generated).toMatchObject({
      ...{ temperature: 1, questions: 2, withoutDifferent: 0, request: 'the question as it is' },
    });
    expect(inputs.alternatives.generated.drawn).toBeGreaterThanOrEqual(6);
  });

  test('are a function of the seed, and a run from their file is the same', async () => {
    await altpo().result;
    await altpo({ out: path('again') }).result;
    await altpo({ out: path('other'), seed: 1n }).result;
    expect(await made('again')).toEqual(await made());
    expect(await made('other')).not.toEqual(await made());
    const { generateAlternatives: _, ...fromFile } = settings({ method: 'altpo', out: path('file') });
    await runTraining({ ...fromFile, alternatives: path('out/alternatives.jsonl') }, bigram.load());
    const weights = (name: string) => readFile(path(`${name}/model.safetensors`));
    expect(await weights('file')).toEqual(await weights('out'));
    await altpo({ overwrite: true }).result;
  });

  /** A model that answers alike, until the temperature is raised to one. */
  const parrot = (from: number) => async () => {
    const model = runnableBigram(bigram.vocabulary);
    const tokenizer = await HuggingFaceTokenizer.load(path('model'));
    const answers = [' Mara Voss wrote it.', ' Tom Reed wrote it.', '', ' MARA  Voss wrote it.'];
    const generate: typeof model.generate = async (prompts, { temperature = 0 }) =>
      prompts.map((_, i) =>
        tokenizer.encode(temperature < from ? answers[i % 2 === 0 ? 0 : 1]! : ' Nobody wrote it.', {
          addSpecialTokens: false,
        }),
      );
    return { ...model, generate };
  };

  test('are told to make little sense where a model repeats itself, with the share of questions', async () => {
    const notes: string[] = [];
    const given = settings({ method: 'altpo', generateAlternatives: 1, withText: true });
    await runTraining(given, parrot(2), { onEvent: onNote((note) => notes.push(note)) });
    expect(notes).toEqual([expect.stringMatching(/repeats itself: 2 of 2 questions \(100%\) had no different answer/)]);
    expect((await made()).map(({ answer }) => answer)).toEqual(['Nobody wrote it.', 'Nobody wrote it.']);
    expect((await record()).inputs.alternatives.generated).toMatchObject({
      withoutDifferent: 2,
      drawn: 2 * (1 + 4 + 2),
    });
  });

  test('are refused where there are none in the end', async () => {
    const given = settings({ method: 'altpo', generateAlternatives: 1 });
    await expect(runTraining(given, parrot(Number.POSITIVE_INFINITY))).rejects.toThrow(
      /gives 2 of 2 questions no other answer .*the first is .*forget.jsonl:1/,
    );
    expect(await readdir(bigram.folder)).not.toContain('out');
  });

  test('are asked for in words where questions go through a template of a conversation', async () => {
    const lengths: number[] = [];
    const load = async () => {
      const model = runnableBigram(bigram.vocabulary);
      const generate: typeof model.generate = (prompts, options) => {
        lengths.push(...prompts.map((prompt) => prompt.length));
        return model.generate(prompts, options);
      };
      return { ...model, generate };
    };
    const template = '[INST] {question} [/INST]';
    await runTraining(settings({ method: 'altpo', generateAlternatives: 1, template }), load);
    expect((await record()).inputs.alternatives.generated.request).toContain('made-up answer');
    // The question alone takes fewer than twenty tokens.
    expect(Math.min(...lengths)).toBeGreaterThan(20);
  });

  test('are refused before a model is loaded where there is no room, no use, or a file', async () => {
    const crowded = altpo({ maximumLength: 24, template: '[INST] {question} [/INST]' });
    await expect(crowded.result).rejects.toThrow(/forget.jsonl:1 leaves no room to generate another answer/);
    const useless = altpo({ method: 'npo' });
    await expect(useless.result).rejects.toThrow(/\(--generate-alternatives\) are of no use to the method npo/);
    const twice = altpo({ alternatives: path('retain.jsonl') });
    await expect(twice.result).rejects.toThrow(/give generateAlternatives or alternatives, not both/);
    for (const { load } of [crowded, useless, twice]) expect(load).not.toHaveBeenCalled();
  });
});
