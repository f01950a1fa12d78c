/**
 * The engine that tests of this folder run models with: on a GPU that of the machine, on emulated devices the machine's too,
 * with a stand-in for the CUDA part of its libtorch (test/native/torch).
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { cudaLibrary } from '../../lib/torch/cuda-libraries.ts';
import { binaryName, engineFolder, expectedStamp, stampName } from '../../lib/torch/engine-binary.ts';
import { engineHasCuda, type InstalledEngine, installedEngine } from '../../lib/torch/index.ts';
import { emulated, emulatedDriver } from './set-up.ts';

const sources = fileURLToPath(new URL('../native/torch/', import.meta.url));

/** `describe` for tests that run models on a device; where they cannot they are skipped, with the reason. */
export const describeWithCudaEngine: typeof describe | typeof describe.skip = choose();

function choose() {
  const problem = prepare();
  if (problem === undefined) return describe;
  if (process.env.SOUL_REQUIRE_ENGINE === '1') {
    test('models run on CUDA devices (SOUL_REQUIRE_ENGINE=1)', () => expect(problem).toBeUndefined());
  }
  console.warn(`SKIPPED: tests that run models on CUDA devices, for ${problem}`);
  return describe.skip;
}

/** Why there is no engine; undefined where there is one. */
function prepare(): string | undefined {
  const engine = installedEngine();
  if (!engine) return 'the libtorch engine is not installed (npm run soul -- engine install)';
  if (emulated) return emulate(engine);
  return engineHasCuda()
    ? undefined
    : `the engine's libtorch ${engine.torchVersion} is no CUDA build (npm run soul -- engine install --cuda)`;
}

/** Makes this process find a libtorch whose CUDA part is the stand-in, and the same engine for it. */
function emulate(engine: InstalledEngine): string | undefined {
  const hash = createHash('sha256').update(JSON.stringify(engine));
  for (const name of readdirSync(sources).sort()) hash.update(readFileSync(join(sources, name)));
  const key = hash.digest('hex').slice(0, 12);
  const home = join(dirname(emulatedDriver), `libtorch-${key}`);
  const folder = join(home, 'torch');
  if (!existsSync(home)) {
    const beside = `${home}-${randomUUID()}`;
    try {
      const problem = build(engine.libtorch, join(beside, 'torch'));
      if (problem !== undefined) return problem;
      publish(beside, home);
    } finally {
      rmSync(beside, { recursive: true, force: true });
    }
  }
  process.env.SOUL_LIBTORCH = folder;
  process.env.SOUL_CACHE = join(home, 'cache');
  const stamp = expectedStamp({ folder, version: engine.torchVersion });
  const place = engineFolder(stamp);
  mkdirSync(place, { recursive: true });
  if (existsSync(join(place, stampName))) return undefined;
  const written = (name: string, write: (path: string) => void) => {
    const beside = join(place, `${name}-${randomUUID()}`);
    write(beside);
    renameSync(beside, join(place, name));
  };
  written(binaryName, (path) => copyFileSync(engine.binary, path));
  written(stampName, (path) => writeFileSync(path, JSON.stringify(stamp)));
  return undefined;
}

/** Renames a finished folder to its place, unless another worker of jest was quicker: theirs is the same. */
function publish(finished: string, place: string): void {
  try {
    renameSync(finished, place);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

function build(libtorch: string, folder: string): string | undefined {
  mkdirSync(join(folder, 'lib'), { recursive: true });
  for (const name of readdirSync(libtorch)) {
    if (name !== 'lib') symlinkSync(join(libtorch, name), join(folder, name));
  }
  const libraries = join(libtorch, 'lib');
  for (const name of readdirSync(libraries)) {
    if (name !== basename(cudaLibrary)) symlinkSync(join(libraries, name), join(folder, 'lib', name));
  }
  const include = join(libtorch, 'include');
  const words = ['-std=c++20', '-O1', '-fPIC', '-shared', '-isystem', include];
  words.push('-isystem', join(include, 'torch', 'csrc', 'api', 'include'), join(sources, 'libtorch_cuda.cpp'));
  words.push('-o', join(folder, cudaLibrary));
  words.push(`-L${libraries}`, `-Wl,-rpath,${libraries}`, '-ltorch_cpu', '-lc10', '-ldl');
  const { status, stderr } = spawnSync(process.env.CXX ?? 'c++', words, { encoding: 'utf8' });
  return status === 0 ? undefined : `the stand-in for libtorch's CUDA part does not compile: ${stderr}`;
}
