// Builds the optimizer addon with cmake-js: the build that holds code for GPUs.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { execPath, pid } from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { resolve } = createRequire(import.meta.url);

/** cmake-js's program, undefined where it is not installed. */
export function findCmakeJs() {
  try {
    return join(dirname(resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  } catch {
    return undefined;
  }
}

/** Builds in folder `build` with the .fatbin files of folder `deviceCode`, and puts the result at `addon`. */
export function buildWithCmake({ build, deviceCode, addon, strip = false }) {
  const program = findCmakeJs();
  if (program === undefined) {
    throw new Error(
      'cmake-js was not found, which builds the addon for GPUs; run: npm install cmake-js@8 node-api-headers',
    );
  }
  if (spawnSync('cmake', ['--version'], { stdio: 'ignore' }).status !== 0) {
    throw new Error('cmake was not found, which builds the addon for GPUs; install it (Debian: apt install cmake).');
  }
  const words = ['--directory', root, '--out', build, '--target', 'soul', '--parallel', String(availableParallelism())];
  words.push(`--CDSOUL_DEVICE_CODE_FOLDER=${deviceCode}`, `--CDSOUL_STRIP=${strip ? 'ON' : 'OFF'}`);
  words.push(`--CDSOUL_NODE_ADDON_API=${dirname(resolve('node-addon-api/package.json'))}`);
  const run = (command) =>
    spawnSync(execPath, [program, command, ...words], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });
  // Settings of an earlier build in the same folder are taken over only by configuring again.
  let done = run('configure');
  if (done.status !== 0 && existsSync(join(build, 'CMakeCache.txt'))) {
    // It may be of another place or compiler.
    rmSync(build, { recursive: true, force: true });
    done = run('configure');
  }
  if (done.status === 0) done = run('build');
  if (done.status !== 0) {
    const { stdout, stderr, error } = done;
    throw new Error(`The addon could not be built with cmake-js.\n${stdout ?? ''}${stderr ?? ''}${error ?? ''}`);
  }
  const built = join(build, 'Release', 'soul.node');
  if (!existsSync(built)) throw new Error(`cmake-js ended well, but there is no ${built}`);
  putInPlace(built, addon);
}

/** Copies what was built beside `addon`, and renames it: a process that has the present one loaded keeps it. */
export function putInPlace(built, addon) {
  mkdirSync(dirname(addon), { recursive: true });
  try {
    copyFileSync(built, `${addon}.${pid}`);
    renameSync(`${addon}.${pid}`, addon);
  } finally {
    rmSync(`${addon}.${pid}`, { force: true });
  }
}
