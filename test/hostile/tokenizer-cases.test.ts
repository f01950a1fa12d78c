import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { HuggingFaceTokenizer } from '../../lib/model/tokenizer.ts';

const folder = mkdtempSync(join(tmpdir(), 'soul-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fixture = fileURLToPath(new URL('../model/fixtures/tiny-bpe/tokenizer.json', import.meta.url));
const description = JSON.parse(readFileSync(fixture, 'utf8')) as Record<string, unknown>;

/** Loads a tokenizer with these parts in place of its own. */
function load(parts: object, others: Record<string, object> = {}): Promise<HuggingFaceTokenizer> {
  const files = { 'tokenizer_config.json': {}, 'added_tokens.json': {}, 'generation_config.json': {}, ...others };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...description, ...parts }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), JSON.stringify(content));
  return HuggingFaceTokenizer.load(folder);
}

const refused = (message: string) => ({ code: 'SOUL_BAD_FILE', message: expect.stringContaining(message) });

describe('a part is refused when the tokenizer is loaded, not when a text comes to it', () => {
  const prepend = { type: 'Prepend', prepend: '_' };
  const nested = (inner: unknown) => ({ normalizer: { type: 'Sequence', normalizers: [prepend, inner] } });
  const template = (piece: unknown) => ({ post_processor: { type: 'TemplateProcessing', single: [piece] } });
  test.each([
    ['prepend of a normalizer Prepend must be a text, but is 7', { normalizer: { ...prepend, prepend: 7 } }],
    ['prepend of a normalizer Prepend must be a text, but is undefined', { normalizer: { type: 'Prepend' } }],
    ['prepend of a normalizer Prepend must be a text, but is null', nested({ type: 'Prepend', prepend: null })],
    ['a normalizer must have a type, but is "NFC"', nested('NFC')],
    ['a normalizer Sequence has null in it', nested(null)],
    ['must have a list of normalizers', { normalizer: { type: 'Sequence' } }],
    ['must be a String or a Regex', { pre_tokenizer: { type: 'Split', behavior: 'Isolated' } }],
    ['must be a String or a Regex', { normalizer: { type: 'Replace', pattern: { String: 'a', Regex: 'b' } } }],
    ['must be true or false, but is "no"', { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: 'no' } }],
    ['must be one character, but is ""', { pre_tokenizer: { type: 'Metaspace', replacement: '' } }],
    ['must be always, first or never', { decoder: { type: 'Metaspace', prepend_scheme: 'toString' } }],
    ['must be an integer of at least 1', { pre_tokenizer: { type: 'FixedLength', length: 0 } }],
    ['must be an integer from 0', { decoder: { type: 'Strip', content: ' ', start: 1e300, stop: 0 } }],
    ['must be a text and a number', { post_processor: { type: 'BertProcessing', cls: ['a', 1], sep: 'b' } }],
    ['must be a list of sequences and special tokens', template(null)],
    ['must be a list of sequences and special tokens', template({ SpecialToken: null })],
    ['must be a list of sequences and special tokens', template('SpecialToken')],
    ['must be a list of sequences and special tokens', template({ Sequence: { id: 'C', type_id: 0 } })],
    [
      'merges of a model BPE must be a list of pairs',
      { model: { type: 'BPE', vocab: { a: 0 }, merges: [['a'], 'b'] } },
    ],
    ['merges of a model BPE must be a list of pairs', { model: { type: 'BPE', vocab: { a: 0 } } }],
    ['vocab of a model Unigram must be a list of tokens', { model: { type: 'Unigram', vocab: [['a', null]] } }],
    ['vocab of a model BPE must be an object', { model: { type: 'BPE', vocab: [['a', -1]], merges: [] } }],
    [
      'unk_token of a model WordPiece must be a text',
      { model: { type: 'WordPiece', vocab: { a: 0 }, unk_token: { toString: null }, continuing_subword_prefix: '' } },
    ],
    ['single_word of the added token "x" must be', { added_tokens: [{ id: 0, content: 'x', single_word: 'yes' }] }],
  ])('%s', async (message, parts) => {
    await expect(load(parts)).rejects.toMatchObject(refused(message));
  });

  test('what may be null, or left out, may', async () => {
    const tokenizer = await load({
      normalizer: { type: 'Sequence', normalizers: [] },
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: null, trim_offsets: null },
      post_processor: null,
    });
    const plain = await load({});
    expect(tokenizer.decode(tokenizer.encode('the cat'))).toBe('the cat');
    expect(tokenizer.encode('the cat', { addSpecialTokens: false })).toEqual(
      plain.encode('the cat', { addSpecialTokens: false }),
    );
  });
});

