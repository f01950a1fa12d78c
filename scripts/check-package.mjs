// Packs the package with its prebuilt addon (npm run prebuild), installs it into an empty project, and uses it there as a
// user would: import, require, the command; first with no compiler in reach, then with an addon built there.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arch, env, execPath, platform } from 'node:process';
import { fileURLToPath } from 'node:url';
import { makeToolFolder } from './tool-folder.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'soul-package-'));
const prebuilt = join('prebuilds', `${platform}-${arch}`, 'node.napi.glibc.node');
const largest = 20e6;

function run(command, words, options = {}) {
  const result = spawnSync(command, words, { cwd: project, encoding: 'utf8', ...options });
  if (result.status !== 0) {
    console.error(`${command} ${words.join(' ')}\n${result.stdout}${result.stderr}`);
    throw new Error(`${command} ${words[0]} exited with ${result.status}`);
  }
  return result.stdout;
}

/** An environment whose PATH holds node, npm and what their scripts call, and nothing that could build an addon. */
function withoutCompilers() {
  const needed = ['npm', 'npx', 'sh', 'env', 'uname', 'basename', 'dirname', 'sed', 'cat', 'ls'];
  const folder = makeToolFolder(join(project, 'bin'), needed);
  symlinkSync(execPath, join(folder, 'node'));
  const bare = { ...env, PATH: folder };
  for (const tool of ['cc', 'c++', 'g++', 'clang++', 'make', 'ninja', 'cmake', 'python3', 'nvcc']) {
    const { error } = spawnSync(tool, ['--version'], { env: bare });
    if (error?.code !== 'ENOENT') throw new Error(`${tool} is still on the PATH`);
  }
  return bare;
}

const entries = ['.', './unsafe', './model', './torch', './data', './unlearn', './eval', './study'];
const step = `
  const values = FlatBuffer.from(new Float32Array([1, 2, 3]));
  const gradients = FlatBuffer.from(new Float32Array([1, -1, 0.5]));
  const sophia = new Sophia({ values, gradients }, { learningRate: 0.5, rho: 0.04, weightDecay: 0 });
  sophia.step().then(({ step }) => {
    if (step !== 1 || values.array.join() !== '0.5,2.5,2.5') throw new Error('a step gave ' + values.array.join());
  });
`;

/** Uses the installed package in every way, and says where its addon was loaded from. */
function use(options = {}) {
  run('node', ['user.mjs'], options);
  run('node', ['user.cjs'], options);
  run('npx', ['--no-install', 'soul', '--help'], options);
  const { addon } = JSON.parse(run('npx', ['--no-install', 'soul', 'doctor', '--json'], options));
  if (!addon.loaded) throw new Error(`the installed package does not load its addon: ${addon.error}`);
  return addon.path;
}

function expectPath(found, part) {
  if (!found.includes(part)) throw new Error(`the addon was loaded from ${found}, not from ${part}`);
}

try {
  const carries = existsSync(join(root, prebuilt));
  if (!carries && platform === 'linux') throw new Error(`there is no ${prebuilt}; make it with: npm run prebuild`);
  if (!existsSync(join(root, 'dist', 'cli', 'main.js'))) {
    throw new Error('there is no dist/cli/main.js, which the package must hold; make it with: npm run build:dist');
  }
  const [{ filename, size }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], { cwd: root }),
  );
  writeFileSync(join(project, 'package.json'), '{ "name": "user", "private": true }');
  const imports = entries.map((entry) => `await import('soul-unlearn${entry.slice(1)}');`).join('\n');
  writeFileSync(join(project, 'user.mjs'), `${imports}\nimport { FlatBuffer, Sophia } from 'soul-unlearn';${step}`);
  writeFileSync(join(project, 'user.cjs'), `const { FlatBuffer, Sophia } = require('soul-unlearn');${step}`);
  const bare = carries ? { env: withoutCompilers() } : {};
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', join(project, filename)], bare);
  console.log(`${filename}: ${(size / 1e6).toFixed(2)} MB`);
  if (carries) {
    expectPath(use(bare), 'prebuilds');
    const bytes = statSync(join(project, 'node_modules', 'soul-unlearn', prebuilt)).size;
    console.log(
      `with its prebuilt addon of ${(bytes / 1e6).toFixed(2)} MB: imports, requires and steps without a compiler`,
    );
    if (bytes > largest) throw new Error(`the prebuilt addon is larger than ${largest / 1e6} MB`);
  }
  // Whether it builds is asked here; how fast it is, elsewhere.
  const force = carries ? ['--force'] : [];
  run('npx', ['--no-install', 'soul', 'addon', 'build', ...force], { env: { ...env, CXXFLAGS: '-O0' } });
  expectPath(use(), join('build', 'Release'));
  console.log('with an addon built there: imports, requires and steps');
} finally {
  rmSync(project, { recursive: true, force: true });
}
