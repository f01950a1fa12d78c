/**
 * Builds the engine's binary for one libtorch, with cmake-js.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { packageRoot } from '../core/package.ts';
import { usableProcessors } from '../core/processors.ts';
import { cacheFolder, makeWorkplace } from './cache.ts';
import {
  binaryName,
  carriesStamp,
  describeInstalled,
  engineFolder,
  expectedStamp,
  type InstalledEngine,
  stampName,
} from './engine-binary.ts';
import { moveInto } from './fetch-libtorch.ts';
import type { Libtorch } from './libtorch.ts';
import { type InstallWork, runLogged } from './run-logged.ts';

/** The versions that package.json names for a checkout; an installed package fetches them when it builds. */
const buildTools = { 'cmake-js': '8.0.0', 'node-addon-api': '8.9.2' };

/** Engines that stay in the cache: this one, and those that another version, checkout or libtorch may need. */
const keptEngines = 4;

/**
 * Compiles native/torch against `libtorch` and puts it into the cache, beside and renamed. The oldest of many engines there go.
 *
 * @throws SoulError SOUL_ENGINE_MISSING naming the tool that is missing, or the log of a build that failed
 */
export async function buildEngine(libtorch: Libtorch, work: InstallWork): Promise<InstalledEngine> {
  const { log, force, onProgress, signal } = work;
  requireTools();
  const stamp = expectedStamp(libtorch);
  const target = engineFolder(stamp);
  const workplace = await makeWorkplace('engine');
  try {
    await mkdir(dirname(target), { recursive: true });
    const { cmakeJs, nodeAddonApi } = await findBuildTools(work);
    onProgress(`building the engine for libtorch ${libtorch.version}, about a minute`);
    const build = join(workplace, 'build');
    const words = [cmakeJs, 'build', '--directory', packageRoot, '--out', build, '--target', 'soul_torch'];
    words.push(`--CDSOUL_LIBTORCH=${libtorch.folder}`, `--CDSOUL_NODE_ADDON_API=${nodeAddonApi}`);
    words.push('--parallel', String(parallelJobs()));
    const { succeeded, tail } = await runLogged(log, process.execPath, words, { signal });
    if (!succeeded) {
      throw new SoulError(
        'SOUL_ENGINE_MISSING',
        `the engine could not be built; see ${log}, which ends with\n${tail}`,
        {
          log,
        },
      );
    }
    const finished = join(workplace, 'finished');
    await mkdir(finished);
    await copyFile(join(build, 'Release', binaryName), join(finished, binaryName));
    await writeFile(join(finished, stampName), `${JSON.stringify(stamp, null, 2)}\n`);
    await moveInto(finished, target, workplace, force || !carriesStamp(target, stamp));
  } finally {
    await rm(workplace, { recursive: true, force: true });
  }
  await prune(dirname(target), target);
  return describeInstalled(libtorch, target);
}

/** A process that has loaded an engine keeps it, whether its file is still there or not. */
async function prune(engines: string, current: string): Promise<void> {
  const others: { folder: string; built: number }[] = [];
  for (const name of await readdir(engines)) {
    const folder = join(engines, name);
    const built = await stat(join(folder, stampName)).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
    if (folder !== current) others.push({ folder, built });
  }
  others.sort((a, b) => b.built - a.built);
  for (const { folder } of others.slice(keptEngines - 1)) await rm(folder, { recursive: true, force: true });
}

/** Files that include libtorch take a gigabyte each to compile. */
function parallelJobs(): number {
  return Math.max(1, Math.min(usableProcessors(), Math.floor(totalmem() / 2 ** 31)));
}

function requireTools(): void {
  const succeeds = (command: string) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
  const lacking: string[] = [];
  if (!succeeds('cmake')) {
    lacking.push('cmake was not found; install it (Debian: apt install cmake; macOS: brew install cmake).');
  }
  if (
    process.platform !== 'win32' &&
    ![process.env.CXX, 'c++', 'g++', 'clang++'].some((name) => name && succeeds(name))
  ) {
    lacking.push(
      'No C++20 compiler was found; install g++ 11 or clang 14 (Debian: apt install g++; macOS: xcode-select --install).',
    );
  }
  if (lacking.length > 0) throw new SoulError('SOUL_ENGINE_MISSING', lacking.join(' '));
}

/** cmake-js and the headers of node-addon-api: the checkout's own, else fetched into the cache with npm. */
async function findBuildTools({
  log,
  onProgress,
  signal,
}: InstallWork): Promise<{ cmakeJs: string; nodeAddonApi: string }> {
  const tools = join(cacheFolder(), 'build-tools');
  const own = locate(packageRoot) ?? locate(tools);
  if (own) return own;
  onProgress('fetching cmake-js, which builds the engine');
  await mkdir(tools, { recursive: true });
  const packages = Object.entries(buildTools).map(([name, version]) => `${name}@${version}`);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const words = ['install', '--prefix', tools, '--no-save', '--no-audit', '--no-fund'];
  // What npm is told elsewhere of where and whether it installs does not count here.
  words.push(
    '--location=project',
    '--no-global',
    '--no-workspaces',
    '--no-dry-run',
    '--no-package-lock-only',
    ...packages,
  );
  const { succeeded, tail } = await runLogged(log, npm, words, { signal });
  const fetched = succeeded ? locate(tools) : undefined;
  if (fetched) return fetched;
  throw new SoulError('SOUL_ENGINE_MISSING', `npm could not fetch ${packages.join(' and ')}; see ${log}:\n${tail}`, {
    log,
  });
}

function locate(folder: string): { cmakeJs: string; nodeAddonApi: string } | undefined {
  const { resolve } = createRequire(join(folder, 'package.json'));
  try {
    return {
      cmakeJs: join(dirname(resolve('cmake-js/package.json')), 'bin', 'cmake-js'),
      nodeAddonApi: dirname(resolve('node-addon-api/package.json')),
    };
  } catch {
    return undefined;
  }
}
