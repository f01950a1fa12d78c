import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { HuggingFaceTokenizer } from '../../lib/model/tokenizer.ts';

interface Recorded {
  size: number;
  endOfText: number;
  beginOfText: number;
  records: { text: string; tokens: number[]; plain: number[]; decoded: string; whole: string }[];
}

const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));
const recorded: Record<string, Recorded> = JSON.parse(
  readFileSync(join(fixtures, 'tokenizers.json'), 'utf8'),
).tokenizers;
const tinyBpe = join(fixtures, 'tiny-bpe');

const data = process.env.SOUL_TEST_DATA;
if (!data) console.warn('SOUL_TEST_DATA is not set: the tokenizers of real models are not compared with Python');
const withData = data ? describe : describe.skip;

describe('the tokenizer of tiny-bpe', () => agreesWithPython('tiny-bpe', tinyBpe));

withData.each(Object.keys(recorded).filter((name) => name !== 'tiny-bpe'))('the tokenizer of %s', (name) =>
  agreesWithPython(name, join(data ?? '', 'models', name)),
);

function agreesWithPython(name: string, folder: string): void {
  const { records, ...facts } = recorded[name]!;
  let tokenizer: HuggingFaceTokenizer;
  beforeAll(async () => {
    tokenizer = await HuggingFaceTokenizer.load(folder);
  });

  it('knows its size and the tokens of end and beginning', () => {
    expect(tokenizer).toMatchObject(facts);
    expect(tokenizer.endOfTextTokens).toEqual([facts.endOfText]);
  });

  const shown = records.map((record) => ({ ...record, name: inAscii(record.text) }));
  it.each(shown)('encodes and decodes $name as Python does', ({ text, tokens, plain, decoded, whole }) => {
    expect(tokenizer.encode(text)).toEqual(tokens);
    expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(plain);
    expect(tokenizer.decode(tokens)).toBe(decoded);
    expect(tokenizer.decode(tokens, { skipSpecialTokens: false })).toBe(whole);
  });
}

/** A text as a test's name can hold it. */
function inAscii(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/gu, (letter) => `\\u{${letter.codePointAt(0)!.toString(16)}}`);
}

