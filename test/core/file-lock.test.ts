import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isLocked, lockedSince, lockFile } from '../../lib/core/file-lock.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-lock-'));
  file = join(folder, 'lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const busy = (process: number) =>
  expect.objectContaining({ code: 'SOUL_BUSY', details: expect.objectContaining({ process }) });

test('one lock excludes another, of this process too, until it is released', async () => {
  const lock = lockFile(file);
  expect(() => lockFile(file)).toThrow(busy(process.pid));
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ process: process.pid });
  lock.release();
  lock.release();
  lockFile(file).release();
});

test('a lock ends with its process, even where that is killed; until then another is told whose it is', async () => {
  const module = JSON.stringify(new URL('../../lib/core/file-lock.ts', import.meta.url).href);
  const program = `import(${module}).then(({ lockFile }) => {
    lockFile(${JSON.stringify(file)});
    console.log('locked');
    setInterval(() => {}, 1000);
  });`;
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  expect(() => lockFile(file)).toThrow(busy(child.pid!));
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  lockFile(file).release();
});

test('a pipe is not waited for', () => {
  execFileSync('mkfifo', [file]);
  expect(() => lockFile(file)).toThrow(expect.objectContaining({ code: 'SOUL_FILE_SYSTEM' }));
  expect(isLocked(file)).toBe(false);
  expect(lockedSince(file)).toBeUndefined();
});

test('whether a file is locked is told without a trace, of one that others wrote too', async () => {
  expect(isLocked(file)).toBe(false);
  expect(await readdir(folder)).toEqual([]);
  const lock = lockFile(file);
  const content = await readFile(file, 'utf8');
  await chmod(file, 0o444);
  expect(isLocked(file)).toBe(true);
  lock.release();
  expect(isLocked(file)).toBe(false);
  expect(await readFile(file, 'utf8')).toBe(content);
  // Asking leaves no lock behind.
  await chmod(file, 0o644);
  lockFile(file).release();
});

test('what cannot be locked is a typed error', () => {
  expect(() => lockFile(join(folder, 'nowhere', 'lock'))).toThrow(
    expect.objectContaining({ code: 'SOUL_FILE_SYSTEM' }),
  );
  expect(() => lockFile(3 as never)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
  expect(isLocked(folder)).toBe(false);
});
