import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { weightsOf } from './kinds/configs.ts';

const folder = mkdtempSync(join(tmpdir(), 'soul-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shape = {
  ...{ model_type: 'llama', vocab_size: 10, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2 },
  num_attention_heads: 2,
};

/** The weights of a model of this config.json. */
function read(changes: object): Promise<number> {
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...shape, ...changes }));
  return weightsOf(folder);
}

test.each([
  ['layers without end', { num_hidden_layers: 2 ** 31 - 1 }, /num_hidden_layers must be .*at most 4096/],
  ['one layer too many', { num_hidden_layers: 4097 }, /num_hidden_layers must be .*at most 4096/],
  ['more weights than can be counted', { hidden_size: 2 ** 30, vocab_size: 2 ** 31 - 1 }, /can be counted/],
  ['an architecture that is no text', { architectures: [{ toString: null }], model_type: undefined }, /not named/],
  ['a type without end', { model_type: 'x'.repeat(100_000) }, /model_type xxx/],
  ['a type that clears a terminal', { model_type: '\u001b[2J' }, /model_type \\u001b\[2J is not/],
  ['a rope that says something else', { rope_scaling: { ['\u202e'.repeat(50_000)]: 1 } }, /has \\u202e/],
])('%s: refused', async (_, changes, message) => {
  const error = await read(changes).catch((found) => found);
  expect(error).toMatchObject({ name: 'SoulError', message: expect.stringMatching(message) });
  expect(error.message.length).toBeLessThan(1200);
});

test('as many layers as the deepest models have, and architectures of any kind beside a type that is known', async () => {
  const two = await read({});
  const many = await read({ num_hidden_layers: 4096, architectures: [{ toString: null }, null, 7] });
  const layer = 4 * 8 * 8 + 3 * 8 * 12 + 2 * 8;
  expect(many - two).toBe(4094 * layer);
});
