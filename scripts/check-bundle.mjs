// Unpacks the bundle (npm run bundle) into an empty folder and runs it there in short, on emulated devices: with nothing of
// this checkout, its variables or its tools in reach but what a GPU machine has, so that what was left out of it shows.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process, { arch, platform } from 'node:process';
import { fileURLToPath } from 'node:url';
import { findTool, makeToolFolder } from './tool-folder.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const file = join(root, 'build-bundle', `soul-unlearn-${platform}-${arch}.tar.xz`);
const tools = ['bash', 'sh', 'env', 'dirname', 'uname', 'cat', 'mkdir', 'rm', 'cmake', 'make', 'python3', 'as', 'ld'];
/** Of the tests, some that run fast and still reach all parts. */
const tests = ['casts', 'doctor', 'sanitizer-program'];

/** A compiler for a trial: what it builds is there sooner, and slower. */
function addCompiler(folder) {
  const compiler = findTool('g++') ?? findTool('c++');
  if (compiler === undefined) throw new Error('no C++ compiler was found');
  const text = `#!/bin/sh\nexec ${compiler} "$@" -O1\n`;
  for (const name of ['c++', 'g++']) writeFileSync(join(folder, name), text, { mode: 0o755 });
}

const folder = mkdtempSync(join(tmpdir(), 'soul-bundle-'));
try {
  if (!existsSync(file)) throw new Error(`there is no ${file}; make it with: npm run bundle`);
  const unpacked = spawnSync('tar', ['-xJf', file, '-C', folder], { encoding: 'utf8' });
  if (unpacked.status !== 0) throw new Error(`the bundle could not be unpacked: ${unpacked.stderr}`);
  const path = makeToolFolder(join(folder, 'bin'), tools);
  addCompiler(path);
  const home = join(folder, 'home');
  mkdirSync(home);
  const words = ['run.sh', '--emulated', '--only', 'tests', '--tests', tests.join(','), '--minutes', '8'];
  const { status, stdout, stderr } = spawnSync(join(path, 'bash'), words, {
    cwd: join(folder, 'soul-unlearn'),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { PATH: path, HOME: home, OUT: join(folder, 'results') },
  });
  if (status !== 0) {
    spawnSync('tail', ['-n', '100', join(folder, 'results', 'log.txt')], { stdio: ['ignore', 2, 2] });
    throw new Error(`run.sh ended with ${status}:\n${stdout}${stderr}`);
  }
  console.log(stdout.trim());
} catch (error) {
  console.error(`check-bundle: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
