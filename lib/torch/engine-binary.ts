/**
 * The engine's binary in the cache: where it lies, and whether it is the one that this package needs.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot, packageVersion } from '../core/package.ts';
import { cacheFolder } from './cache.ts';
import { hasCuda } from './cuda-libraries.ts';
import { findLibtorch, type Libtorch, type SearchedPlace } from './libtorch.ts';

/** What a binary was built from; written beside it and compared before it is loaded. */
export interface EngineStamp {
  readonly packageVersion: string;
  /** Hash of native/torch, the interface and CMakeLists.txt. */
  readonly sources: string;
  readonly torchVersion: string;
  readonly libtorch: string;
  readonly platform: string;
  readonly arch: string;
}

/** An engine that is ready to be loaded. */
export interface InstalledEngine {
  readonly torchVersion: string;
  /** Folder of the libtorch that it is linked to. */
  readonly libtorch: string;
  /** Whether that is a CUDA build, which models on a GPU need. */
  readonly cuda: boolean;
  /** The addon file. */
  readonly binary: string;
}

/** What `soul doctor` says of the engine. */
export interface EngineReport extends Partial<InstalledEngine> {
  readonly installed: boolean;
  readonly cache: string;
  /** Every place looked at for libtorch, in order. */
  readonly searched: readonly SearchedPlace[];
  /** Why a libtorch that was found can't be used yet. */
  readonly reason?: string;
}

/** The stamp that a binary for `libtorch` must carry today. */
export function expectedStamp(libtorch: Libtorch): EngineStamp {
  return {
    packageVersion,
    sources: hashSources(),
    torchVersion: libtorch.version,
    libtorch: libtorch.folder,
    platform: process.platform,
    arch: process.arch,
  };
}

/** The folder of the binary with this stamp. */
export function engineFolder(stamp: EngineStamp): string {
  const key = createHash('sha256').update(JSON.stringify(stamp)).digest('hex').slice(0, 16);
  return join(cacheFolder(), 'engine', `${stamp.packageVersion}-torch-${stamp.torchVersion}-${key}`);
}

export const binaryName = 'soul_torch.node';
export const stampName = 'stamp.json';

/** The engine for the libtorch found on this machine, undefined when something is missing; loads nothing. */
export function installedEngine(): InstalledEngine | undefined {
  const libtorch = findLibtorch();
  return libtorch && builtEngine(libtorch);
}

/** Whether the installed engine can run models on a CUDA device, as far as files tell; false where none is installed. */
export function engineHasCuda(): boolean {
  return installedEngine()?.cuda ?? false;
}

/** What was looked for and found. */
export async function describeEngine(): Promise<EngineReport> {
  return inspect();
}

export function inspect(): EngineReport {
  const searched: SearchedPlace[] = [];
  const cache = cacheFolder();
  const libtorch = findLibtorch(searched);
  if (!libtorch) return { installed: false, cache, searched, reason: 'no libtorch was found' };
  const built = builtEngine(libtorch);
  const { version: torchVersion, folder } = libtorch;
  const report = { cache, searched, torchVersion, libtorch: folder, cuda: hasCuda(folder) };
  return built
    ? { ...report, ...built, installed: true }
    : { ...report, installed: false, reason: `no engine is built for libtorch ${torchVersion}` };
}

/** The engine for this libtorch, undefined when it is not built. */
export function builtEngine(libtorch: Libtorch): InstalledEngine | undefined {
  const stamp = expectedStamp(libtorch);
  const folder = engineFolder(stamp);
  if (!carriesStamp(folder, stamp)) return undefined;
  return describeInstalled(libtorch, folder);
}

/** The engine for `libtorch` whose binary lies in `folder`. */
export function describeInstalled({ version, folder: libtorch }: Libtorch, folder: string): InstalledEngine {
  return { torchVersion: version, libtorch, cuda: hasCuda(libtorch), binary: join(folder, binaryName) };
}

/** Whether `folder` holds a binary with this stamp. */
export function carriesStamp(folder: string, stamp: EngineStamp): boolean {
  try {
    const found: unknown = JSON.parse(readFileSync(join(folder, stampName), 'utf8'));
    return JSON.stringify(found) === JSON.stringify(stamp) && existsSync(join(folder, binaryName));
  } catch {
    return false;
  }
}

function hashSources(): string {
  const folder = join(packageRoot, 'native', 'torch');
  const files = readdirSync(folder)
    .filter((name) => /\.(cpp|h)$/.test(name))
    .sort()
    .map((name) => join(folder, name))
    .concat(
      join(packageRoot, 'native', 'runtime', 'interface.h'),
      join(packageRoot, 'native', 'runtime', 'label_shift.h'),
      join(packageRoot, 'CMakeLists.txt'),
    );
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}
