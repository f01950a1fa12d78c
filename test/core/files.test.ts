import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeFolders } from '../../lib/core/files.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-files-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('makeFolders', () => {
  it('makes what lacks, several at once too, and is content with what is there', async () => {
    const deep = join(folder, 'a', 'b', 'c');
    await Promise.all([1, 2, 3, 4].map(() => makeFolders(deep)));
    expect((await stat(deep)).isDirectory()).toBe(true);
    await makeFolders(deep);
    await makeFolders('.');
  });

  it('takes no file for a folder', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(makeFolders(join(folder, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeFolders(join(folder, 'file', 'x', 'y'))).rejects.toMatchObject({
      code: 'ENOTDIR',
      syscall: 'mkdir',
    });
  });

  (existsSync('/proc/self') ? it : it.skip)('ends in a file system that makes none', async () => {
    await expect(makeFolders('/proc/none-there/x')).rejects.toMatchObject({ code: 'ENOENT', syscall: 'mkdir' });
  });
});
