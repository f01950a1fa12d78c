// Runs the fuzz test's calls on an addon built with AddressSanitizer and UndefinedBehaviorSanitizer (GCC on Linux).
//
//   node scripts/fuzz-under-sanitizer.mjs [calls] [seed]
import { execFileSync, spawnSync } from 'node:child_process';
import { argv, env, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildAddon } from './build-addon.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const [calls = '10000', seed = '1'] = argv.slice(2);

const folder = await buildAddon({ sanitize: 'address,undefined' });
const [compiler, ...words] = (env.CXX ?? 'g++').split(' ');
const library = execFileSync(compiler, [...words, '-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
const program = `
  import { fuzzCalls } from './test/native/fuzz-calls.ts';
  import { addonStatus } from './lib/core/addon.ts';
  const status = addonStatus();
  if (!status.loaded || !status.path.includes('build-sanitize')) throw new Error(JSON.stringify(status));
  const result = await fuzzCalls({ calls: ${Number(calls)}, seed: ${BigInt(seed)}n });
  console.log(JSON.stringify({ ...result, functions: result.functions.length }, undefined, 2));
  if (result.untyped.length > 0) process.exitCode = 1;
`;
// Node itself is not built for the sanitizer, so its own leaks are not ours to report.
const run = spawnSync(execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...env,
    SOUL_UNLEARN_PREBUILD: folder,
    LD_PRELOAD: library,
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:abort_on_error=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  },
});
if (run.status !== 0) {
  console.error(`fuzz-under-sanitizer: the run ended with ${run.signal ?? run.status}`);
  exit(1);
}
