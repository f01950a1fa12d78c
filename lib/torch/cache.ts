/**
 * The folder where libtorch and the engine built on it are kept for this user.
 *
 * @module
 */

import { mkdir, mkdtemp } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { SoulError } from '../core/errors.ts';

/**
 * `SOUL_CACHE`, or `soul-unlearn` in the platform's folder for caches; absolute. A platform's folder that is relative counts
 * for nothing, as the XDG specification has it.
 *
 * @throws SoulError SOUL_NOT_FOUND where neither is set and the user has no home folder
 */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.SOUL_CACHE) return resolve(environment.SOUL_CACHE);
  const { XDG_CACHE_HOME: xdg = '', LOCALAPPDATA: local = '' } = environment;
  if (isAbsolute(xdg)) return join(xdg, 'soul-unlearn');
  if (process.platform === 'darwin') return join(homeFolder(), 'Library', 'Caches', 'soul-unlearn');
  if (process.platform === 'win32') {
    return join(isAbsolute(local) ? local : join(homeFolder(), 'AppData', 'Local'), 'soul-unlearn', 'Cache');
  }
  return join(homeFolder(), '.cache', 'soul-unlearn');
}

/** HOME where it is a place, else what the system knows of the user. */
function homeFolder(): string {
  for (const ask of [homedir, () => userInfo().homedir]) {
    try {
      const folder = ask();
      if (isAbsolute(folder)) return folder;
    } catch {
      // A user without an entry in the system's list has no home.
    }
  }
  throw new SoulError(
    'SOUL_NOT_FOUND',
    'this user has no home folder for the cache of libtorch and the engine; set SOUL_CACHE to a folder that can be written',
  );
}

/**
 * Makes the cache with its folder for logs, and in it a folder to work in, on the same file system as what is finished there.
 *
 * @throws SoulError SOUL_FILE_SYSTEM where the cache cannot be written
 */
export async function makeWorkplace(name: string): Promise<string> {
  const folder = cacheFolder();
  try {
    await mkdir(join(folder, 'logs'), { recursive: true });
    await mkdir(join(folder, 'tmp'), { recursive: true });
    return await mkdtemp(join(folder, 'tmp', `${name}-`));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new SoulError(
      'SOUL_FILE_SYSTEM',
      `the cache of libtorch and the engine, ${folder}, cannot be written (${message}); set SOUL_CACHE to a folder that can be`,
      { path: folder, systemCode: code },
      { cause },
    );
  }
}
