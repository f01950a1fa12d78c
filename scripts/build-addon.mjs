// Builds the optimizer addon into build/Release/soul.node, when its sources changed since the last time: for the CPU with
// node-gyp in build-cpu/, or also for GPUs with nvcc and cmake-js in build-cuda/. What was built for GPUs stays until its
// sources change.
//
//   node scripts/build-addon.mjs                         quiet unless it fails; for the GPU that is there, where nvcc 13 can
//                                                        build for it, else for the CPU
//   node scripts/build-addon.mjs --cuda                  for GPUs: the one that is there, or where there is none for all
//   node scripts/build-addon.mjs --cuda --arch 90        for GPUs of one architecture
//   node scripts/build-addon.mjs --cpu                   for the CPU alone
//   node scripts/build-addon.mjs --force                 also when nothing has changed
//   node scripts/build-addon.mjs --strict                device code must pass the checks of build-device-code.mjs
//   node scripts/build-addon.mjs --sanitize address,undefined
//                                                        into build-sanitize/, for scripts/fuzz-under-sanitizer.mjs
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { argv, env, execPath, exit, platform, version, versions } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { architectureOf, buildDeviceCode, findNvcc } from './build-device-code.mjs';
import { buildWithCmake, findCmakeJs, putInPlace } from './build-with-cmake.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * The description of the build for node-gyp. A published package carries it in dist/: in its root, npm would build the addon
 * wherever the package is installed, prebuilt or not, for it forgets `gypfile: false` when it installs from a lock file.
 */
function gypFile() {
  return existsSync(join(root, 'binding.gyp')) ? 'binding.gyp' : 'dist/binding.gyp';
}

const sources = [
  ...[gypFile(), 'CMakeLists.txt'],
  ...['native/kernels', 'native/runtime', 'native/addon', 'native/compatibility'],
];
/** The oldest compute capability and compiler that a GPU must have to be built for unasked. */
const oldest = { architecture: 75, nvcc: 13 };

const candidates = env.CXX ? [env.CXX] : ['c++', 'g++', 'clang++'];

/** The command of a C++20 compiler, or undefined. */
export function findCompiler() {
  const program = join(tmpdir(), `soul-compiler-${process.pid}.cpp`);
  writeFileSync(program, '#include <span>\ntemplate <typename T> concept Any = true;\nint main() { return 0; }\n');
  try {
    return candidates.find((compiler) => {
      const [command, ...words] = compiler.split(' ');
      return spawnSync(command, [...words, '-std=c++20', '-fsyntax-only', program], { stdio: 'ignore' }).status === 0;
    });
  } finally {
    rmSync(program, { force: true });
  }
}

/** The files in a folder and below, in an order that is the same everywhere. */
export function* filesBelow(path) {
  if (!existsSync(path)) return;
  const entries = readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.isDirectory()) yield* filesBelow(join(path, entry.name));
    else yield join(path, entry.name);
  }
}

/** The first line with which the compiler names itself; empty where there is none. */
function compilerVersion() {
  for (const compiler of candidates) {
    const [command, ...words] = compiler.split(' ');
    const { status, stdout } = spawnSync(command, [...words, '--version'], { encoding: 'utf8' });
    if (status === 0) return stdout.split('\n')[0];
  }
  return '';
}