describe('HuggingFaceTokenizer', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-tokenizer-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const description = JSON.parse(readFileSync(join(tinyBpe, 'tokenizer.json'), 'utf8'));
  const make = async (name: string, files: Record<string, unknown>): Promise<string> => {
    const made = join(folder, name);
    await mkdir(made);
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(made, file), typeof content === 'string' ? content : JSON.stringify(content));
    }
    return made;
  };

  it('gives any text back from its tokens, byte for byte', async () => {
    const tokenizer = await HuggingFaceTokenizer.load(tinyBpe);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const tokens = tokenizer.encode(text, { addSpecialTokens: false });
        expect(tokenizer.decode(tokens)).toBe(text);
      }),
    );
  });

  it('takes end tokens by name first, and adds those of the generation configuration', async () => {
    const made = await make('ends', {
      'tokenizer.json': description,
      'tokenizer_config.json': { eos_token: { content: '<|end|>' } },
      'generation_config.json': { eos_token_id: [7, 1] },
    });
    const tokenizer = await HuggingFaceTokenizer.load(made);
    expect(tokenizer).toMatchObject({ endOfText: 1, endOfTextTokens: [1, 7], beginOfText: undefined });
  });

  it('falls back on the numbers in config.json', async () => {
    const made = await make('numbers', {
      'tokenizer.json': description,
      'config.json': { eos_token_id: [5, 6], bos_token_id: 0 },
    });
    const tokenizer = await HuggingFaceTokenizer.load(made);
    expect(tokenizer).toMatchObject({ endOfText: 5, endOfTextTokens: [5, 6], beginOfText: 0 });
  });

  it('copies the files it has, bytes unchanged, and never over others', async () => {
    const odd = '{ "bos_token" : "<|begin|>" }\r\n';
    const made = await make('carried', {
      'tokenizer.json': description,
      'tokenizer_config.json': odd,
      'chat_template.jinja': '{{ x }}',
      'model.safetensors': 'not a tokenizer file',
    });
    // As in the Hub's cache.
    await chmod(join(made, 'tokenizer.json'), 0o444);
    const tokenizer = await HuggingFaceTokenizer.load(made);
    const out = join(folder, 'out', 'inner');
    await expect(tokenizer.copyTo(out)).resolves.toEqual([
      'tokenizer.json',
      'tokenizer_config.json',
      'chat_template.jinja',
    ]);
    expect(await readFile(join(out, 'tokenizer_config.json'), 'utf8')).toBe(odd);
    expect(existsSync(join(out, 'model.safetensors'))).toBe(false);
    expect((await stat(join(out, 'tokenizer.json'))).mode & 0o600).toBe(0o600);
    await expect(tokenizer.copyTo(out)).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
  });

  it.each([
    ['a missing folder', 'nowhere', undefined, 'SOUL_NOT_FOUND'],
    ['a folder without tokenizer.json', 'empty', {}, 'SOUL_NOT_FOUND'],
    ['a tokenizer.json that is no JSON', 'cut', { 'tokenizer.json': '{"model": {' }, 'SOUL_BAD_FILE'],
    ['a tokenizer.json that is a list', 'list', { 'tokenizer.json': [] }, 'SOUL_BAD_FILE'],
    ['a tokenizer.json without a model', 'no-model', { 'tokenizer.json': {} }, 'SOUL_BAD_FILE'],
    [
      'a model without a vocabulary',
      'no-words',
      { 'tokenizer.json': { model: { type: 'BPE', merges: [] } } },
      'SOUL_BAD_FILE',
    ],
    [
      'an empty vocabulary',
      'empty-words',
      { 'tokenizer.json': { model: { type: 'BPE', merges: [], vocab: {} } } },
      'SOUL_BAD_FILE',
    ],
    [
      'a part of an unknown kind',
      'unknown-part',
      { 'tokenizer.json': { ...description, pre_tokenizer: { type: 'Runes' } } },
      'SOUL_UNSUPPORTED',
    ],
    [
      'a broken tokenizer_config.json',
      'broken-config',
      { 'tokenizer.json': description, 'tokenizer_config.json': 'null' },
      'SOUL_BAD_FILE',
    ],
  ])('refuses %s', async (_, name, files, code) => {
    const made = files ? await make(name, files) : join(folder, name);
    await expect(HuggingFaceTokenizer.load(made)).rejects.toMatchObject({ name: 'SoulError', code });
  });

  it.each([
    [
      'a kind of model that the library lacks',
      'word-level',
      { type: 'WordLevel', vocab: { a: 0 } },
      'SOUL_UNSUPPORTED',
    ],
    [
      'a token with a number out of all bounds',
      'sparse',
      { type: 'BPE', merges: [], vocab: { a: 1e9 } },
      'SOUL_BAD_FILE',
    ],
    ['a token with a negative number', 'negative', { type: 'BPE', merges: [], vocab: { a: -1 } }, 'SOUL_BAD_FILE'],
    ['a token with a text for a number', 'text', { type: 'BPE', merges: [], vocab: { a: '1' } }, 'SOUL_BAD_FILE'],
  ])('refuses %s', async (_, name, model, code) => {
    const made = await make(name, { 'tokenizer.json': { ...description, model } });
    await expect(HuggingFaceTokenizer.load(made)).rejects.toMatchObject({ code });
  });

  it('refuses an added token without a number', async () => {
    const made = await make('added', { 'tokenizer.json': { ...description, added_tokens: [{ content: '<x>' }] } });
    await expect(HuggingFaceTokenizer.load(made)).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
  });

  it.each([undefined, null, 3, '1 2', Int32Array.of(1)])('refuses to decode %p, which is no array', async (tokens) => {
    const tokenizer = await HuggingFaceTokenizer.load(tinyBpe);
    expect(() => tokenizer.decode(tokens as never)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
    if (typeof tokens !== 'string') {
      expect(() => tokenizer.encode(tokens as never)).toThrow(
        expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }),
      );
    }
  });

  it('makes one U+FFFD of each byte token in a run that is no UTF-8, as Python does', async () => {
    const bytes = ['<0xC3>', '<0xBC>', '<0xEF>', '<0xBB>', '<0xBF>'];
    const vocab = Object.fromEntries(['<unk>', ...bytes, 'a'].map((token, id) => [token, id]));
    const made = await make('bytes', {
      'tokenizer.json': {
        decoder: { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, { type: 'Fuse' }] },
        model: { type: 'BPE', merges: [], vocab, byte_fallback: true, unk_token: '<unk>' },
      },
    });
    const tokenizer = await HuggingFaceTokenizer.load(made);
    expect(tokenizer.decode([1, 2, 6])).toBe('\u00fca');
    expect(tokenizer.decode([1, 6, 2])).toBe('\ufffda\ufffd');
    expect(tokenizer.decode([1, 1, 2])).toBe('\ufffd\ufffd\ufffd');
    expect(tokenizer.decode([3, 4, 5, 6])).toBe('\ufeffa');
  });

  it.each([[[-1]], [[2 ** 31]], [[1.5]], [[Number.NaN]]])('refuses to decode %p', async (tokens) => {
    const tokenizer = await HuggingFaceTokenizer.load(tinyBpe);
    expect(() => tokenizer.decode(tokens)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
  });

  it('makes nothing of numbers without a token, as Python does', async () => {
    const tokenizer = await HuggingFaceTokenizer.load(tinyBpe);
    const tokens = tokenizer.encode('the bell', { addSpecialTokens: false });
    expect(tokenizer.decode([320, ...tokens, 2 ** 31 - 1])).toBe('the bell');
    expect(tokenizer.decode([320])).toBe('');
  });

  it('makes no unknown token of them either', async () => {
    const llama = await HuggingFaceTokenizer.load(join(fixtures, 'tiny-llama'));
    const whole = { skipSpecialTokens: false };
    expect(llama.decode([100, 400, 5000, 101], whole)).toBe(llama.decode([100, 400, 101], whole));
  });

  it('says so when a text has a piece without a token', async () => {
    const made = await make('no-unknown', {
      'tokenizer.json': {
        added_tokens: [],
        pre_tokenizer: { type: 'WhitespaceSplit' },
        model: { type: 'WordPiece', unk_token: '[UNK]', vocab: { yes: 0 }, continuing_subword_prefix: '##' },
      },
    });
    const tokenizer = await HuggingFaceTokenizer.load(made);
    expect(tokenizer.encode('yes yes')).toEqual([0, 0]);
    expect(() => tokenizer.encode('yes no')).toThrow(expect.objectContaining({ code: 'SOUL_BAD_DATA' }));
  });
});
