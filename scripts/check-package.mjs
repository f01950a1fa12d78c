// Packs the package with its prebuilt addon (npm run prebuild), installs it into an empty project, and uses it there as a
// user would: import, require, the command; first with no compiler in reach, then with an addon built there.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arch, env, execPath, platform } from 'node:process';
import { fileURLToPath } from 'node:url';
import { problemsOfLinks } from './check-links.mjs';
import { oldestTypeScript, problemsOfTypes } from './check-package-types.mjs';
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

const entries = [
  '.',
  './unsafe',
  './model',
  './torch',
  './data',
  './unlearn',
  './eval',
  './run',
  './study',
  './report',
];
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
  for (const name of ['soul', 'soul-unlearn']) run('npx', ['--no-install', name, '--help'], options);
  const { addon } = JSON.parse(run('npx', ['--no-install', 'soul', 'doctor', '--json'], options));
  if (!addon.loaded) throw new Error(`the installed package does not load its addon: ${addon.error}`);
  return addon.path;
}

function expectPath(found, part) {
  if (!found.includes(part)) throw new Error(`the addon was loaded from ${found}, not from ${part}`);
}

/** The types compile for whoever uses them, by the oldest TypeScript that is supported and by the checkout's. */
function checkTypes(quiet) {
  const oldest = `oldest@npm:typescript@${oldestTypeScript}`;
  run('npm', ['install', ...quiet, '--no-save', '--ignore-scripts', '@types/node@20', oldest]);
  for (const typescript of [join(project, 'node_modules', 'oldest'), join(root, 'node_modules', 'typescript')]) {
    const problems = problemsOfTypes(project, typescript);
    if (problems.length > 0) throw new Error(`the types do not compile with ${typescript}:\n${problems.join('\n')}`);
  }
  console.log(`types: compile with TypeScript ${oldestTypeScript} and the checkout's, libraries checked`);
}

/** A bundle works with the package outside it, and says so in a sentence where the package is in it. */
function checkBundles() {
  const bundle = (folder, ...words) => {
    mkdirSync(join(project, folder));
    const out = join(project, folder, 'bundle.mjs');
    run(join(root, 'node_modules', '.bin', 'esbuild'), [
      ...['user.mjs', '--bundle', '--platform=node', '--format=esm', '--log-level=error', `--outfile=${out}`],
      ...words,
    ]);
    return out;
  };
  run('node', [bundle('external', '--packages=external')]);
  const { status, stderr } = spawnSync('node', [bundle('bundled')], { cwd: project, encoding: 'utf8' });
  if (status === 0 || !stderr.includes('mark soul-unlearn as external')) {
    throw new Error(`a bundle that holds the package does not say what is wrong:\n${stderr}`);
  }
  console.log('bundles: with the package outside it works, with it inside it says what to do');
}

/** A method in a file that lies elsewhere, beside no package, is loaded with the package whose command runs. */
function checkOwnMethod() {
  const elsewhere = mkdtempSync(join(tmpdir(), 'soul-own-'));
  try {
    const file = join(elsewhere, 'mine.mjs');
    const method =
      "{ name: 'mine', terms: [{ name: 'forget', source: targetSet, objective: crossEntropy, coefficient: 0 }] }";
    writeFileSync(
      file,
      `import { crossEntropy, targetSet } from 'soul-unlearn/unlearn';\nexport const algorithm = ${method};\n`,
    );
    const words = ['unlearn', '--algorithm', file, '--model', 'none', '--forget', 'none', '--out', 'none', '--json'];
    const { stdout, stderr } = spawnSync('npx', ['--no-install', 'soul', ...words], { cwd: project, encoding: 'utf8' });
    if (!stdout.includes('no term of the method mine has a weight')) {
      throw new Error(`a method of a file elsewhere is not loaded:\n${stdout}${stderr}`);
    }
  } finally {
    rmSync(elsewhere, { recursive: true, force: true });
  }
  console.log('a method of a file of its own is loaded');
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
  const quiet = ['--no-audit', '--no-fund'];
  // With scripts: npm must find none to run, from the tarball and from a lock file; there is no compiler in reach.
  run('npm', ['install', ...quiet, join(project, filename)], bare);
  rmSync(join(project, 'node_modules'), { recursive: true });
  run('npm', ['ci', ...quiet], bare);
  console.log(
    `${filename}: ${(size / 1e6).toFixed(2)} MB; installed without a compiler, from the tarball and a lock file`,
  );
  const links = problemsOfLinks(join(project, 'node_modules', 'soul-unlearn'));
  if (links.length > 0) throw new Error(links.join('\n'));
  if (carries) {
    expectPath(use(bare), 'prebuilds');
    const bytes = statSync(join(project, 'node_modules', 'soul-unlearn', prebuilt)).size;
    console.log(
      `with its prebuilt addon of ${(bytes / 1e6).toFixed(2)} MB: imports, requires and steps without a compiler`,
    );
    if (bytes > largest) throw new Error(`the prebuilt addon is larger than ${largest / 1e6} MB`);
  }
  checkOwnMethod();
  checkTypes(quiet);
  checkBundles();
  // Whether it builds is asked here; how fast it is, elsewhere.
  const force = carries ? ['--force'] : [];
  run('npx', ['--no-install', 'soul', 'addon', 'build', ...force], { env: { ...env, CXXFLAGS: '-O0' } });
  expectPath(use(), join('build', 'Release'));
  console.log('with an addon built there: imports, requires and steps');
} finally {
  rmSync(project, { recursive: true, force: true });
}
