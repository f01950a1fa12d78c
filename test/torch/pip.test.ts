import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { packageRoot } from '../../lib/core/package.ts';
import { cacheFolder } from '../../lib/torch/cache.ts';
import { pipEnvironment } from '../../lib/torch/pip.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul test '));
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs `installEngine()` in a process of its own, on a PATH that holds a stand-in for python3, and returns its error. */
async function install(python: string, environment: NodeJS.ProcessEnv, cwd = folder) {
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'python3'), `#!/bin/sh\n${python}\n`, { mode: 0o755 });
  for (const tool of ['sh', 'env', 'grep', 'pwd', 'ls']) {
    const { stdout } = spawnSync('which', [tool], { encoding: 'utf8' });
    await symlink(stdout.trim(), join(bin, tool)).catch(() => {});
  }
  const program = `
    const { installEngine } = await import(${JSON.stringify(join(packageRoot, 'lib/torch/index.ts'))});
    const told = await installEngine().then(() => ({}), ({ code, message }) => ({ code, message }));
    console.log(JSON.stringify(told));`;
  const tsx = join(packageRoot, 'node_modules/tsx/dist/loader.mjs');
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', tsx, '--input-type=module', '--eval', program], {
    encoding: 'utf8',
    cwd,
    env: { PATH: bin, HOME: homedir(), SOUL_CACHE: join(folder, 'a cache'), ...environment },
  });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as { code?: string; message?: string };
}

/** Answers what is asked of pip; a download fails once it has written down what it was given. */
const recording = (settings = '') => `
case "$3" in
  --version) exit 0 ;;
  config) echo "${settings}"; exit 0 ;;
  download)
    env | grep ^PIP_ > '${folder}/variables'
    for word in "$@"; do echo "$word"; done > '${folder}/words'
    { pwd; ls; } > '${folder}/place'
    echo 'ERROR: No matching distribution found for torch'
    exit 1 ;;
esac
exit 0`;

const lines = async (name: string) => (await readFile(join(folder, name), 'utf8')).trim().split('\n');

describe('pip fetches', () => {
  const installing = {
    PIP_REQUIRE_VIRTUALENV: '1',
    PIP_USER: '1',
    PIP_TARGET: '/elsewhere',
    PIP_PREFIX: '/elsewhere',
    PIP_REQUIREMENT: '/elsewhere/requirements.txt',
    PIP_PLATFORM: 'win32',
    PIP_PYTHON: '/elsewhere/python',
    PIP_DEST: '/elsewhere',
  };
  const fetching = {
    PIP_INDEX_URL: 'https://index.example/simple',
    PIP_EXTRA_INDEX_URL: 'https://other.example/simple',
    PIP_PROXY: 'http://proxy.example:3128',
    PIP_CERT: '/certificates.pem',
    PIP_CONFIG_FILE: '/pip.conf',
    PIP_CACHE_DIR: '/pip-cache',
    PIP_FIND_LINKS: '/wheels',
  };

  test('with what says where packages come from, and with nothing that says where they go', async () => {
    const { code, message } = await install(recording(), { ...installing, ...fetching });
    expect(code).toBe('SOUL_ENGINE_MISSING');
    expect(message).toMatch(/neither from the indexes that pip is set up with nor from .*No matching distribution/);
    expect(message).toContain('run: npm run soul -- engine install --libtorch FOLDER');
    const forced = ['PIP_NO_DEPS=0', 'PIP_QUIET=0', 'PIP_REQUIRE_VIRTUALENV=0'];
    const kept = Object.entries(fetching).map(([name, value]) => `${name}=${value}`);
    expect((await lines('variables')).sort()).toEqual([...kept, ...forced].sort());
  });

  test('into a cache whose path has a space, where no module of the user lies in its way', async () => {
    await writeFile(join(folder, 'pip.py'), 'raise SystemExit("this is not pip")');
    await install(recording(), {});
    const words = await lines('words');
    const wheels = words[words.indexOf('--dest') + 1]!;
    expect(wheels).toMatch(new RegExp(`^${join(folder, 'a cache', 'tmp', 'libtorch-')}.*/wheels$`));
    expect(await lines('place')).toEqual([join(wheels, '..')]);
  });

  test.each([
    [{ PIP_NO_INDEX: '1' }, ":env:.no-index='1'"],
    [{}, "global.no-index='true'"],
  ])('from no index where it is told to, and the error says so', async (environment, settings) => {
    const { message } = await install(recording(settings), environment);
    expect(message).toMatch(/told to ask no index \(PIP_NO_INDEX, or no-index in its configuration\)/);
    expect((await lines('variables')).includes('PIP_NO_INDEX=1')).toBe('PIP_NO_INDEX' in environment);
  });

  test('and a file of settings cannot ask for a virtual environment', () => {
    expect(pipEnvironment({ PIP_TARGET: '/x', OTHER: '1' })).toEqual({
      PIP_TARGET: undefined,
      PIP_REQUIRE_VIRTUALENV: '0',
      PIP_NO_DEPS: '0',
      PIP_QUIET: '0',
    });
  });
});

describe('the cache', () => {
  test('is absolute: a relative folder of the platform counts for nothing, one of ours is taken from here', () => {
    const home = join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache', 'soul-unlearn');
    expect(cacheFolder({ XDG_CACHE_HOME: 'cache' })).toBe(home);
    expect(cacheFolder({ SOUL_CACHE: 'cache' })).toBe(join(process.cwd(), 'cache'));
  });

  test('is found where HOME is not set or empty', async () => {
    const program = `import(${JSON.stringify(join(packageRoot, 'lib/torch/cache.ts'))}).then((m) => console.log(m.cacheFolder()))`;
    for (const environment of [{}, { HOME: '' }]) {
      const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', '--eval', program], {
        encoding: 'utf8',
        cwd: packageRoot,
        env: { PATH: process.env.PATH, ...environment },
      });
      expect(stdout.trim()).toMatch(/^\/.*soul-unlearn$/);
    }
  });

  test('that cannot be written is an error that says what to set', async () => {
    await writeFile(join(folder, 'file'), '');
    const cache = join(folder, 'file', 'cache');
    const { code, message } = await install(recording(), { SOUL_CACHE: cache });
    expect(code).toBe('SOUL_FILE_SYSTEM');
    expect(message).toMatch(/cannot be written \(ENOTDIR.*\); set SOUL_CACHE to a folder that can be$/);
    expect(message).toContain(cache);
  });
});
