import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { openSafetensors, type SafetensorsSource, writeSafetensors } from '../../lib/core/safetensors.ts';
import { ParameterLayout, readCheckpoint, writeCheckpoint } from '../../lib/model/index.ts';
import { widenHalf } from '../../lib/model/widen.ts';
import { bfloat16Value, nearestBfloat16 } from '../native/bfloat16.ts';
import { configOf, sizeOf, sourcesOf, tied, untied, valuesFor } from './small-checkpoint.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function read(layout: ParameterLayout): Promise<Float32Array> {
  const values = FlatBuffer.alloc(layout.length);
  await readCheckpoint(folder, configOf(layout), values);
  return values.array;
}

const single = () => join(folder, 'model.safetensors');

describe('weights of a folder', () => {
  test('what is written is read, padding left at zero', async () => {
    await writeCheckpoint(folder, untied, FlatBuffer.from(valuesFor(untied)));
    expect(await readdir(folder)).toEqual(['model.safetensors']);
    expect([...(await read(untied))]).toEqual([...valuesFor(untied)]);
  });

  test('all are written through one piece of memory of bounded size', async () => {
    const rows = 2 ** 11 + 1;
    const layout = ParameterLayout.of([
      { name: 'a', shape: [rows, 2 ** 12], group: 'matrix' },
      { name: 'b', shape: [3], group: 'vector' },
    ]);
    const values = FlatBuffer.alloc(layout.length, { dtype: 'bf16' });
    for (let i = 0; i < values.length; i++) values.array[i] = i;
    const alloc = jest.spyOn(FlatBuffer, 'alloc');
    await writeCheckpoint(folder, layout, values);
    const taken = alloc.mock.calls.map(([length]) => length);
    alloc.mockRestore();
    expect(taken).toEqual([2 ** 22]);
    const file = await openSafetensors(single());
    for (const [name, { offset, shape }] of layout) {
      const expected = values.array.subarray(offset, offset + shape.reduce((a, b) => a * b));
      expect(Buffer.compare(await file.read(name), new Uint8Array(expected.slice().buffer))).toBe(0);
    }
    await file.close();
  });

  test('a signal that fires during one tensor is heard before the next', async () => {
    await writeSafetensors(single(), sourcesOf(untied));
    const controller = new AbortController();
    const reason = new Error('enough');
    const values = FlatBuffer.alloc(untied.length);
    const view = values.view.bind(values);
    let read = 0;
    values.view = (...range: Parameters<typeof view>) => {
      if (++read === 3) controller.abort(reason);
      return view(...range);
    };
    await expect(readCheckpoint(folder, configOf(untied), values, { signal: controller.signal })).rejects.toMatchObject(
      {
        code: 'SOUL_CANCELLED',
        cause: reason,
        details: { folder },
      },
    );
    expect(read).toBe(3);
  });

  test('shards with an index', async () => {
    const sources = sourcesOf(untied);
    await writeSafetensors(join(folder, 'model-00001-of-00002.safetensors'), sources.slice(0, 9));
    await writeSafetensors(join(folder, 'model-00002-of-00002.safetensors'), sources.slice(9));
    const weight_map = Object.fromEntries(
      sources.map(({ name }, i) => [name, `model-0000${i < 9 ? 1 : 2}-of-00002.safetensors`]),
    );
    await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map }));
    expect([...(await read(untied))]).toEqual([...valuesFor(untied)]);
    await rm(join(folder, 'model-00002-of-00002.safetensors'));
    await expect(read(untied)).rejects.toMatchObject({
      code: 'SOUL_NOT_FOUND',
      message: expect.stringMatching(/00002-of-00002/),
    });
  });

  test.each(['{', '{}', '{"weight_map": {}}', '{"weight_map": {"a": "../b.safetensors"}}', '{"weight_map": {"a": 1}}'])(
    'a damaged index: %s',
    async (text) => {
      await writeFile(join(folder, 'model.safetensors.index.json'), text);
      await expect(read(untied)).rejects.toMatchObject({
        code: 'SOUL_BAD_FILE',
        message: expect.stringMatching(/index\.json/),
      });
    },
  );

  test('bfloat16 and float16 are widened exactly', async () => {
    const sources = sourcesOf(untied).map((source, i): SafetensorsSource => {
      const values = source.data as Float32Array;
      const bits = new Uint32Array(values.slice().buffer);
      const bfloat = i % 2 === 0;
      const half = (x: number) =>
        x === 0 ? 0 : ((x >>> 16) & 0x8000) | ((((x >>> 23) & 255) - 112) << 10) | ((x >>> 13) & 1023);
      const data = Uint16Array.from(bits, (x) => (bfloat ? x >>> 16 : half(x)));
      return { ...source, dtype: bfloat ? 'BF16' : 'F16', data };
    });
    await writeSafetensors(single(), sources);
    expect([...(await read(untied))]).toEqual([...valuesFor(untied)]);
  });

  test('into bfloat16 numbers are rounded to the nearest, and written as they are', async () => {
    // Halfway between two numbers of bfloat16, and a little off: the even one, and the nearer one.
    const odd = [1 + 2 ** -8, 1 + 3 * 2 ** -8, -(1 + 2 ** -8 + 2 ** -20), 3.1415927410125732];
    const sources = sourcesOf(untied).map((source, i): SafetensorsSource => {
      const data = (source.data as Float32Array).map((value, j) => (i === 0 ? odd[j % 4]! : value));
      return { ...source, data };
    });
    await writeSafetensors(single(), sources);
    const values = FlatBuffer.alloc(untied.length, { dtype: 'bf16' });
    await readCheckpoint(folder, configOf(untied), values);
    const expected = valuesFor(untied);
    const { offset, shape } = untied.get(sources[0]!.name)!;
    for (let i = 0; i < sizeOf(shape); i++) expected[offset + i] = nearestBfloat16(odd[i % 4]!);
    expect(Array.from(values.array, bfloat16Value)).toEqual([...expected]);

    await writeCheckpoint(folder, untied, values);
    const file = await openSafetensors(single());
    expect(new Set([...file.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['BF16']));
    await file.close();
    const again = FlatBuffer.alloc(untied.length, { dtype: 'bf16' });
    await readCheckpoint(folder, configOf(untied), again);
    expect([...again.array]).toEqual([...values.array]);
    expect([...(await read(untied))]).toEqual([...expected]);
  });

  test('a tied output layer is compared after rounding', async () => {
    const sources = sourcesOf(tied);
    const embedding = sources.find(({ name }) => name === 'model.embed_tokens.weight')!;
    const near = (embedding.data as Float32Array).map((value) => value * (1 + 2 ** -12));
    await writeSafetensors(single(), [...sources, { ...embedding, name: 'lm_head.weight', data: near }]);
    await readCheckpoint(folder, configOf(tied), FlatBuffer.alloc(tied.length, { dtype: 'bf16' }));
    await expect(read(tied)).rejects.toMatchObject({ message: expect.stringMatching(/lm_head\.weight differs/) });
  });

  test('special half-precision numbers', () => {
    const bits = Uint16Array.of(0x0001, 0x03ff, 0x0400, 0x3c00, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00, 0x8000);
    const values = widenHalf(new Uint8Array(bits.buffer));
    const { POSITIVE_INFINITY, NEGATIVE_INFINITY, NaN: nan } = Number;
    const expected = [
      2 ** -24,
      1023 * 2 ** -24,
      2 ** -14,
      1,
      65504,
      -65504,
      POSITIVE_INFINITY,
      NEGATIVE_INFINITY,
      nan,
      -0,
    ];
    expect([...values]).toEqual(expected);
  });

  test('weights that are missing, extra or of another shape are all named', async () => {
    const sources = sourcesOf(untied).filter(({ name }) => name !== 'model.layers.1.mlp.up_proj.weight');
    const wrong = sources.findIndex(({ name }) => name === 'model.norm.weight');
    sources[wrong] = { ...sources[wrong]!, shape: [2, 4] };
    sources.push({ name: 'model.layers.2.mlp.up_proj.weight', dtype: 'F32', shape: [1], data: new Float32Array(1) });
    await writeSafetensors(single(), sources);
    const error = await read(untied).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'SOUL_BAD_FILE',
      details: {
        problems: [
          'model.layers.1.mlp.up_proj.weight is missing',
          'model.norm.weight has shape [2,4], but config.json gives [8]',
          'model.layers.2.mlp.up_proj.weight is not part of this model',
        ],
      },
    });
  });

  test('buffers that are computed may stand in the file', async () => {
    const buffer = new Float32Array(2);
    const name = 'model.layers.0.self_attn.rotary_emb.inv_freq';
    await writeSafetensors(single(), [...sourcesOf(untied), { name, dtype: 'F32', shape: [2], data: buffer }]);
    expect([...(await read(untied))]).toEqual([...valuesFor(untied)]);
  });

  test('a tied model may carry its output layer when it is the embedding', async () => {
    const sources = sourcesOf(tied);
    const embedding = sources.find(({ name }) => name === 'model.embed_tokens.weight')!;
    const head = { ...embedding, name: 'lm_head.weight' };
    await writeSafetensors(single(), [...sources, head]);
    expect([...(await read(tied))]).toEqual([...valuesFor(tied)]);
    const other = (embedding.data as Float32Array).slice();
    other[3]! += 1;
    await writeSafetensors(single(), [...sources, { ...head, data: other }]);
    await expect(read(tied)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(/lm_head\.weight differs/),
    });
  });

  test('an element type that is no weight', async () => {
    const [first, ...rest] = sourcesOf(untied);
    const whole = new BigInt64Array(sizeOf(first!.shape));
    await writeSafetensors(single(), [{ ...first!, dtype: 'I64', data: whole }, ...rest]);
    await expect(read(untied)).rejects.toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringMatching(/embed_tokens\.weight is I64/),
    });
  });

  test('a file that was cut off, and none at all', async () => {
    await writeCheckpoint(folder, untied, FlatBuffer.from(valuesFor(untied)));
    await truncate(single(), (await readFile(single())).length - 5);
    await expect(read(untied)).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    await rm(single());
    await expect(read(untied)).rejects.toMatchObject({
      code: 'SOUL_NOT_FOUND',
      message: expect.stringMatching(/has no model\.safetensors: /),
    });
    await writeFile(join(folder, 'pytorch_model.bin'), '');
    await expect(read(untied)).rejects.toMatchObject({ message: expect.stringMatching(/convert it to safetensors/) });
  });
});