/** What a finished build depends on, as one hash; `target` says for which GPUs it is, or that it is for none. */
function stampOf(sanitize, target) {
  const hash = createHash('sha256');
  const { version: headers } = createRequire(import.meta.url)('node-addon-api/package.json');
  const compiler = [env.CXX ?? '', env.CXXFLAGS ?? '', compilerVersion()];
  hash.update([sanitize, target, versions.modules, platform, process.arch, headers, ...compiler].join('\n'));
  for (const source of sources) {
    const path = join(root, source);
    for (const file of /\.(gyp|txt)$/.test(source) ? [path] : filesBelow(path)) {
      hash.update(`\n${file.slice(root.length)}\n`).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

/** Command and first words that run node-gyp: the project's own, else the one npx fetches. */
function nodeGyp() {
  try {
    return [execPath, createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')];
  } catch {
    return ['npx', '--yes', 'node-gyp@12'];
  }
}

/** Makes `folder` one that node-gyp can build in: with the description of the build, and the sources. */
function prepareForNodeGyp(folder) {
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, gypFile()), join(folder, 'binding.gyp'));
  // A link that came along with a copy of this folder leads to the sources of another.
  rmSync(join(folder, 'native'), { recursive: true, force: true });
  symlinkSync(relative(folder, join(root, 'native')), join(folder, 'native'));
}

/** The architectures of the GPUs of this machine, as its driver's tool tells them; none where there is no such tool. */
export function presentArchitectures() {
  const { status, stdout } = spawnSync('nvidia-smi', ['--query-gpu=compute_cap', '--format=csv,noheader'], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (status !== 0) return [];
  const found = [...stdout.matchAll(/^(\d+)\.(\d+)\s*$/gm)].map(([, major, minor]) => Number(major + minor));
  return [...new Set(found)];
}

/** Which GPUs an addon is built for: 'cpu', 'all' or one architecture. */
function targetFor(cuda, arch) {
  if (cuda === false) return 'cpu';
  if (arch !== undefined) return String(arch);
  const present = presentArchitectures();
  if (cuda === undefined && !canBuildFor(present)) return 'cpu';
  return present.length === 1 ? String(present[0]) : 'all';
}

/** Whether all that code for these GPUs takes is here, so that it may be built though nobody asked for it. */
function canBuildFor(present) {
  if (present.length === 0 || !present.every((architecture) => architecture >= oldest.architecture)) return false;
  const nvcc = findNvcc();
  if (nvcc === undefined || Number.parseInt(nvcc.version, 10) < oldest.nvcc) return false;
  return findCmakeJs() !== undefined && spawnSync('cmake', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Builds what is missing; returns the folder that holds build/Release/soul.node, or throws one sentence. */
export async function buildAddon({ sanitize = '', force = false, strict = false, cuda, arch } = {}) {
  if (platform === 'win32') throw new Error('Windows is not supported yet; use Linux, macOS or the Linux of WSL.');
  const folder = sanitize ? join(root, 'build-sanitize') : root;
  const addon = join(folder, 'build', 'Release', 'soul.node');
  const stampFile = join(folder, 'build', 'soul.stamp');
  const [builtFor, builtFrom, triedFor] =
    existsSync(addon) && existsSync(stampFile) ? readFileSync(stampFile, 'utf8').split(' ') : [];
  const isFresh = builtFor !== undefined && builtFrom === stampOf(sanitize, builtFor);
  if (isFresh && !force && cuda === undefined && builtFor !== 'cpu') return folder;
  const target = sanitize ? 'cpu' : targetFor(cuda, arch);
  // What could not be built for a GPU unasked is not tried again before something changes.
  const trial = target === 'cpu' ? undefined : `${target}-by-${findNvcc()?.version}`;
  const isTried = cuda === undefined && builtFor === 'cpu' && triedFor !== undefined && triedFor === trial;
  if (isFresh && !force && (builtFor === target || isTried)) return folder;

  if (!findCompiler()) {
    throw new Error(
      'No C++20 compiler was found; install g++ 11 or clang 14 (Debian: apt install g++; macOS: xcode-select --install).',
    );
  }
  const finish = (...words) => {
    writeFileSync(stampFile, words.join(' '));
    return folder;
  };
  if (target !== 'cpu') {
    try {
      const deviceCode = await buildDeviceCode({ arch: target === 'all' ? undefined : Number(target), strict });
      buildWithCmake({ build: join(root, 'build-cuda', 'addon'), deviceCode: deviceCode.folder, addon });
      mkdirSync(dirname(stampFile), { recursive: true });
      return finish(target, stampOf(sanitize, target));
    } catch (error) {
      if (cuda !== undefined) throw error;
      const reason = error.message.split('\n').slice(0, 2).join(' ');
      console.error(`build-addon: not built for the GPU, but for the CPU (--cuda tells more): ${reason}`);
    }
  }
  buildWithNodeGyp(addon, sanitize);
  return finish('cpu', stampOf(sanitize, 'cpu'), ...(trial === undefined ? [] : [trial]));
}

function buildWithNodeGyp(addon, sanitize) {
  const folder = join(root, sanitize ? 'build-sanitize/node-gyp' : 'build-cpu');
  prepareForNodeGyp(folder);
  const [command, ...words] = [...nodeGyp(), 'rebuild', '-C', folder, `--jobs=${availableParallelism()}`];
  // The headers of the Node that runs, where it brought them along: nothing is downloaded then.
  const prefix = resolve(dirname(execPath), '..');
  if (existsSync(join(prefix, 'include', 'node', 'common.gypi'))) words.push(`--nodedir=${prefix}`);
  if (sanitize) words.push('--', `-Dsanitize=${sanitize}`);
  const build = spawnSync(command, words, {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const built = join(folder, 'build', 'Release', 'soul.node');
  if (build.status !== 0 || !existsSync(built)) {
    throw new Error(
      `The addon could not be built with node-gyp (Node ${version}).\n${build.stdout ?? ''}${build.stderr ?? ''}${build.error ?? ''}`,
    );
  }
  putInPlace(built, addon);
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  try {
    const { values } = parseArgs({
      options: {
        sanitize: { type: 'string' },
        force: { type: 'boolean', default: false },
        cuda: { type: 'boolean' },
        cpu: { type: 'boolean', default: false },
        strict: { type: 'boolean', default: false },
        arch: { type: 'string' },
      },
    });
    const { sanitize, force, strict, arch } = values;
    await buildAddon({
      sanitize,
      force,
      strict,
      arch: architectureOf(arch),
      cuda: values.cpu ? false : (values.cuda ?? (arch ? true : undefined)),
    });
  } catch (error) {
    console.error(`build-addon: ${error.message}`);
    exit(1);
  }
}
