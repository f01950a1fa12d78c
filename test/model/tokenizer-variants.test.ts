import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { HuggingFaceTokenizer } from '../../lib/model/tokenizer.ts';

/** What transformers 5 makes of a folder whose files have other keys; null takes a key out. */
interface Variant {
  name: string;
  base: string;
  files: Record<string, Record<string, unknown>>;
  endOfText: number | null;
  beginOfText: number | null;
  /** Of each text, the index of what becomes of it. */
  outcomes: number[];
}

/** What variants make of a text; `plain` is where the tokens without special ones begin and end. */
interface Text {
  text: string;
  outcomes: { tokens: number[]; plain: [number, number]; decoded: string; whole: string }[];
}

const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));
const { texts, variants }: { texts: Text[]; variants: Variant[] } = JSON.parse(
  readFileSync(join(fixtures, 'tokenizer-variants.json'), 'utf8'),
);
const data = process.env.SOUL_TEST_DATA;
if (!data) console.warn('SOUL_TEST_DATA is not set: variants of a real tokenizer are not compared with Python');
const baseOf = (name: string) => (name.startsWith('tiny') ? join(fixtures, name) : data && join(data, 'models', name));

describe.each(variants.filter(({ base }) => baseOf(base)))(
  '$name',
  ({ base, files, endOfText, beginOfText, outcomes }) => {
    let folder: string;
    let tokenizer: HuggingFaceTokenizer;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'soul-variant-'));
      for (const name of ['tokenizer.json', 'tokenizer_config.json'])
        await copyFile(join(baseOf(base)!, name), join(folder, name));
      for (const [name, changes] of Object.entries(files)) {
        const path = join(folder, name);
        const before = JSON.parse(await readFile(path, 'utf8').catch(() => '{}'));
        const kept = ([key, value]: [string, unknown]) =>
          value !== null || ['normalizer', 'pre_tokenizer'].includes(key);
        await writeFile(
          path,
          JSON.stringify(Object.fromEntries(Object.entries({ ...before, ...changes }).filter(kept))),
        );
      }
      tokenizer = await HuggingFaceTokenizer.load(folder);
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it('knows the tokens of end and beginning as transformers does', () => {
      expect([tokenizer.endOfText, tokenizer.beginOfText]).toEqual([endOfText ?? undefined, beginOfText ?? undefined]);
    });

    it('encodes and decodes as transformers does', () => {
      expect(outcomes.length).toBe(texts.length);
      for (const [i, { text, outcomes: known }] of texts.entries()) {
        const { plain, ...expected } = known[outcomes[i]!]!;
        const tokens = tokenizer.encode(text);
        const found = {
          tokens,
          plain: tokenizer.encode(text, { addSpecialTokens: false }),
          decoded: tokenizer.decode(tokens),
          whole: tokenizer.decode(tokens, { skipSpecialTokens: false }),
        };
        expect({ text, ...found }).toEqual({ text, ...expected, plain: expected.tokens.slice(...plain) });
      }
    });
  },
);
