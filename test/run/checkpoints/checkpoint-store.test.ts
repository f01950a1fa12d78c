import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../../lib/index.ts';
import { CheckpointStore, holdsCheckpoints } from '../../../lib/run/checkpoints/checkpoint-store.ts';

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'soul-checkpoints-')), 'checkpoints');
});
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }));

const bitsOf = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
const progress = (value: number) => ({
  state: { step: value, nested: [null, true, 'é'] },
  buffers: { values: FlatBuffer.from(Float32Array.of(value, -0)) },
});
const write = (store: CheckpointStore, steps: number, keep = 9, pinned?: string) =>
  store.write(steps, { run: { steps }, progress: progress(steps) }, { keep, pinned });
const damagedBy = async (work: (path: string) => Promise<void>) => {
  const store = await CheckpointStore.open(folder);
  await write(store, 1);
  await write(store, 2);
  await work(store.newest!);
  const notes: string[] = [];
  const found = await (await CheckpointStore.open(folder)).newestWhole(({ message }) => notes.push(message));
  return { found, notes };
};

describe('checkpoints', () => {
  test('give back every bit of memory of every dtype, larger than a piece too', async () => {
    const large = FlatBuffer.alloc(2 ** 22 + 5);
    const { array } = large;
    for (let i = 0; i < array.length; i++) array[i] = i / 7;
    // NaN with a payload, -0, the smallest number.
    const odd = new Uint32Array([0x7fc12345, 0x80000000, 1]);
    const buffers = {
      large,
      'a name / with “signs”': FlatBuffer.from(new Float32Array(odd.buffer)),
      halves: FlatBuffer.from(Uint16Array.of(0x7f81, 0x8000, 3)),
      mask: FlatBuffer.from(Uint8Array.of(255, 0, 7)),
      floats: Float32Array.of(Number.NaN, -0, 1e-45),
      nothing: FlatBuffer.alloc(0),
    };
    const store = await CheckpointStore.open(folder);
    await store.write(7, { run: { seed: '1' }, progress: { state: [1], buffers } }, { keep: 1 });
    const found = (await (await CheckpointStore.open(folder)).newestWhole(() => {}))!;
    expect([found.run, found.kept!.state]).toEqual([{ seed: '1' }, [1]]);
    for (const [name, buffer] of Object.entries(buffers)) {
      expect(found.kept!.lengthOf(name)).toBe(buffer.length);
      const target =
        buffer instanceof FlatBuffer
          ? FlatBuffer.alloc(buffer.length, { dtype: buffer.dtype })
          : new Float32Array(buffer.length);
      await found.kept!.readInto(name, target);
      const arrays = [target, buffer].map((each) => (each instanceof FlatBuffer ? each.array : each));
      expect(bitsOf(arrays[0]!).equals(bitsOf(arrays[1]!))).toBe(true);
    }
    expect(found.kept!.lengthOf('other')).toBeUndefined();
    await expect(found.kept!.readInto('mask', FlatBuffer.alloc(3))).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
  });

  test.each<[string, (path: string) => Promise<void>, RegExp]>([
    [
      'a flipped bit in the memory',
      async (path) => {
        const file = join(path, 'buffers.safetensors');
        const bytes = await readFile(file);
        bytes[bytes.length - 1]! ^= 4;
        await writeFile(file, bytes);
      },
      /buffers\.safetensors is no longer what was written/,
    ],
    [
      'a changed digit',
      async (path) => {
        const file = join(path, 'checkpoint.json');
        await writeFile(file, (await readFile(file, 'utf8')).replace('"steps": 2', '"steps": 3'));
      },
      /checkpoint\.json is no longer what was written/,
    ],
    ['memory cut short', (path) => truncate(join(path, 'buffers.safetensors'), 90), /has 90 bytes, where \d+ were/],
    ['no memory', (path) => rm(join(path, 'buffers.safetensors')), /buffers\.safetensors is missing/],
    ['no hashes', (path) => rm(join(path, 'SHA256SUMS')), /SHA256SUMS cannot be read/],
    ['hashes cut short', (path) => truncate(join(path, 'SHA256SUMS'), 100), /has no hash of buffers/],
  ])('that are damaged are passed over: %s', async (_, damage, message) => {
    const { found, notes } = await damagedBy(damage);
    expect(found).toMatchObject({ run: { steps: 1 } });
    expect(notes).toEqual([expect.stringMatching(message)]);
  });

  test('of which none is whole are refused, each named; what is unfinished is no checkpoint', async () => {
    const store = await CheckpointStore.open(folder);
    expect(await store.newestWhole(() => {})).toBeUndefined();
    for (const steps of [1, 2]) await rm(join(folder, await write(store, steps), 'SHA256SUMS'));
    await writeFile(join(folder, 'step-00000003-000003.tmp'), '');
    const again = await CheckpointStore.open(folder);
    expect(await readdir(folder)).not.toContain('step-00000003-000003.tmp');
    await expect(again.newestWhole(() => {})).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(/step-00000002-000002 is damaged.*step-00000001-000001 is damaged.*--overwrite/),
    });
  });

  test('of another format are refused, not passed over', async () => {
    const store = await CheckpointStore.open(folder);
    await write(store, 1);
    const path = join(folder, await write(store, 2));
    const file = join(path, 'checkpoint.json');
    await writeFile(file, (await readFile(file, 'utf8')).replace('"format": 1', '"format": 2'));
    const sums = await readFile(join(path, 'SHA256SUMS'), 'utf8');
    const { sha256 } = await import('../../../lib/run/checksums.ts');
    await writeFile(join(path, 'SHA256SUMS'), sums.replace(/^[0-9a-f]+/, await sha256(file)));
    await expect((await CheckpointStore.open(folder)).newestWhole(() => {})).rejects.toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringMatching(/format 2, .* reads format 1/),
    });
  });

  test('are kept as many as are asked for, the pinned one beside them; damaged ones go when there is a new one', async () => {
    const store = await CheckpointStore.open(folder);
    const first = await write(store, 1);
    for (const steps of [2, 3]) await write(store, steps, 2, first);
    const names = await readdir(folder);
    expect(names.sort()).toEqual([first, 'step-00000002-000002', 'step-00000003-000003']);
    await rm(join(store.newest!, 'checkpoint.json'));
    const again = await CheckpointStore.open(folder);
    expect((await again.newestWhole(() => {}))!.run).toEqual({ steps: 2 });
    // The steps that were lost are taken again: the new one counts as newer.
    expect(await write(again, 3, 2)).toBe('step-00000003-000004');
    expect((await readdir(folder)).sort()).toEqual(['step-00000002-000002', 'step-00000003-000004']);
  });

  test('that cannot be written leave the others as they are', async () => {
    const store = await CheckpointStore.open(folder);
    const name = await write(store, 1);
    const gone = { state: 1, buffers: { values: FlatBuffer.alloc(2) } };
    await gone.buffers.values.release();
    await expect(store.write(2, { run: 1, progress: gone }, { keep: 1 })).rejects.toMatchObject({
      message: expect.stringMatching(/^the checkpoint after 2 steps could not be written: .* was released/),
    });
    expect(await readdir(folder)).toEqual([name]);
    expect((await stat(join(folder, name))).isDirectory()).toBe(true);
  });

  test('of work before the first step are no reason to keep a folder', async () => {
    const store = await CheckpointStore.open(folder);
    await store.write(0, { run: 1 }, { keep: 1 });
    expect(await holdsCheckpoints(folder)).toBe(false);
    await write(store, 1);
    expect(await holdsCheckpoints(folder)).toBe(true);
  });
});
