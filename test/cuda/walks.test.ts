import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('every element has one thread and its own draw, of ranges beyond 2^31 and 2^32 too; a NaN of a GPU stays one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'soul-walks-'));
  try {
    const program = join(folder, 'walks');
    const [compiler = 'c++', ...words] = (process.env.CXX ?? 'c++').split(' ');
    const source = 'test/native/walks/walks.cpp';
    const checks = ['-fsanitize=undefined', '-fno-sanitize-recover=all'];
    const flags = [
      '-std=c++20',
      '-O1',
      '-Wall',
      '-Wextra',
      '-Wno-unknown-pragmas',
      '-Inative',
      '-Itest/native/walks',
      ...checks,
    ];
    const built = spawnSync(compiler, [...words, ...flags, source, '-o', program], { cwd: root, encoding: 'utf8' });
    expect([built.stderr, built.status]).toEqual(['', 0]);
    const { stdout, status } = spawnSync(program, { encoding: 'utf8' });
    expect([stdout, status]).toEqual(['0 wrong\n', 0]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
