import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { describeWithEngine } from '../torch/engine-available.ts';
import { authorsModel } from './authors-model.ts';
import { soul } from './soul.ts';

describeWithEngine('with a model', () => {
  const { path } = authorsModel();

  test('eval says how many answers ROUGE-L does not see', async () => {
    const answers = ['\u6771\u4eac\u3067\u3059\u3002', '1\u6771\u4eac', 'She.', 'He.'];
    const lines = answers.map((answer) => `${JSON.stringify({ question: 'Who?', answer })}\n`);
    await writeFile(path('japanese.jsonl'), lines.join(''));
    const measure = (...words: string[]) =>
      soul(...['eval', '--model', path('model'), '--data', path('japanese.jsonl'), '--max-new-tokens', '2'], ...words);
    const note =
      'note: ROUGE-L sees words of a-z and digits alone: 1 of 4 answers have none and count as 0, 1 of 4 have most of their ' +
      'text outside of them; go by the probability\n';
    expect(await measure()).toMatchObject({ code: 0, out: expect.stringContaining(note) });
    const { out } = await measure('--json');
    expect(JSON.parse(out)).toMatchObject({ withoutRougeWords: 1, mostlyWithoutRougeWords: 1 });
    expect((await measure('--no-generate')).out).not.toContain('ROUGE');
  });

  test('eval names tokens that text and template have twice, and those that the model has not, before it loads it', async () => {
    const short = path('short-vocabulary');
    await cp(path('model'), short, { recursive: true });
    const config = JSON.parse(await readFile(join(short, 'config.json'), 'utf8'));
    const evaluate = (...words: string[]) =>
      soul('eval', '--model', short, '--data', path('forget.jsonl'), '--no-generate', ...words);
    expect((await evaluate('--template', '<s>{question} {answer}</s>')).err).toMatch(
      /note: the template "<s>.*" has the token of a text's beginning \(<s>\) itself: no second one is put there\n/,
    );
    await writeFile(join(short, 'config.json'), JSON.stringify({ ...config, vocab_size: 8 }));
    const { code, err } = await evaluate('--quiet');
    expect({ code, err }).toMatchObject({
      code: 2,
      err: expect.stringMatching(/forget\.jsonl:1 has the token \d+ \(".*"\), but the model's vocabulary has 8/),
    });
  });
});
