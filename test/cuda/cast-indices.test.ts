import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import { emulatedDriver } from './set-up.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'soul-cast-'));
const program = join(folder, 'cast-indices');

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a cast rounds elements by the random bits of their 64-bit index', () => {
  const [compiler = 'c++', ...words] = (process.env.CXX ?? 'c++').split(' ');
  const run = (command: string, given: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(command, given, { cwd: root, encoding: 'utf8' });
    return { status, output: `${stdout}${stderr}` };
  };
  const flags = ['-std=c++20', '-O1', '-Inative', '-ffp-contract=off', `-Wl,-rpath,${dirname(emulatedDriver)}`];
  const source = 'test/native/cast_indices.cpp';
  expect(run(compiler, [...words, ...flags, source, emulatedDriver, '-o', program])).toEqual({ status: 0, output: '' });
  const { status, output } = run(program, []);
  expect(output).toBe('24036 elements\n');
  expect(status).toBe(0);
});
