/**
 * A user's own algorithm, from a file.
 *
 * @module
 */

import { readFileSync, statSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { extname, join, resolve as resolvePath } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, SoulError } from '../core/errors.ts';
import { fromSources, packageModules, packageRoot } from '../core/package.ts';
import { inAlgorithmFile } from '../run/algorithm-file.ts';
import { type Algorithm, checkAlgorithm } from '../unlearn/algorithm.ts';
import { type Method, weightedTerms } from '../unlearn/method.ts';
import { algorithms } from '../unlearn/registry.ts';
import * as moduleHooks from './module-hooks.ts';

const scripts = ['.js', '.mjs'];
const typeScripts = ['.ts', '.mts'];

/**
 * What a file exports as `default`, or else as `algorithm`: what defineAlgorithm or defineMethod makes, or a method.
 *
 * @throws SoulError SOUL_NOT_FOUND; SOUL_UNSUPPORTED for a file that cannot be run here, with what to do; SOUL_BAD_FILE for one
 *   that fails or exports none; SOUL_INVALID_ARGUMENT for one that is not whole
 */
export async function loadAlgorithm(file: string): Promise<Algorithm | Method> {
  const path = resolvePath(file);
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile()) {
    throw new SoulError('SOUL_NOT_FOUND', `${file} ${found ? 'is not a file' : 'does not exist'}`, { file });
  }
  const extension = extname(path);
  if (![...scripts, ...typeScripts].includes(extension)) {
    const known = [...scripts, ...typeScripts].join(', ');
    throw new SoulError('SOUL_UNSUPPORTED', `${file} must be an ES module in a file that ends in one of ${known}`, {
      file,
    });
  }
  const throughTsx = typeScripts.includes(extension) && (await loadTypeScript(file, path));
  hookModules(throughTsx || fromSources);
  const exported = await importFile(file, path);
  const algorithm = exported.default ?? exported.algorithm;
  if (typeof algorithm !== 'object' || algorithm === null) {
    throw new SoulError(
      'SOUL_BAD_FILE',
      `${file} exports no algorithm: export what defineAlgorithm or defineMethod makes as default, or as algorithm` +
        (algorithm === undefined ? '' : ` (it exports ${describe(algorithm)})`),
      { file, exports: Object.keys(exported) },
    );
  }
  return checked(file, algorithm);
}

function checked(file: string, algorithm: object): Algorithm | Method {
  if ('terms' in algorithm) inAlgorithmFile(file, () => weightedTerms(algorithm as Method));
  else checkAlgorithm(`the algorithm of ${file}`, algorithm);
  const own = algorithm as Algorithm | Method;
  if (!algorithms.some(({ name }) => name === own.name)) return own;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${file} exports an algorithm of the name ${own.name}, which is that of another (\`soul methods\`): give it one of its own`,
    { file, name: own.name },
  );
}

/**
 * Sees to it that TypeScript can be imported.
 *
 * @returns whether it is tsx that loads it
 * @throws SoulError SOUL_UNSUPPORTED
 */
async function loadTypeScript(file: string, path: string): Promise<boolean> {
  // Whoever runs the package's sources can run others.
  if (fromSources) return true;
  if ((process.features as { typescript?: false | string }).typescript) return false;
  const tsx = [path, join(packageRoot, 'package.json')].map(tsxFrom).find((entry) => entry !== undefined);
  if (tsx === undefined) {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `${file} is TypeScript, which Node.js ${process.version} does not run by itself: take Node.js 22.18 or newer, install tsx ` +
        'beside the file (npm install tsx), or write it in JavaScript (.mjs)',
      { file, node: process.version },
    );
  }
  const { register } = (await import(tsx)) as { register: () => unknown };
  register();
  return true;
}

/** The address of tsx's interface, where it is installed for a file; its CommonJS form does not find its own files on Node.js 20. */
function tsxFrom(file: string): string | undefined {
  try {
    const manifest = nodeModule.createRequire(file).resolve('tsx/package.json');
    const { exports } = JSON.parse(readFileSync(manifest, 'utf8'));
    return new URL(exports['./esm/api'].import.default, pathToFileURL(manifest)).href;
  } catch {
    return undefined;
  }
}

let hooked = false;

/** In a file of the user's, the package's names stand for the package that runs. */
function hookModules(throughTsx: boolean): void {
  if (hooked) return;
  hooked = true;
  const data = { modules: packageModules(), root: pathToFileURL(packageRoot).href, throughTsx };
  // Of Node.js 22.15 and newer; its types are newer than those that the package is built with.
  const { registerHooks } = nodeModule as { registerHooks?: (hooks: object) => void };
  if (registerHooks) {
    moduleHooks.initialize(data);
    registerHooks({ resolve: moduleHooks.resolve });
  } else {
    const file = fromSources ? './module-hooks.ts' : './module-hooks.js';
    nodeModule.register(file, import.meta.url, { data });
  }
}

async function importFile(file: string, path: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SoulError) throw error;
    const { name = 'Error', message = String(error), stack = '' } = (error ?? {}) as Partial<Error>;
    throw new SoulError(
      'SOUL_BAD_FILE',
      `${file} cannot be loaded: ${name}: ${message}${whereText(file, name, stack)}`,
      { file },
      { cause: error },
    );
  }
}

/** Where a module failed; the line of a syntax error Node.js tells nobody but its own printer. */
function whereText(file: string, name: string, stack: string): string {
  if (name === 'SyntaxError') return ` (node --check ${file} shows where)`;
  const places = [...stack.matchAll(/file:\/\/\S*?([^/\s]+:\d+)(?::\d+)?\)?$/gm)].map(([, place]) => place!);
  const place = places.find((each) => !/^(module-hooks|own-algorithm)\./.test(each));
  return place === undefined ? '' : ` (${place})`;
}
