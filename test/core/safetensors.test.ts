import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { SoulError } from '../../lib/core/errors.ts';
import { openSafetensors, type SafetensorsSource, writeSafetensors } from '../../lib/core/safetensors.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: SoulError) => error.code,
  );
}

/** A file with this header text (and claimed length) before `data` zero bytes. */
async function fileOf(header: string | Uint8Array, data = 0, claimed?: bigint): Promise<string> {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + data);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(json.length), true);
  bytes.set(json, 8);
  const path = join(folder, 'hostile.safetensors');
  await writeFile(path, bytes);
  return path;
}

describe('round trip', () => {
  test('every dtype, scalars, empty tensors, odd names', async () => {
    const path = join(folder, 'all.safetensors');
    const shared = new Float32Array(new SharedArrayBuffer(12));
    shared.set([1, 2, 3]);
    const tensors: SafetensorsSource[] = [
      { name: 'bool', dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) },
      { name: 'f32', dtype: 'F32', shape: [3, 1], data: shared },
      { name: 'bf16', dtype: 'BF16', shape: [1], data: Uint16Array.of(0x3f80) },
      { name: 'f64', dtype: 'F64', shape: [2], data: () => Float64Array.of(1, Math.PI) },
      { name: 'i64', dtype: 'I64', shape: [], data: async () => BigInt64Array.of(-5n) },
      { name: 'none', dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
      { name: 'a "name" \u00e9\n', dtype: 'I8', shape: [1], data: Int8Array.of(-1) },
    ];
    await writeSafetensors(path, tensors, { by: 'a test', 'key 2': '' });
    const file = await openSafetensors(path);
    expect(file.metadata).toEqual({ by: 'a test', 'key 2': '' });
    expect([...file.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
    for (const { name, dtype, shape, data } of tensors) {
      const view = (typeof data === 'function' ? await data() : data) as ArrayBufferView;
      const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      expect(file.tensors.get(name)).toEqual({ dtype, shape, byteLength: bytes.length });
      expect(await file.read(name)).toEqual(Uint8Array.from(bytes));
    }
    const target = new Float32Array(3);
    await file.readInto('f32', target);
    expect([...target]).toEqual([1, 2, 3]);
    expect(await codeOf(file.readInto('f32', new Float32Array(2)))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(file.read('other'))).toBe('SOUL_INVALID_ARGUMENT');
    const gone = new Float32Array(3);
    structuredClone(0, { transfer: [gone.buffer] });
    expect(await codeOf(file.readInto('f32', gone))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(file.readInto('none', gone))).toBe('SOUL_DETACHED');
    await file.close();
    expect(await codeOf(file.readInto('f32', target))).toBe('SOUL_FILE_SYSTEM');
    expect(await codeOf(file.read('f32'))).toBe('SOUL_FILE_SYSTEM');
  });

  test('data in pieces, each written before the next is made', async () => {
    const path = join(folder, 'pieces.safetensors');
    const piece = new Uint8Array(2);
    const counting = (pieces: number) => ({
      name: 'a',
      dtype: 'U8' as const,
      shape: [6],
      data: async function* () {
        for (let i = 0; i < pieces; i++) {
          piece.set([2 * i, 2 * i + 1]);
          yield piece;
        }
      },
    });
    await writeSafetensors(path, [counting(3), { name: 'b', dtype: 'U8', shape: [1], data: Uint8Array.of(9) }]);
    const file = await openSafetensors(path);
    expect([...(await file.read('a')), ...(await file.read('b'))]).toEqual([0, 1, 2, 3, 4, 5, 9]);
    await file.close();
    for (const pieces of [2, 4]) {
      await expect(writeSafetensors(path, [counting(pieces)])).rejects.toThrow('6 bytes long');
    }
  });

  test('tensors are aligned in the file', async () => {
    const path = join(folder, 'aligned.safetensors');
    await writeSafetensors(path, [
      { name: 'a', dtype: 'U8', shape: [3], data: new Uint8Array(3) },
      { name: 'b', dtype: 'F64', shape: [1], data: new Float64Array(1) },
    ]);
    const bytes = await readFile(path);
    expect(Number(bytes.readBigUInt64LE(0)) % 8).toBe(0);
    const file = await openSafetensors(path);
    expect([...file.tensors.keys()]).toEqual(['b', 'a']);
    await file.close();
  });

  test('a write that fails leaves the old file and nothing beside it', async () => {
    const path = join(folder, 'kept', '..', 'kept.safetensors');
    await writeSafetensors(join(folder, 'kept.safetensors'), []);
    const before = await readdir(folder);
    const fail: SafetensorsSource = { name: 'a', dtype: 'F32', shape: [2], data: () => new Float32Array(3) };
    expect(await codeOf(writeSafetensors(join(folder, 'kept.safetensors'), [fail]))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await readdir(folder)).toEqual(before);
    expect(await codeOf(writeSafetensors(path, []))).toBe('no error');
    expect(await codeOf(writeSafetensors(join(folder, 'no', 'folder'), []))).toBe('SOUL_NOT_FOUND');
  });

  test('names used twice, bad shapes and dtypes are refused', async () => {
    const good: SafetensorsSource = { name: 'a', dtype: 'F32', shape: [1], data: new Float32Array(1) };
    const path = join(folder, 'never.safetensors');
    for (const bad of [
      [good, good],
      [{ ...good, name: '__metadata__' }],
      [{ ...good, shape: [-1] }],
      [{ ...good, shape: [1.5] }],
      [{ ...good, dtype: 'F4' as never }],
    ]) {
      expect(await codeOf(writeSafetensors(path, bad))).toBe('SOUL_INVALID_ARGUMENT');
    }
    expect(await readdir(folder)).not.toContain('never.safetensors');
  });
});

describe('hostile files', () => {
  const entry = (fields: object) =>
    JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields } });

  test.each([
    ['an empty header', '', 0],
    ['not JSON', '{"a":', 0],
    ['not an object', '[]', 0],
    ['null', 'null', 0],
    ['an entry that is null', '{"a":null}', 0],
    ['no shape', entry({ shape: undefined }), 8],
    ['a negative extent', entry({ shape: [-2] }), 8],
    ['a fractional extent', entry({ shape: [0.5, 4] }), 8],
    ['a shape that overflows', entry({ shape: [2 ** 52, 2 ** 52] }), 8],
    ['offsets that are no pair', entry({ data_offsets: [0] }), 8],
    ['offsets in the wrong order', entry({ data_offsets: [8, 0] }), 8],
    ['offsets beyond the file', entry({ shape: [20], data_offsets: [0, 80] }), 8],
    ['a size that does not fit the shape', entry({ shape: [3] }), 8],
    ['a gap before the first tensor', entry({ data_offsets: [8, 16] }), 16],
    ['bytes after the last tensor', entry({}), 16],
    ['a dtype that is no text', entry({ dtype: 8 }), 8],
    ['elements that end within a byte', entry({ dtype: 'F4', shape: [15] }), 8],
    ['a known dtype of another size', entry({ dtype: 'F6_E2M3', shape: [8] }), 8],
    ['an unknown dtype, offsets in the wrong order', entry({ dtype: 'F5', data_offsets: [8, 0] }), 8],
    ['metadata that is no object', '{"__metadata__":[]}', 0],
    ['metadata that is no text', '{"__metadata__":{"k":1}}', 0],
    [
      'tensors that overlap',
      '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}',
      6,
    ],
  ])('%s', async (_, header, data) => {
    expect(await codeOf(openSafetensors(await fileOf(header, data)))).toBe('SOUL_BAD_FILE');
  });

  test('lengths that lie', async () => {
    expect(await codeOf(openSafetensors(await fileOf('{}', 0, 2n ** 64n - 1n)))).toBe('SOUL_BAD_FILE');
    expect(await codeOf(openSafetensors(await fileOf('{}', 0, 100_000_001n)))).toBe('SOUL_BAD_FILE');
    expect(await codeOf(openSafetensors(await fileOf('{}', 0, 3n)))).toBe('SOUL_BAD_FILE');
    expect(await codeOf(openSafetensors(await fileOf(Uint8Array.of(0x7b, 0xff, 0x7d))))).toBe('SOUL_BAD_FILE');
    await writeFile(join(folder, 'short'), Uint8Array.of(1, 2, 3));
    expect(await codeOf(openSafetensors(join(folder, 'short')))).toBe('SOUL_BAD_FILE');
  });

  test.each([
    ['version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n', /is the pointer of Git LFS .*git lfs pull/],
    ['PK\x03\x04 and what else torch.save writes', /it is a ZIP archive, as torch.save writes them; convert it/],
    ['<!DOCTYPE html><html></html>', /is it a safetensors file\?/],
  ])('what is no safetensors file: %j', async (text, message) => {
    const path = join(folder, 'other.safetensors');
    await writeFile(path, text);
    await expect(openSafetensors(path)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(message),
    });
  });

  test('a file that is missing, a folder', async () => {
    expect(await codeOf(openSafetensors(join(folder, 'missing')))).toBe('SOUL_NOT_FOUND');
    expect(await codeOf(openSafetensors(folder))).toBe('SOUL_BAD_FILE');
  });
});

