import { readdir, readFile, writeFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { authorsModel } from './authors-model.ts';
import { soul } from './soul.ts';

describeWithEngine('with a model', () => {
  const { path, unlearn } = authorsModel();

  test('data files of other kinds than JSON lines are named', async () => {
    const bad = async (content: string | Buffer) => {
      await writeFile(path('other.jsonl'), content);
      const { code, err } = await soul('eval', '--model', path('model'), '--data', path('other.jsonl'), '--quiet');
      expect(code).toBe(2);
      return err;
    };
    const text = '{"question": "q", "answer": NaN}\n';
    expect(await bad(text)).toMatch(/other\.jsonl:1 has a "answer" that must be a string, but is null or NaN/);
    expect(await bad(Buffer.from(`\ufeff${text}`, 'utf16le'))).toMatch(
      /other\.jsonl is a text in UTF-16; save it as UTF-8/,
    );
    expect(await bad('["q","a"]\n["q","a"]\n')).toMatch(/other\.jsonl:1 is a JSON array of its own/);
  });

  test('a file that does not exist is one JSON object, and the last thing said', async () => {
    const { code, out, err } = await soul(
      ...['train', '--model', path('model'), '--data', '/nowhere.jsonl', '--out', path('none'), '--json', '--quiet'],
    );
    expect(code).toBe(2);
    expect(JSON.parse(out).error).toMatchObject({ code: 'SOUL_NOT_FOUND' });
    expect(err).toMatch(/^soul: [^\n]*\/nowhere\.jsonl does not exist[^\n]*\n$/);
  });

  test('a bad line is reported with its number, and nothing is left behind', async () => {
    await writeFile(path('bad.jsonl'), '{"question": "a", "answer": "b"}\n{"question": "a"}\n');
    const { code, err } = await soul(
      'train',
      '--model',
      path('model'),
      '--data',
      path('bad.jsonl'),
      '--out',
      path('bad'),
    );
    expect(code).toBe(2);
    expect(err).toContain(`${path('bad.jsonl')}:2`);
    expect(await readdir(path('.'))).not.toContain('bad');
    expect(await readdir(path('.'))).not.toContain('bad.partial');
  });

  test('an empty forget set, a missing retain set and an existing output are refused', async () => {
    await writeFile(path('empty.jsonl'), '\n');
    const empty = await soul(
      'unlearn',
      '--model',
      path('model'),
      '--forget',
      path('empty.jsonl'),
      '--objective',
      'ascent',
      '--out',
      path('none'),
    );
    expect(empty).toMatchObject({ code: 2, err: expect.stringContaining('has no examples') });
    const alone = await soul(
      'unlearn',
      '--model',
      path('model'),
      '--forget',
      path('forget.jsonl'),
      '--out',
      path('none'),
    );
    expect(alone).toMatchObject({ code: 2, err: expect.stringContaining('--retain') });
    const there = await unlearn('--out', path('model'));
    expect(there).toMatchObject({ code: 2, err: expect.stringContaining('--overwrite') });
    expect(await readdir(path('.'))).not.toContain('none');
  });

  test.each([
    [['--optimizer', 'adamw', '--rho', '0.04'], /rho is a setting of sophia and soul-repo, not of adamw/],
    [['--optimizer', 'sgd', '--betas', '0.9,0.99'], /betas is a setting of adamw, sophia and soul-repo, not of sgd/],
    [['--optimizer', 'sign', '--epsilon', '1e-8'], /epsilon is a setting of adamw, sophia and soul-repo, not of sign/],
    [['--optimizer', 'sophia', '--momentum', '0.9'], /momentum is a setting of sign and sgd, not of sophia/],
    [['--optimizer', 'adamw', '--hessian-every', '5'], /belong to the optimizer sophia/],
  ])('%p is refused before anything is written', async (words, message) => {
    const { code, err } = await unlearn('--out', path('refused'), ...words);
    expect(err).toMatch(message);
    expect(code).toBe(2);
    expect((await readdir(path('.'))).filter((name) => name.startsWith('refused'))).toEqual([]);
  });

  test('a model with damaged weights is named, not blamed on an argument', async () => {
    const model = await TorchLM.load(path('model'));
    model.parameters.values.array[0] = Number.NaN;
    await model.save(path('damaged'));
    model.release();
    for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
      await writeFile(path(`damaged/${name}`), await readFile(path(`model/${name}`)));
    }
    const { code, err } = await soul(
      ...['unlearn', '--model', path('damaged'), '--forget', path('forget.jsonl'), '--retain', path('retain.jsonl')],
      ...['--objective', 'npo', '--evaluate', '0', '--out', path('none')],
    );
    expect(err).toMatch(/not finite|NaN/);
    expect(code).not.toBe(0);
  });
});
