/**
 * Where the package lies, which version it is, and how its command is called there.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SoulError } from './errors.ts';

const found = findPackage();

/** The package's root folder; lib/core in a checkout and dist/core when installed are equally deep in it. */
export const packageRoot: string = found.root;

export const packageVersion: string = found.version;

/** Whether the sources run, as in a checkout, and not what was built from them. */
export const fromSources: boolean = import.meta.url.endsWith('.ts');

/**
 * What to type for a command of `soul`, as `engine install`. Where the package is installed or fetched this is by its own
 * name: npx would take `soul` for another package.
 */
export function soulCommand(words: string): string {
  return `${fromSources ? 'npm run soul --' : 'npx soul-unlearn'} ${words}`;
}

/** The address of each module that the package exports, by the name that others import it under. */
export function packageModules(): Record<string, string> {
  const { name, exports } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    name: string;
    exports: Record<string, string | { default: string }>;
  };
  const modules: Record<string, string> = {};
  for (const [entry, target] of Object.entries(exports)) {
    if (typeof target === 'string') continue;
    const built = target.default;
    const file = fromSources ? built.replace(/^\.\/dist\//, './lib/').replace(/\.js$/, '.ts') : built;
    modules[name + entry.slice(1)] = pathToFileURL(join(packageRoot, file)).href;
  }
  return modules;
}

/** A module that was copied into a bundle finds somebody else's package.json two folders above it, or none. */
function findPackage(): { root: string; version: string } {
  try {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
    if (name === 'soul-unlearn' && typeof version === 'string') return { root, version };
  } catch {
    // There is none, or no address of this module.
  }
  throw new SoulError(
    'SOUL_ADDON_MISSING',
    'soul-unlearn was bundled, and its native addon does not lie beside a bundle: mark soul-unlearn as external in the ' +
      'bundler (esbuild: --external:soul-unlearn), and install it where the bundle runs',
  );
}