describe('what other writers write', () => {
  // Shapes and bytes that safetensors 0.8 takes, but for the last two, whose dtype it does not know.
  test.each<[string, number[], number]>([
    ['U64', [2], 16],
    ['C64', [1], 8],
    ['U32', [], 4],
    ['U16', [3], 6],
    ['F8_E4M3', [0], 0],
    ['F8_E5M2', [3], 3],
    ['F8_E8M0', [2], 2],
    ['F8_E4M3FNUZ', [1], 1],
    ['F8_E5M2FNUZ', [1], 1],
    ['F6_E2M3', [4], 3],
    ['F6_E3M2', [2, 4], 6],
    ['F4', [2, 3], 3],
    ['F5', [7], 5],
    ['toString', [2], 2],
  ])('a tensor of %s does not close the file', async (dtype, shape, byteLength) => {
    const header = {
      a: { dtype, shape, data_offsets: [0, byteLength] },
      b: { dtype: 'F32', shape: [1], data_offsets: [byteLength, byteLength + 4] },
    };
    const file = await openSafetensors(await fileOf(JSON.stringify(header), byteLength + 4));
    expect(file.tensors.get('a')).toEqual({ dtype, shape, byteLength });
    expect((await file.read('a')).length).toBe(byteLength);
    expect([...(await file.read('b'))]).toEqual([0, 0, 0, 0]);
    await file.close();
  });

  test('metadata that is null is none', async () => {
    const file = await openSafetensors(await fileOf('{"__metadata__":null}'));
    expect(file.metadata).toEqual({});
    await file.close();
  });

  test('spaces after the header are fine, as other writers pad it', async () => {
    const file = await openSafetensors(await fileOf('{}      '));
    expect(file.tensors.size).toBe(0);
    await file.close();
  });
});
