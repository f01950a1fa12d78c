// Builds test/native/digests.cpp with the kernels and runs it: every instruction set, number of threads and stride
// between rows must give the same bits.
//
//   node scripts/test-native.mjs                       optimised, as the addon is built
//   node scripts/test-native.mjs --sanitize thread     under ThreadSanitizer (or: undefined, address)
//   node scripts/test-native.mjs --build FILE [-- words for the compiler]
//                                                      only builds, for instance statically for an emulator
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, env, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values, positionals } = parseArgs({
  args: argv.slice(2),
  options: { sanitize: { type: 'string' }, build: { type: 'string' }, elements: { type: 'string' } },
  allowPositionals: true,
});

const filesOf = (folder, matches) =>
  readdirSync(join(root, folder)).flatMap((name) => (matches(name) ? [join(folder, name)] : []));
const isSource = (name) => name.endsWith('.cpp');
const sources = [
  'test/native/digests.cpp',
  ...filesOf('native/kernels/cpu', isSource),
  ...filesOf('native/kernels/cpu/paths', isSource),
  // The dispatcher is Node's.
  ...filesOf('native/runtime', (name) => isSource(name) && name !== 'dispatcher.cpp'),
];

const folder = mkdtempSync(join(tmpdir(), 'soul-native-'));
const program = values.build ?? join(folder, 'digests');
const [compiler, ...words] = (env.CXX ?? 'c++').split(' ');
const flags = ['-std=c++20', '-pthread', '-Inative', '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math'];
const checks = values.sanitize
  ? ['-O1', '-g', `-fsanitize=${values.sanitize}`, '-fno-sanitize-recover=all', '-fno-omit-frame-pointer']
  : ['-O3'];
const run = (command, given) =>
  new Promise((done) => {
    const child = spawn(command, given, { cwd: root, stdio: 'inherit' });
    child.on('error', () => done(1));
    child.on('close', (status) => done(status ?? 1));
  });

/** Compiles as many files at a time as there are processors, and links them. */
async function build() {
  const given = [...words, ...flags, ...checks, ...positionals];
  const objects = sources.map((_, i) => join(folder, `${i}.o`));
  const waiting = [...sources.keys()];
  let status = 0;
  const worker = async () => {
    for (let i = waiting.shift(); i !== undefined && status === 0; i = waiting.shift()) {
      const ended = await run(compiler, [...given, '-c', sources[i], '-o', objects[i]]);
      if (ended !== 0) status = ended;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return status || (await run(compiler, [...given, ...objects, '-o', program]));
}

let status = await build();
if (status === 0 && values.build === undefined) {
  status = await run(program, values.elements ? [values.elements] : []);
}
rmSync(folder, { recursive: true, force: true });
if (status !== 0) {
  console.error(`test-native: ended with ${status}`);
  exit(1);
}
