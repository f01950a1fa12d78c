/**
 * Installs the engine: a libtorch, and the addon built for it.
 *
 * @module
 */

import { join } from 'node:path';
import { checkSignal } from '../core/cancellation.ts';
import { asSoulError, invalidArgument } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { buildEngine } from './build-engine.ts';
import { cacheFolder } from './cache.ts';
import { builtEngine, type InstalledEngine } from './engine-binary.ts';
import { fetchLibtorch, linkLibtorch } from './fetch-libtorch.ts';
import {
  cachedLibtorch,
  findLibtorch,
  inspectLibtorch,
  isTested,
  type Libtorch,
  type LibtorchVariant,
  preferLibtorch,
  requireLibtorch,
  torchVersion,
} from './libtorch.ts';
import type { InstallWork } from './run-logged.ts';

export interface InstallOptions {
  /**
   * `'cpu'`, or `'cuda'`: Linux, about 3 GB, with the nvidia wheels that libtorch depends on. By default whichever is there,
   * else `'cpu'`.
   */
  variant?: LibtorchVariant;
  /**
   * A libtorch that is there already: its folder, with lib/ and include/. The cache points to it from then on. One of a
   * version that is not tested is taken with a warning.
   */
  libtorch?: string;
  /** Fetch and build again what is there. */
  force?: boolean;
  /** One line for each thing that takes time. */
  onProgress?: (line: string) => void;
  /** Ends pip, or the compiler, and with it the installation, with SOUL_CANCELLED. */
  signal?: AbortSignal;
}

/**
 * Finds or fetches libtorch, and builds the engine for it; what is there already is not done again. From then on this engine
 * is the one that is loaded. No Python runs afterwards. Two installs at the same time don't hurt each other.
 *
 * @throws SoulError SOUL_ENGINE_MISSING naming the missing tool, or the log; SOUL_INVALID_ARGUMENT; SOUL_FILE_SYSTEM;
 *   SOUL_CANCELLED
 */
export async function installEngine(options: InstallOptions = {}): Promise<InstalledEngine> {
  const { variant, force = false, onProgress = () => {} } = options;
  checkNames('options', options, ['variant', 'libtorch', 'force', 'onProgress', 'signal']);
  const signal = checkSignal('signal', options.signal);
  if (variant !== undefined && variant !== 'cpu' && variant !== 'cuda')
    throw invalidArgument('variant', "'cpu' or 'cuda'", variant);
  try {
    const log = join(
      cacheFolder(),
      'logs',
      `install-${new Date().toISOString().replace(/[:.]/g, '-')}-${process.pid}.txt`,
    );
    const work = { log, force, onProgress, signal };
    const libtorch = await chooseLibtorch(options.libtorch, variant, work);
    if (!isTested(libtorch)) {
      onProgress(
        `warning: libtorch ${libtorch.version} is not what the engine is tested with (${torchVersion}); it may fail to build, or work in another way`,
      );
    }
    const engine = (force ? undefined : builtEngine(libtorch)) ?? (await buildEngine(libtorch, work));
    await preferLibtorch(libtorch);
    return engine;
  } catch (error) {
    throw asSoulError(error);
  }
}

async function chooseLibtorch(
  given: string | undefined,
  variant: LibtorchVariant | undefined,
  work: InstallWork,
): Promise<Libtorch> {
  if (given !== undefined) return linkLibtorch(requireLibtorch(given));
  if (process.env.SOUL_LIBTORCH) return requireLibtorch(process.env.SOUL_LIBTORCH);
  if (work.force) return fetchLibtorch(variant ?? 'cpu', work);
  if (variant === undefined) return findLibtorch() ?? fetchLibtorch('cpu', work);
  const cached = inspectLibtorch(cachedLibtorch(variant));
  return typeof cached === 'string' ? fetchLibtorch(variant, work) : cached;
}
