/**
 * The folder where libtorch and the engine built on it are kept for this user.
 *
 * @module
 */

import { homedir } from 'node:os';
import { join } from 'node:path';

/** `SOUL_CACHE`, or `soul-unlearn` in the platform's folder for caches. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.SOUL_CACHE) return environment.SOUL_CACHE;
  if (environment.XDG_CACHE_HOME) return join(environment.XDG_CACHE_HOME, 'soul-unlearn');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'soul-unlearn');
  if (process.platform === 'win32') {
    return join(environment.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'soul-unlearn', 'Cache');
  }
  return join(homedir(), '.cache', 'soul-unlearn');
}
