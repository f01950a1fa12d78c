// Packs the whole suite into one file for a GPU machine that has Python with a CUDA PyTorch, nvcc, cmake and a C++ compiler,
// but neither Node nor a network: a Node runtime, the sources, the packages that tests and benchmarks need, and the kernels
// for every architecture. Linux; needs nvcc, tar, xz and readelf.
//
//   npm run bundle                       writes build-bundle/soul-unlearn-linux-x64.tar.xz
//   npm run bundle -- --out FILE
//
// There:  python3 -m tarfile -e soul-unlearn-linux-x64.tar.xz && bash soul-unlearn/run.sh
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { arch, env, execPath, exit, platform, version } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildDeviceCode } from './build-device-code.mjs';
import { problemOfProgram } from './check-symbols.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const largest = 60e6;
const folders = ['native', 'lib', 'test', 'bench', 'examples', 'scripts'];
const files = ['package.json', 'tsconfig.json', 'jest.config.mjs', 'CMakeLists.txt', 'binding.gyp', 'LICENSE'];
/** What runs tests and benchmarks and builds the addons, beside the package's own dependencies. */
const tools = ['jest', '@jest/globals', '@swc/core', '@swc/jest', 'tsx', 'fast-check', 'cmake-js', 'node-api-headers'];
/** Of packages, what nothing runs. */
const unneeded = /\.(map|d\.[cm]?ts|md|markdown|flow)$|[/\\](docs|examples?|\.github)[/\\]/i;

function run(command, words, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, words, { cwd: root, encoding: 'utf8', ...options });
  if (status === 0) return stdout;
  throw new Error(`${command} ${words.join(' ')} failed: ${error?.message ?? stderr}`);
}

/** The files of the checkout that belong to the bundle: git's, and new ones that git does not ignore. */
function sourceFiles() {
  const listed = run('git', [
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
    '--',
    ...folders,
    ...files,
  ]);
  return [...new Set(listed.split('\0'))].filter((name) => name !== '' && existsSync(join(root, name)));
}

/** The folders of `names` and of all that they depend on, as Node finds them. */
function packageFolders(names) {
  const found = new Set();
  const search = (name, from) => {
    for (let folder = from; ; folder = dirname(folder)) {
      const candidate = join(folder, 'node_modules', name);
      if (existsSync(join(candidate, 'package.json'))) return candidate;
      if (folder === resolve(root)) return undefined;
    }
  };
  const visit = (name, from, optional) => {
    const folder = search(name, from);
    if (folder === undefined) {
      if (optional) return;
      throw new Error(`the package ${name} is not installed; run: npm ci`);
    }
    // One C library is enough.
    if (found.has(folder) || /-musl(eabihf)?$/.test(name)) return;
    found.add(folder);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    );
    for (const each of Object.keys(dependencies)) visit(each, folder, each in optionalDependencies);
    for (const each of Object.keys(optionalDependencies)) visit(each, folder, true);
  };
  for (const name of names) visit(name, resolve(root), false);
  return [...found];
}

function copyPackages(target) {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const folder of packageFolders([...Object.keys(dependencies), ...tools])) {
    cpSync(folder, join(target, relative(root, folder)), {
      recursive: true,
      // Packages within are visited by themselves, where they are needed.
      filter: (source) => {
        const inside = relative(folder, source);
        return !inside.split(sep).includes('node_modules') && !unneeded.test(`${sep}${inside}`);
      },
    });
  }
}

/** The running Node, without symbols where the tools to take them out are here. */
function copyNode(target) {
  const problem = problemOfProgram(execPath);
  if (problem !== undefined) {
    throw new Error(`${execPath} does not run on other systems: ${problem}; bundle with a Node of nodejs.org.`);
  }
  mkdirSync(dirname(target), { recursive: true });
  cpSync(execPath, target, { dereference: true });
  spawnSync('strip', [target], { stdio: 'ignore' });
  chmodSync(target, 0o755);
  if (run(target, ['--version']).trim() !== version) throw new Error('the stripped Node does not run');
}

/** ninja, for a machine with cmake but without make. */
function copyNinja(target) {
  const place = (env.PATH ?? '')
    .split(':')
    .map((folder) => join(folder, 'ninja'))
    .find((file) => existsSync(file));
  const problem = place === undefined ? 'there is none' : problemOfProgram(place);
  if (problem !== undefined) {
    console.error(`bundle: without ninja (${problem}); the GPU machine then needs make`);
    return;
  }
  mkdirSync(dirname(target), { recursive: true });
  cpSync(place, target, { dereference: true });
}

const runScript = `#!/usr/bin/env bash
# Builds, tests, checks and measures soul-unlearn on this machine; see --help.
set -u
here=$(cd "$(dirname "\${BASH_SOURCE[0]}")" && pwd)
# What the machine has itself goes first.
export PATH="$PATH:$here/node/bin:$here/tools"
exec "$here/node/bin/node" "$here/package/scripts/run-bundle.mjs" "$@"
`;

try {
  const { values } = parseArgs({ options: { out: { type: 'string' } } });
  if (platform !== 'linux') throw new Error(`the bundle is for Linux, but this is ${platform}`);
  for (const [tool, hint] of [
    ['tar', 'apt install tar'],
    ['xz', 'apt install xz-utils'],
    ['git', 'apt install git'],
  ]) {
    if (spawnSync(tool, ['--version'], { stdio: 'ignore' }).status !== 0) {
      throw new Error(`${tool} was not found; install it (Debian: ${hint}).`);
    }
  }
  const out = resolve(values.out ?? join(root, 'build-bundle', `soul-unlearn-${platform}-${arch}.tar.xz`));
  const deviceCode = await buildDeviceCode();
  const stage = mkdtempSync(join(tmpdir(), 'soul-bundle-'));
  try {
    const bundle = join(stage, 'soul-unlearn');
    const target = join(bundle, 'package');
    for (const name of sourceFiles()) cpSync(join(root, name), join(target, name));
    copyPackages(target);
    // A second copy of the program of @esbuild/linux-x64.
    rmSync(join(target, 'node_modules', 'esbuild', 'bin'), { recursive: true, force: true });
    cpSync(deviceCode.folder, join(target, 'build-cuda', 'device-code'), { recursive: true });
    copyNode(join(bundle, 'node', 'bin', 'node'));
    copyNinja(join(bundle, 'tools', 'ninja'));
    writeFileSync(join(bundle, 'run.sh'), runScript, { mode: 0o755 });
    const changed = run('git', ['status', '--porcelain', '--', ...folders, ...files]).trim() !== '';
    writeFileSync(
      join(bundle, 'bundle.json'),
      `${JSON.stringify(
        {
          commit: `${run('git', ['rev-parse', 'HEAD']).trim()}${changed ? ', with changes' : ''}`,
          made: new Date().toISOString(),
          node: version,
          deviceCode: { nvcc: deviceCode.nvcc.version, architectures: deviceCode.architectures },
        },
        undefined,
        2,
      )}\n`,
    );
    mkdirSync(dirname(out), { recursive: true });
    run('tar', [
      '--sort=name',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '-I',
      'xz -6 -T0',
      '-C',
      stage,
      '-cf',
      out,
      'soul-unlearn',
    ]);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
  const { size } = statSync(out);
  console.log(`${out}: ${(size / 1e6).toFixed(1)} MB`);
  if (size > largest) throw new Error(`the bundle is larger than ${largest / 1e6} MB`);
} catch (error) {
  console.error(`bundle: ${error.message}`);
  exit(1);
}
