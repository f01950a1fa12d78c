/**
 * The files of a tokenizer; what loads encodes and decodes odd texts.
 *
 * @module
 */

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { SoulError } from '../../../lib/core/errors.ts';
import { HuggingFaceTokenizer } from '../../../lib/model/tokenizer.ts';
import type { Draw } from '../draw.ts';
import { hostileJson } from '../json-mutations.ts';
import { oddNames, oddText } from '../odd-values.ts';
import { type HostileKind, holds } from '../property.ts';

type Files = Record<string, Record<string, unknown>>;

const fixtures = fileURLToPath(new URL('../../model/fixtures', import.meta.url));
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
const folderFiles = (folder: string): Files => ({
  'tokenizer.json': json(join(folder, 'tokenizer.json')),
  'tokenizer_config.json': json(join(folder, 'tokenizer_config.json')),
});

const words = ['the', '##ing', 'he', '##llo', 'a', '##a', '[UNK]', '[CLS]', '[SEP]', '!', 'world'];
const wordPiece: Files = {
  'tokenizer.json': {
    added_tokens: [{ id: 6, content: '[UNK]', special: true }],
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'BertProcessing', cls: ['[CLS]', 7], sep: ['[SEP]', 8] },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
    },
  },
  'tokenizer_config.json': { tokenizer_class: 'BertTokenizer', unk_token: '[UNK]', clean_up_tokenization_spaces: true },
};

const unigram: Files = {
  'tokenizer.json': {
    added_tokens: [{ id: 0, content: '<unk>', special: true, lstrip: true, rstrip: true, single_word: true }],
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'Precompiled', precompiled_charsmap: null }, { type: 'NFKC' }],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'WhitespaceSplit' },
        { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'first' },
      ],
    },
    post_processor: { type: 'RobertaProcessing', cls: ['<unk>', 0], sep: ['</s>', 1] },
    decoder: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'first' },
    model: {
      type: 'Unigram',
      unk_id: 0,
      byte_fallback: true,
      vocab: [
        ['<unk>', 0],
        ['</s>', 0],
        ['\u2581', -2],
        ['he', -3],
        ['l', -4],
        ['lo', -3.5],
        ['<0x41>', -9],
        ['a', -1],
      ],
    },
  },
  'tokenizer_config.json': {},
};

interface Variant {
  base: string;
  files: Files;
}

/** Tokenizers of every kind: those recorded from Python, with all their variants, and where there is one a real model's. */
function bases(): Files[] {
  const tiny: Record<string, Files> = {
    'tiny-llama': folderFiles(join(fixtures, 'tiny-llama')),
    'tiny-bpe': folderFiles(join(fixtures, 'tiny-bpe')),
  };
  const { variants } = json(join(fixtures, 'tokenizer-variants.json')) as unknown as { variants: Variant[] };
  const varied = variants.flatMap(({ base, files }): Files[] => {
    const whole = tiny[base];
    if (whole === undefined) return [];
    const names = new Set([...Object.keys(whole), ...Object.keys(files)]);
    return [Object.fromEntries([...names].map((name) => [name, { ...whole[name], ...files[name] }]))];
  });
  const models = ['stories260K', 'tinystories-char-0.9M'].map((name) => join(env.SOUL_TEST_DATA ?? '', 'models', name));
  const real = models.filter((folder) => existsSync(join(folder, 'tokenizer.json'))).map(folderFiles);
  return [...varied, ...real, wordPiece, unigram, wordPiece, unigram];
}

const texts: readonly string[] = [
  ...[
    '',
    ' ',
    '   ',
    'Hello world',
    '<s>Hello</s>',
    '<|end|> the  bell',
    'a\u0301\u00e9 \ufb01 \u2581\u2581x',
    "don't 123,456 !!",
  ],
  ...[
    '\ud800 half',
    '\u0000\u0001\u007f\u0085',
    '\ufeff\u200b\u202e',
    '\u{1f600}\u{1f469}\u200d\u{1f467}',
    '\r\n\t\v\f\u00a0\u3000',
  ],
  ...['a'.repeat(120), ' '.repeat(60), '<unk>'.repeat(12), '\u4f60\u597d', '[UNK][PAD]<x> <0x41>', '$& $1 \\'],
];

function check(tokenizer: HuggingFaceTokenizer, text: string, draw: Draw): void {
  let tokens: number[];
  try {
    tokens = tokenizer.encode(text, { addSpecialTokens: draw.once(2) });
  } catch (error) {
    if (error instanceof SoulError && error.code === 'SOUL_BAD_DATA') return;
    throw error;
  }
  holds(
    tokens.every((token) => Number.isInteger(token) && token >= 0 && token < tokenizer.size),
    `tokens beyond the ${tokenizer.size} that there are: ${tokens}`,
  );
  holds(tokens.length < 20_000, `${tokens.length} tokens`);
  const decoded = tokenizer.decode(tokens, { skipSpecialTokens: draw.once(2) });
  holds(typeof decoded === 'string', 'decoded to no string');
}

export const tokenizers: HostileKind = {
  name: 'tokenizers',
  async prepare(folder) {
    const all = bases().map((files) => Object.entries(files).map(([name, content]) => [name, JSON.stringify(content)]));
    const names = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'];
    const others = ['generation_config.json', 'config.json'];
    const small = [
      { bos_token: '<s>', pad_token: { content: '[PAD]', lstrip: true } },
      { '<x>': 500 },
      { eos_token_id: [1, 2] },
    ];
    return async (draw) => {
      for (const name of [...names, ...others]) rmSync(join(folder, name), { force: true });
      const files = Object.fromEntries(draw.of(all)) as Record<string, string>;
      for (const name of [...names.slice(2), ...others]) {
        if (draw.once(6)) files[name] ??= JSON.stringify(draw.of(small));
      }
      const spoilt = draw.once(3) ? draw.of(Object.keys(files)) : 'tokenizer.json';
      for (const [name, text] of Object.entries(files)) {
        writeFileSync(join(folder, name), name === spoilt ? hostileJson(JSON.parse(text), draw) : text);
      }
      const tokenizer = await HuggingFaceTokenizer.load(folder);
      const { endOfText, endOfTextTokens, beginOfText, size } = tokenizer;
      holds(Number.isInteger(size) && size > 0, `${size} tokens`);
      for (const token of [endOfText, beginOfText, ...endOfTextTokens]) {
        holds(token === undefined || (Number.isInteger(token) && token >= 0 && token < 2 ** 31), `the token ${token}`);
      }
      for (let left = 3; left > 0; left--) check(tokenizer, draw.of(texts), draw);
      check(tokenizer, oddText(draw.of(oddNames), draw).slice(0, 300), draw);
      tokenizer.decode([0, draw.integer(size + 2), 2 ** 31 - 1]);
    };
  },
};
