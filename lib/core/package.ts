/**
 * Where the package lies and which version it is.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The package's root folder; lib/core in a checkout and dist/core when installed are equally deep in it. */
export const packageRoot: string = fileURLToPath(new URL('../..', import.meta.url));

export const packageVersion: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