describe('parts that make a text longer and longer are refused', () => {
  const times = (count: number, part: object) => Array(count).fill(part);
  const twice = { type: 'Replace', pattern: { String: 'a' }, content: 'aa' };
  const template = { type: 'TemplateProcessing', single: times(2, { Sequence: { id: 'A', type_id: 0 } }) };
  test.each([
    ['normalizer', { normalizer: { type: 'Sequence', normalizers: times(60, twice) } }],
    [
      'normalizer',
      {
        normalizer: {
          type: 'Sequence',
          normalizers: times(60, { ...twice, pattern: { Regex: 'x*' }, content: 'a' }),
        },
      },
    ],
    ['pre_tokenizer', { pre_tokenizer: { type: 'Sequence', pretokenizers: times(60, { type: 'ByteLevel' }) } }],
    ['post_processor', { post_processor: { type: 'Sequence', processors: times(60, template) } }],
    ['decoder', { decoder: { type: 'Sequence', decoders: [{ type: 'Sequence', decoders: times(60, twice) }] } }],
  ])('%s', async (section, parts) => {
    await expect(load(parts)).rejects.toMatchObject(refused(`its ${section} may make a text more than 65536 times`));
  });

  test('as many as do not are fine', async () => {
    const same = { type: 'Replace', pattern: { String: 'b' }, content: 'a' };
    const tokenizer = await load({ normalizer: { type: 'Sequence', normalizers: [twice, ...times(60, same), twice] } });
    expect(tokenizer.decode(tokenizer.encode('ab'), { skipSpecialTokens: true })).toBe('aaaaaa');
  });
});

describe('tokens', () => {
  test('have numbers that a table can hold', async () => {
    const sparse = { model: { type: 'BPE', vocab: { a: 2 ** 21 }, merges: [] } };
    await expect(load(sparse)).rejects.toMatchObject(refused('the token "a" has the number 2097152'));
  });

  test('of added_tokens.json have numbers', async () => {
    const others = { 'added_tokens.json': { '<x>': { toString: null } } };
    await expect(load({}, others)).rejects.toMatchObject(refused('added_tokens.json is not usable: the token "<x>"'));
  });

  test('that end a text have numbers that tokens can have', async () => {
    const others = { 'generation_config.json': { eos_token_id: [2 ** 32 + 2, -1, 1.5, 2] } };
    const { endOfTextTokens } = await load({}, others);
    expect(endOfTextTokens).toEqual([2]);
  });

  test('in the list of a class that joins by merges are texts', async () => {
    const ofClass = { 'tokenizer_config.json': { tokenizer_class: 'GPT2Tokenizer' } };
    const model = (token: unknown) => ({
      model: {
        vocab: [
          ['a', -1],
          [token, -2],
        ],
        merges: [],
      },
      added_tokens: [],
    });
    await expect(load(model({ toString: null }), ofClass)).rejects.toMatchObject(
      refused('vocab of a model BPE must be'),
    );
    expect((await load(model('b'), ofClass)).encode('ba', { addSpecialTokens: false })).toEqual([1, 0]);
  });

  test('of an unknown kind are named safely', async () => {
    const type = `\u001b]0;${'x'.repeat(100_000)}`;
    const error = await load({ normalizer: { type } }).catch((found) => found);
    expect(error.code).toBe('SOUL_UNSUPPORTED');
    expect(error.message).toContain('Unknown Normalizer type: \\u001b]0;xxx');
    expect(error.message.length).toBeLessThan(600);
  });
});

test('a word of a Unigram model may be of any length', async () => {
  const tokenizer = await load({
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    model: {
      type: 'Unigram',
      unk_id: 0,
      vocab: [
        ['<unk>', 0],
        ['a', -1],
        ['b', -1],
      ],
    },
  });
  const tokens = tokenizer.encode('ab'.repeat(80_000));
  expect(tokens.length).toBe(160_000);
  expect(tokens.slice(0, 4)).toEqual([1, 2, 1, 2]);
});
