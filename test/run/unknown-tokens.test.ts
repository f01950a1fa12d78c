import { readdir, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, jest, test } from '@jest/globals';
import { runTraining } from '../../lib/run/index.ts';
import { lines } from './bigram-folder.ts';
import { bigramRunOfEachTest, retain } from './bigram-run.ts';
import { onNote } from './heard.ts';
import { runnableBigram } from './runnable-bigram.ts';

const bigram = bigramRunOfEachTest();
const { path, settings } = bigram;

describe('tokens that tokenizer, data and model do not agree on', () => {
  const loadNothing = jest.fn(async () => runnableBigram(bigram.vocabulary));
  const more = (records: object[]) => writeFile(path('retain.jsonl'), lines([...retain, ...records]));

  const addToken = async () => {
    await writeFile(path('model/config.json'), JSON.stringify({ vocab_size: bigram.vocabulary }));
    const file = path('model/tokenizer.json');
    const tokenizer = JSON.parse(await readFile(file, 'utf8'));
    tokenizer.added_tokens.push({ id: bigram.vocabulary, content: '[PAD]', special: true, normalized: false });
    await writeFile(file, JSON.stringify(tokenizer));
  };

  test('a token beyond the vocabulary is refused before the model is loaded, with its line and text', async () => {
    await addToken();
    await more([{ question: 'Who wrote Elm?', answer: 'Tom Reed [PAD] wrote it.' }]);
    await expect(runTraining(settings({ allowOverlap: true }), loadNothing)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringContaining(
        `${path('retain.jsonl')}:3 has the token ${bigram.vocabulary} ("[PAD]"), but the model's`,
      ),
      details: { line: 3, token: bigram.vocabulary, vocabularySize: bigram.vocabulary },
    });
    expect(loadNothing).not.toHaveBeenCalled();
  });

  test('a refusal with one likewise, by the line that it has in its file', async () => {
    await addToken();
    await writeFile(path('refusals.txt'), '\nI cannot say.\n\nNo [PAD] answer.\n');
    const po = settings({ method: 'po', refusals: path('refusals.txt') });
    await expect(runTraining(po, loadNothing)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringContaining(`${path('refusals.txt')}:4 has the token ${bigram.vocabulary} ("[PAD]")`),
    });
    expect(loadNothing).not.toHaveBeenCalled();
  });

  test('where config.json is silent, before the first step', async () => {
    const load = async () => runnableBigram(bigram.vocabulary - 1);
    await expect(runTraining(settings(), load)).rejects.toMatchObject({ code: 'SOUL_BAD_DATA' });
    expect(await readdir(bigram.folder)).not.toContain('out.partial');
  });

  test('a template with its own end and a line with its own beginning are named once each', async () => {
    const notes: string[] = [];
    const tokenizer = JSON.parse(await readFile(path('model/tokenizer.json'), 'utf8'));
    const end = tokenizer.added_tokens.at(-1).content;
    await runTraining(settings({ template: `Question: {question}\nAnswer: {answer}${end}` }), bigram.load(), {
      onEvent: onNote((note) => notes.push(note)),
    });
    expect(notes.filter((note) => note.includes('itself'))).toEqual([
      expect.stringContaining(`{answer}${end}" has the token of a text's end (${end}) itself`),
    ]);
  });
});
