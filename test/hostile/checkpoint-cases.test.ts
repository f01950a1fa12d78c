import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { writeSafetensors } from '../../lib/core/safetensors.ts';
import { readCheckpoint } from '../../lib/model/checkpoint.ts';
import { checkModelFolder } from '../../lib/model/folder-kind.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import { configOf, sourcesOf, untied } from '../model/small-checkpoint.ts';
import { fileOf, tensorsIn } from './safetensors-mutations.ts';

let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'soul-checkpoint-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const read = () => readCheckpoint(folder, configOf(untied), FlatBuffer.alloc(untied.length));
const failure = (work: Promise<unknown>) =>
  work.then(
    () => ({ code: 'no error', message: '' }),
    (error) => error as { code: string; message: string },
  );

describe('an index', () => {
  const writeIndex = (index: unknown) =>
    writeFileSync(at('model.safetensors.index.json'), typeof index === 'string' ? index : JSON.stringify(index));

  test.each([['..'], ['.'], [''], ['../model.safetensors'], ['/etc/passwd'], ['a/b'], [7], [null]])(
    'names files of its folder alone, not %j',
    async (name) => {
      writeIndex({ weight_map: { 'lm_head.weight': name } });
      await expect(read()).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    },
  );

  test.each(['null', '[]', '{"weight_map":[]}', '{"weight_map":{}}', '{"weight_map":"a"}', '{"weight_map":'])(
    'that is %s is refused',
    async (text) => {
      writeIndex(text);
      await expect(read()).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    },
  );

  test('of ten thousand files that are not there names a few', async () => {
    const map = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`w${i}`, `shard-${i}.safetensors`]));
    writeIndex({ weight_map: map });
    const { code, message } = await failure(read());
    expect([code, message.match(/shard-\d+/g)?.length]).toEqual(['SOUL_NOT_FOUND', 12]);
    expect(message).toMatch(/lacks 10000 of the 10000 files .* and 9988 more/);
  });
});

describe('weights', () => {
  test('that are no part of the model are named safely, and not all of them', async () => {
    await writeSafetensors(at('model.safetensors'), sourcesOf(untied), {});
    const { tensors } = tensorsIn(readFileSync(at('model.safetensors')));
    let end = 0;
    const header: Record<string, unknown> = {};
    for (const [name, { dtype, shape, data }] of tensors) {
      header[name] = { dtype, shape, data_offsets: [end, end + data.length] };
      end += data.length;
    }
    for (let i = 0; i < 1000; i++) {
      header[`\u202e${'x'.repeat(200)}.${i}`] = {
        dtype: 'F32',
        shape: Array(i === 0 ? 5000 : 1).fill(1),
        data_offsets: [end, end + 4],
      };
      end += 4;
    }
    writeFileSync(at('model.safetensors'), fileOf(JSON.stringify(header), new Uint8Array(end)));
    const { code, message } = await failure(read());
    expect(code).toBe('SOUL_BAD_FILE');
    expect(message).toContain('\\u202exxx');
    expect(message.length).toBeLessThan(2500);
  });

  test('of an adapter: the model that it is of is named safely', async () => {
    writeFileSync(at('adapter_config.json'), JSON.stringify({ base_model_name_or_path: '\u001b[2J'.repeat(1000) }));
    const { code, message } = await failure(checkModelFolder(folder));
    expect([code, message.includes('\\u001b[2J'), message.includes('\u001b')]).toEqual(['SOUL_NOT_FOUND', true, false]);
    expect(message.length).toBeLessThan(800);
  });
});

test.each([
  ['of one parameter', [[2 ** 31 - 1, 2 ** 31 - 1]]],
  ['of all', Array(5).fill([2 ** 26, 2 ** 25])],
])('a layout has no more elements than can be counted: %s', (_, shapes: readonly number[][]) => {
  const parameters = shapes.map((shape, i) => ({ name: `p${i}`, shape, group: 'matrix' as const }));
  expect(() => ParameterLayout.of(parameters)).toThrow(
    expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', message: expect.stringContaining('can be counted') }),
  );
});
