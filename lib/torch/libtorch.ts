/**
 * Finds a libtorch on this machine.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { replaceFile } from '../core/files.ts';
import { soulCommand } from '../core/package.ts';
import { cacheFolder } from './cache.ts';

/** The version that is fetched, and the series that is tested. */
export const torchVersion = '2.13.0';
const testedSeries = /^2\.13\.\d+([+.]|$)/;

/** Which build of libtorch; the CUDA build also runs on the CPU. */
export type LibtorchVariant = 'cpu' | 'cuda';

export interface Libtorch {
  /** Folder with lib/ and include/. */
  readonly folder: string;
  /** For instance `2.13.0+cpu`. */
  readonly version: string;
}

/** Whether the engine is tested with this version of libtorch; where somebody names a folder, others are taken too. */
export function isTested({ version }: Libtorch): boolean {
  return testedSeries.test(version);
}

/** A place that was looked at, and what was there in a few words. */
export interface SearchedPlace {
  readonly place: string;
  readonly found: string;
}

/** Where `soul engine install` puts a libtorch. */
export function cachedLibtorch(variant: LibtorchVariant): string {
  return join(cacheFolder(), 'libtorch', `${torchVersion}-${variant}-${process.platform}-${process.arch}`, 'torch');
}

/** Holds the variant that was installed last, which is looked at first. */
const preferenceFile = () => join(cacheFolder(), 'libtorch', 'preferred');

/** The variants in the order in which the cache is searched. */
function cachedVariants(): LibtorchVariant[] {
  try {
    if (readFileSync(preferenceFile(), 'utf8').trim() === 'cpu') return ['cpu', 'cuda'];
  } catch {
    // Nothing was installed yet.
  }
  return ['cuda', 'cpu'];
}

/** Makes the search begin at this libtorch from now on, when it is one of the cache; writes only what has to change. */
export async function preferLibtorch(libtorch: Libtorch): Promise<void> {
  const variant = (['cpu', 'cuda'] as const).find((each) => cachedLibtorch(each) === libtorch.folder);
  const first = cachedVariants().find((each) => typeof inspectLibtorch(cachedLibtorch(each)) !== 'string');
  if (variant === undefined || variant === first) return;
  await replaceFile(preferenceFile(), `${variant}\n`);
}

/**
 * Looks in SOUL_LIBTORCH, in the cache (the variant that was installed last, then the other) and at the PyTorch that python3
 * can import, in this order; the first match wins. The last must be of the tested series; the others were chosen by somebody.
 *
 * SOUL_LIBTORCH is taken at its word: when it is set and no match, nothing else is looked at.
 */
export function findLibtorch(searched: SearchedPlace[] = []): Libtorch | undefined {
  const given = process.env.SOUL_LIBTORCH;
  const look = (place: string, folder: string | undefined): Libtorch | undefined => {
    const result = folder === undefined ? 'nothing' : inspectLibtorch(folder);
    searched.push({ place, found: typeof result === 'string' ? result : `libtorch ${result.version}` });
    return typeof result === 'string' ? undefined : result;
  };
  if (given) return look(`SOUL_LIBTORCH=${given}`, resolve(given));
  for (const variant of cachedVariants()) {
    const folder = cachedLibtorch(variant);
    const found = look(folder, folder);
    if (found) return found;
  }
  const python = pythonTorch();
  const found = look('the torch of python3', python);
  if (!found || isTested(found)) return found;
  searched.pop();
  const needed = torchVersion.replace(/\d+$/, 'x');
  searched.push({
    place: 'the torch of python3',
    found: `libtorch ${found.version}, but ${needed} is what is tested; to take it all the same: ${soulCommand(`engine install --libtorch ${python}`)}`,
  });
  return undefined;
}

/** The libtorch in `folder`, or in a few words why there is none to use. */
export function inspectLibtorch(folder: string): Libtorch | string {
  if (!existsSync(folder)) return 'nothing';
  const library =
    { darwin: 'libtorch_cpu.dylib', win32: 'torch_cpu.dll' }[process.platform as string] ?? 'libtorch_cpu.so';
  if (!existsSync(join(folder, 'lib', library))) return `no lib/${library}`;
  if (!existsSync(join(folder, 'include', 'ATen'))) return 'no include/ATen';
  const version = readVersion(folder);
  if (version === undefined) return 'a libtorch that does not tell its version';
  return { folder, version };
}

/**
 * The libtorch in a folder that somebody named.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function requireLibtorch(folder: string): Libtorch {
  const result = inspectLibtorch(resolve(folder));
  if (typeof result !== 'string') return result;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${folder} must be the folder of a libtorch, with lib/ and include/, but holds ${result}`,
    { argument: 'libtorch', folder },
  );
}

/** A wheel has version.py, the zip of libtorch has build-version. */
function readVersion(folder: string): string | undefined {
  for (const [name, pattern] of [
    ['version.py', /^__version__\s*=\s*['"]([^'"]+)['"]/m],
    ['build-version', /^(\S+)/],
  ] as const) {
    try {
      const match = pattern.exec(readFileSync(join(folder, name), 'utf8'));
      if (match) return match[1];
    } catch {
      // The other file may be there.
    }
  }
  return undefined;
}

/** The folder of the torch package, found without importing it: that would take seconds. */
function pythonTorch(): string | undefined {
  // Where Python runs it would take any folder of that name for the package.
  const program =
    'import importlib.util as u, sys\nsys.path = [p for p in sys.path if p]\ns = u.find_spec("torch")\nprint(s.submodule_search_locations[0] if s and s.submodule_search_locations else "")';
  const { status, stdout } = spawnSync('python3', ['-c', program], { encoding: 'utf8', timeout: 20_000 });
  const folder = status === 0 ? stdout.trim() : '';
  return folder === '' ? undefined : folder;
}
