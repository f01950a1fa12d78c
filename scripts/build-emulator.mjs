// Builds the stand-in for NVIDIA's driver library, with the kernels in it, for tests on a machine without a GPU:
// build-emulator/libsoul-emulated-cuda.so; beside it a library that lacks most functions, and the trials of the emulator
// itself (test/cuda/emulator.test.ts runs them).
//
//   node scripts/build-emulator.mjs            only what has changed since the last time
//   node scripts/build-emulator.mjs --force    everything
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, exit, pid, platform } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findCompiler } from './build-addon.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'build-emulator');

/** The stand-in, and one that lacks nearly every function. */
export const emulatedDriver = join(folder, 'libsoul-emulated-cuda.so');
export const incompleteDriver = join(folder, 'libsoul-incomplete-cuda.so');
export const emulatorTrials = join(folder, 'emulator-trials');

const flags = ['-std=c++20', '-fPIC', '-pthread', '-fvisibility=hidden', '-Inative', '-Itest/native'];
const driverFlags = [...flags, '-O2', '-g1', '-Wall', '-Wextra'];
// The same bits as the addon's, and what C++ leaves undefined ends the kernel.
const kernelFlags = [
  ...flags,
  ...['-O2', '-g1', '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math'],
  ...['-fsanitize=alignment,bounds,shift,signed-integer-overflow', '-fsanitize-undefined-trap-on-error'],
  // Every access is told to test/native/simt/accesses.cpp; the sanitizer's own library has no part in it.
  '-fsanitize=thread',
];

const filesOf = (place, ending) =>
  existsSync(join(root, place))
    ? readdirSync(join(root, place)).flatMap((name) => (name.endsWith(ending) ? [join(place, name)] : []))
    : [];

/** What an object depends on: every file that its sources may include. */
function headersHash() {
  const hash = createHash('sha256');
  for (const place of [
    'native/kernels',
    'native/kernels/cuda',
    'native/runtime',
    'native/runtime/cuda',
    'test/native/simt',
    'test/native/driver',
    'test/native/trials',
  ]) {
    for (const file of [...filesOf(place, '.h'), ...filesOf(place, '.cuh')].sort()) {
      hash.update(`\n${file}\n`).update(readFileSync(join(root, file)));
    }
  }
  return hash.digest('hex');
}

function run(command, words) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { cwd: root, stdio: ['ignore', 2, 2] });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ${words.join(' ')} failed`))));
  });
}

/** Builds one target where its stamp differs from what it would be built from. */
async function make(target, sources, stamp, command, words, force) {
  const hash = createHash('sha256')
    .update(stamp)
    .update([command, ...words].join('\n'));
  for (const source of sources) hash.update(readFileSync(join(root, source)));
  const digest = hash.digest('hex');
  const stampFile = `${target}.stamp`;
  if (!force && existsSync(target) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === digest) return;
  // Beside its place first: two builds at once do not read what the other has half written.
  const fresh = `${target}.${pid}`;
  try {
    await run(command, [...words, '-o', fresh]);
    renameSync(fresh, target);
  } finally {
    rmSync(fresh, { force: true });
  }
  writeFileSync(stampFile, digest);
}

/** Builds what is missing; returns the path of the stand-in, or throws one sentence. */
export async function buildEmulator({ force = false } = {}) {
  if (platform !== 'linux') throw new Error('The stand-in for the CUDA driver is built on Linux only.');
  const compiler = findCompiler();
  if (!compiler) throw new Error('No C++20 compiler was found.');
  mkdirSync(folder, { recursive: true });
  const [command, ...words] = compiler.split(' ');
  const headers = headersHash();
  const stamps = (objects) => objects.map((object) => readFileSync(`${object}.stamp`, 'utf8')).join('\n');
  const compile = (given) => (source) => ({ source, given, object: join(folder, `${source.replaceAll('/', '-')}.o`) });
  const alone = 'test/native/driver/incomplete.cpp';
  const driver = [...filesOf('test/native/simt', '.cpp'), ...filesOf('test/native/driver', '.cpp')]
    .filter((source) => source !== alone)
    .map(compile(driverFlags));
  const kernels = filesOf('native/kernels/cuda', '.cu').map(compile(kernelFlags));
  const trials = [
    compile(driverFlags)('test/native/trials/trials.cpp'),
    compile(kernelFlags)('test/native/trials/kernels.cu'),
  ];
  const queue = [...kernels, ...driver, ...trials];
  const worker = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) {
      const language = job.source.endsWith('.cu') ? ['-x', 'c++'] : [];
      const given = [...words, ...job.given, ...language, '-c', job.source];
      await make(job.object, [job.source], headers, command, given, force);
    }
  };
  // Two compilers at once, however many cores: each takes its memory.
  await Promise.all([worker(), worker()]);
  const objects = [...driver, ...kernels].map(({ object }) => object);
  const shared = ['-shared', '-Wl,-Bsymbolic', '-Wl,--no-undefined'];
  await make(emulatedDriver, [], stamps(objects), command, [...words, '-pthread', ...shared, ...objects], force);
  const program = [...driver, ...trials].map(({ object }) => object);
  await make(emulatorTrials, [], stamps(program), command, [...words, '-pthread', ...program], force);
  const incomplete = [...words, ...flags, '-shared', alone];
  await make(incompleteDriver, [alone], '', command, incomplete, force);
  return emulatedDriver;
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  try {
    await buildEmulator({ force: argv.includes('--force') });
  } catch (error) {
    console.error(`build-emulator: ${error.message}`);
    exit(1);
  }
}
