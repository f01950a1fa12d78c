// Makes a checkout ready: checks what a build needs, builds the addon, installs the engine. What is there already stays.
//
//   node scripts/setup.mjs                      everything; a missing engine is an error
//   node scripts/setup.mjs --engine optional    a missing engine is a warning (unless SOUL_REQUIRE_ENGINE=1)
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findCompiler } from './build-addon.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const engineOptional = process.argv.includes('optional') && process.env.SOUL_REQUIRE_ENGINE !== '1';

function run(command, words, options = {}) {
  // What set-up says goes to stderr: stdout belongs to the command that follows.
  return spawnSync(command, words, { cwd: root, stdio: ['ignore', 2, 2], ...options });
}

function succeeds(command, ...words) {
  return spawnSync(command, words, { stdio: 'ignore' }).status === 0;
}

function stop(sentence) {
  console.error(`setup: ${sentence}`);
  process.exit(1);
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19))
  stop(`Node ${process.versions.node} is too old; install Node 20.19 or newer.`);
for (const [tool, hint] of [
  ['make', 'Debian: apt install make; macOS: xcode-select --install'],
  ['python3', 'node-gyp needs it, and libtorch is fetched with its pip; Debian: apt install python3 python3-pip'],
]) {
  if (!succeeds(tool, '--version')) stop(`${tool} was not found; install it (${hint}).`);
}
if (!findCompiler())
  stop(
    'No C++20 compiler was found; install g++ 11 or clang 14 (Debian: apt install g++; macOS: xcode-select --install).',
  );

if (run(process.execPath, ['scripts/build-addon.mjs']).status !== 0) process.exit(1);

const engineInstalled =
  run(process.execPath, ['--import', 'tsx', 'lib/cli/main.ts', 'engine', 'status', '--quiet'], { stdio: 'ignore' })
    .status === 0;
if (!engineInstalled) {
  // It says itself what it lacks: pip, the network, space.
  const { status } = run(process.execPath, ['--import', 'tsx', 'lib/cli/main.ts', 'engine', 'install']);
  if (status !== 0) {
    if (!engineOptional) stop('The libtorch engine could not be installed.');
    console.error('setup: going on without the libtorch engine; tests that need it will be skipped.');
  }
}
