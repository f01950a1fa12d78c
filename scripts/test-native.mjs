// Builds test/native/digests.cpp with the kernels and runs it: every instruction set and number of threads must give
// the same bits.
//
//   node scripts/test-native.mjs                       optimised, as the addon is built
//   node scripts/test-native.mjs --sanitize thread     under ThreadSanitizer (or: undefined, address)
//   node scripts/test-native.mjs --build FILE [-- words for the compiler]
//                                                      only builds, for instance statically for an emulator
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
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
const run = (command, given) => spawnSync(command, given, { cwd: root, stdio: 'inherit' }).status ?? 1;
let status = run(compiler, [...words, ...flags, ...checks, ...sources, ...positionals, '-o', program]);
if (status === 0 && values.build === undefined) status = run(program, values.elements ? [values.elements] : []);
rmSync(folder, { recursive: true, force: true });
if (status !== 0) {
  console.error(`test-native: ended with ${status}`);
  exit(1);
}
