/**
 * pip, for fetching alone: what the user has told it of installing does not count here.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { type InstallWork, type RunResult, runLogged } from './run-logged.ts';

/**
 * Settings that say where packages come from and which may come, as pip names them in the environment. All others are for
 * installing, or for other requirements than ours.
 */
const fetchSettings = new Set(
  [
    ...['INDEX_URL', 'EXTRA_INDEX_URL', 'NO_INDEX', 'FIND_LINKS', 'TRUSTED_HOST', 'KEYRING_PROVIDER'],
    ...['CERT', 'CLIENT_CERT', 'PROXY', 'TIMEOUT', 'DEFAULT_TIMEOUT', 'USE_FEATURE', 'USE_DEPRECATED'],
    ...['CACHE_DIR', 'NO_CACHE_DIR', 'CONFIG_FILE', 'DISABLE_PIP_VERSION_CHECK', 'CONSTRAINT', 'REQUIRE_HASHES'],
  ].map((name) => `PIP_${name}`),
);

/** Of these, what names a file or folder, and what may name several with spaces between. */
const onePath = ['PIP_CERT', 'PIP_CLIENT_CERT', 'PIP_CONFIG_FILE', 'PIP_CACHE_DIR'];
const manyPaths = ['PIP_FIND_LINKS', 'PIP_CONSTRAINT'];

/** What a file of settings may say, too; variables come before files. */
const overridden = { PIP_REQUIRE_VIRTUALENV: '0', PIP_NO_DEPS: '0', PIP_QUIET: '0' };

/** The environment in which pip fetches: an undefined variable is one that it must not see. */
export function pipEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const dropped = Object.keys(environment).filter((name) => name.startsWith('PIP_') && !fetchSettings.has(name));
  // pip runs in a folder of its own: relative paths are those of the user's.
  const absolute = (path: string) => (/^([a-z]+:|~)/i.test(path) ? path : resolve(path));
  const paths = [...onePath, ...manyPaths].flatMap((name) => {
    const given = environment[name];
    if (!given) return [];
    const several = manyPaths.includes(name) ? given.trim().split(/\s+/) : [given];
    return [[name, several.map(absolute).join(' ')]];
  });
  return { ...Object.fromEntries([...dropped.map((name) => [name, undefined]), ...paths]), ...overridden };
}

/**
 * Runs `pip download`.
 *
 * @param workplace an empty folder to run in: Python looks for modules where it runs
 */
export function pipDownload(
  { log, signal }: Pick<InstallWork, 'log' | 'signal'>,
  workplace: string,
  words: readonly string[],
): Promise<RunResult> {
  const fixed = ['-m', 'pip', 'download', '--only-binary=:all:', '--no-input', '--retries', '1'];
  return runLogged(log, 'python3', [...fixed, ...words], { cwd: workplace, environment: pipEnvironment(), signal });
}

/** Whether pip is told, by the environment or in a file, to ask no index. */
export function pipAsksNoIndex(): boolean {
  const { stdout } = askPip('config', 'list');
  const settings = [...(stdout ?? '').matchAll(/^(?:global|download|:env:)\.no-index='(.*)'$/gm)];
  return settings.length > 0 && /^(1|y|yes|t|true|on)$/i.test(settings.at(-1)![1]!);
}

/** @throws SoulError SOUL_ENGINE_MISSING where there is no python3 with pip */
export function requirePip(): void {
  if (askPip('--version').status === 0) return;
  throw new SoulError(
    'SOUL_ENGINE_MISSING',
    'python3 with pip was not found; it is needed once, to fetch libtorch (Debian: apt install python3-pip), unless SOUL_LIBTORCH names one',
  );
}

function askPip(...words: string[]) {
  const env = { ...process.env, ...pipEnvironment() };
  // Python imports from where it is started first: an empty folder holds nobody's modules.
  const folder = mkdtempSync(join(tmpdir(), 'soul-pip-'));
  try {
    return spawnSync('python3', ['-m', 'pip', ...words], { cwd: folder, encoding: 'utf8', env });
  } finally {
    rmdirSync(folder);
  }
}
