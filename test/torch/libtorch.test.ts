import { spawnSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { cacheFolder } from '../../lib/torch/cache.ts';
import { cudaLibraries, hasCuda } from '../../lib/torch/cuda-libraries.ts';
import { linkLibtorch } from '../../lib/torch/fetch-libtorch.ts';
import { cachedLibtorch, findLibtorch, inspectLibtorch, isTested, preferLibtorch } from '../../lib/torch/libtorch.ts';

const library =
  { darwin: 'libtorch_cpu.dylib', win32: 'torch_cpu.dll' }[process.platform as string] ?? 'libtorch_cpu.so';
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function makeLibtorch(name: string, text: string): Promise<string> {
  const libtorch = join(folder, 'libtorch');
  await mkdir(join(libtorch, 'lib'), { recursive: true });
  await mkdir(join(libtorch, 'include', 'ATen'), { recursive: true });
  await writeFile(join(libtorch, 'lib', library), '');
  await writeFile(join(libtorch, name), text);
  return libtorch;
}

interface Told {
  result?: Record<string, unknown>;
  error?: { code: string; message: string };
}

/** Calls one function of lib/torch/index.ts in a process with an environment of its own. */
function call(expression: string, environment: NodeJS.ProcessEnv): Told {
  const index = fileURLToPath(new URL('../../lib/torch/index.ts', import.meta.url));
  const program = `
    const torch = await import(${JSON.stringify(index)});
    const told = await Promise.resolve().then(() => ${expression}).then(
      (result) => ({ result }),
      ({ code, message }) => ({ error: { code, message } }),
    );
    console.log(JSON.stringify(told));`;
  const words = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...environment };
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Told;
}

describe('finding libtorch', () => {
  test('a folder is one when it has libraries, headers and a version that fits', async () => {
    expect(inspectLibtorch(join(folder, 'missing'))).toBe('nothing');
    expect(inspectLibtorch(folder)).toBe(`no lib/${library}`);
    const wheel = await makeLibtorch(
      'version.py',
      "from typing import Optional\n__version__ = '2.13.0+cpu'\ndebug = False\n",
    );
    expect(inspectLibtorch(wheel)).toEqual({ folder: wheel, version: '2.13.0+cpu' });
    await rm(join(wheel, 'version.py'));
    expect(inspectLibtorch(wheel)).toMatch(/does not tell its version/);
    await makeLibtorch('build-version', '2.13.1+cu130\n');
    expect(inspectLibtorch(wheel)).toEqual({ folder: wheel, version: '2.13.1+cu130' });
    expect(isTested({ folder: wheel, version: '2.13.1+cu130' })).toBe(true);
    expect(isTested({ folder: wheel, version: '2.11.0' })).toBe(false);
    expect(isTested({ folder: wheel, version: '2.130.0' })).toBe(false);
  });

  test('the cache is where the environment says', () => {
    expect(cacheFolder({ SOUL_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
    expect(cacheFolder({ XDG_CACHE_HOME: '/b' })).toBe(join('/b', 'soul-unlearn'));
  });

  test('without an engine the error says what was looked for and what to run', () => {
    const environment = { SOUL_CACHE: join(folder, 'cache'), SOUL_LIBTORCH: join(folder, 'missing') };
    const { result } = call('torch.describeEngine()', environment);
    expect(result).toMatchObject({
      installed: false,
      searched: [{ place: `SOUL_LIBTORCH=${join(folder, 'missing')}`, found: 'nothing' }],
    });
    const { error } = call('torch.TorchLM.load("anything")', environment);
    expect(error).toMatchObject({ code: 'SOUL_ENGINE_MISSING' });
    expect(error!.message).toMatch(/soul -- engine install/);
    expect(error!.message).toContain(join(folder, 'missing'));
  });

  test('a libtorch without an engine built for it is no engine', async () => {
    const libtorch = await makeLibtorch('build-version', '2.13.0+cpu');
    const environment = { SOUL_CACHE: join(folder, 'cache'), SOUL_LIBTORCH: libtorch };
    expect(call('torch.describeEngine()', environment).result).toMatchObject({
      installed: false,
      torchVersion: '2.13.0+cpu',
      reason: 'no engine is built for libtorch 2.13.0+cpu',
      cuda: false,
    });
    await writeFile(join(libtorch, 'lib', 'libtorch_cuda.so'), '');
    expect(call('torch.describeEngine()', environment).result).toMatchObject({ installed: false, cuda: true });
    expect(call('torch.engineHasCuda()', environment).result).toBe(false);
  });

  test('the PyTorch of python3 is taken where its version is tested, a folder that is named at any', async () => {
    const libtorch = await makeLibtorch('version.py', "__version__ = '2.11.0+cu130'\n");
    const bin = join(folder, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'python3'), `#!/bin/sh\necho '${libtorch}'\n`, { mode: 0o755 });
    const environment = { SOUL_CACHE: join(folder, 'cache'), PATH: `${bin}:${process.env.PATH}` };
    const { result } = call('torch.describeEngine()', environment);
    expect(result).toMatchObject({ installed: false, reason: 'no libtorch was found' });
    expect((result!.searched as { found: string }[]).at(-1)!.found).toBe(
      `libtorch 2.11.0+cu130, but 2.13.x is what is tested; to take it all the same: npm run soul -- engine install --libtorch ${libtorch}`,
    );
    const given = call('torch.describeEngine()', { ...environment, SOUL_LIBTORCH: libtorch }).result;
    expect(given).toMatchObject({
      torchVersion: '2.11.0+cu130',
      reason: 'no engine is built for libtorch 2.11.0+cu130',
    });
  });
});

describe('the CUDA part of libtorch', () => {
  test('comes last, after what of NVIDIA it needs, in the order of need', async () => {
    const libtorch = join(folder, 'environment', 'torch');
    const nvidia = join(folder, 'environment', 'nvidia');
    await mkdir(join(libtorch, 'lib'), { recursive: true });
    await symlink(libtorch, join(folder, 'linked'), 'junction');
    expect(hasCuda(libtorch)).toBe(false);
    expect(cudaLibraries(libtorch)).toEqual([join(libtorch, 'lib', 'libtorch_cuda.so')]);
    for (const path of [
      'cublas/lib/libcublas.so.12',
      'cublas/lib/libcublasLt.so.12',
      'cu13/lib/libcudart.so.13',
      'nccl/include/nccl.h',
      'nccl/lib/libnccl.so.2',
    ]) {
      await mkdir(join(nvidia, path, '..'), { recursive: true });
      await writeFile(join(nvidia, path), '');
    }
    await writeFile(join(libtorch, 'lib', 'libtorch_cuda.so'), '');
    expect(hasCuda(join(folder, 'linked'))).toBe(true);
    expect(cudaLibraries(join(folder, 'linked'))).toEqual([
      join(nvidia, 'cu13', 'lib', 'libcudart.so.13'),
      join(nvidia, 'cublas', 'lib', 'libcublasLt.so.12'),
      join(nvidia, 'cublas', 'lib', 'libcublas.so.12'),
      join(folder, 'linked', 'lib', 'libtorch_cuda.so'),
    ]);
  });
});

describe('installing', () => {
  test('a folder that is no libtorch is refused', () => {
    const { error } = call(`torch.installEngine({ libtorch: ${JSON.stringify(folder)} })`, { SOUL_CACHE: folder });
    expect(error).toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    expect(error!.message).toContain(`no lib/${library}`);
  });

  test('missing tools are named in a sentence each', async () => {
    const libtorch = await makeLibtorch('build-version', '2.13.0+cpu');
    const environment = { SOUL_CACHE: join(folder, 'cache'), PATH: folder };
    const { error } = call(`torch.installEngine({ libtorch: ${JSON.stringify(libtorch)} })`, environment);
    expect(error).toMatchObject({ code: 'SOUL_ENGINE_MISSING' });
    expect(error!.message).toMatch(/^cmake was not found; .*\. No C\+\+20 compiler was found; .*\.$/);
    const fetching = call('torch.installEngine()', { ...environment, SOUL_CACHE: join(folder, 'empty') });
    expect(fetching.error!.message).toMatch(/python3 with pip was not found/);
  });
});

describe('the libtorch of the cache', () => {
  const { SOUL_CACHE: cache, SOUL_LIBTORCH: given } = process.env;
  beforeEach(() => {
    process.env.SOUL_CACHE = join(folder, 'cache');
    delete process.env.SOUL_LIBTORCH;
  });
  afterEach(() => {
    delete process.env.SOUL_CACHE;
    if (cache !== undefined) process.env.SOUL_CACHE = cache;
    if (given !== undefined) process.env.SOUL_LIBTORCH = given;
  });

  async function fillSlot(variant: 'cpu' | 'cuda'): Promise<string> {
    const slot = cachedLibtorch(variant);
    await mkdir(join(slot, 'lib'), { recursive: true });
    await mkdir(join(slot, 'include', 'ATen'), { recursive: true });
    await writeFile(join(slot, 'lib', library), '');
    await writeFile(join(slot, 'build-version'), `2.13.0+${variant === 'cuda' ? 'cu130' : 'cpu'}`);
    return slot;
  }

  test('the variant that was installed last is found first', async () => {
    const [cpu, cuda] = [await fillSlot('cpu'), await fillSlot('cuda')];
    expect(findLibtorch()?.folder).toBe(cuda);
    await preferLibtorch({ folder: cpu, version: '2.13.0+cpu' });
    expect(findLibtorch()?.folder).toBe(cpu);
    await preferLibtorch({ folder: '/elsewhere', version: '2.13.0' });
    expect(findLibtorch()?.folder).toBe(cpu);
    await preferLibtorch({ folder: cuda, version: '2.13.0+cu130' });
    expect(findLibtorch()?.folder).toBe(cuda);
    await rm(cuda, { recursive: true });
    expect(findLibtorch()?.folder).toBe(cpu);
  });

  test('an install without a choice takes what is there; a version that is not tested is said', async () => {
    const slot = await fillSlot('cuda');
    await writeFile(join(slot, 'build-version'), '2.11.0+cu130');
    // No tool is found, so it ends before it builds.
    const told = call(
      `(async () => { const lines = []; await torch.installEngine({ onProgress: (line) => lines.push(line) }).catch(({ message }) => lines.push(message)); return { lines }; })()`,
      {
        SOUL_CACHE: process.env.SOUL_CACHE,
        PATH: folder,
      },
    );
    expect(told.result).toEqual({
      lines: [
        'warning: libtorch 2.11.0+cu130 is not what the engine is tested with (2.13.0); it may fail to build, or work in another way',
        expect.stringMatching(/^cmake was not found/),
      ],
    });
  });

  test('its own folder by another path stays what it is', async () => {
    const slot = await fillSlot('cpu');
    const other = join(folder, 'other');
    await symlink(slot, other, 'junction');
    expect(await linkLibtorch({ folder: other, version: '2.13.0+cpu' })).toEqual({
      folder: slot,
      version: '2.13.0+cpu',
    });
    expect((await lstat(slot)).isSymbolicLink()).toBe(false);
  });

  test('a folder elsewhere is pointed to, and again without harm', async () => {
    const libtorch = { folder: await makeLibtorch('build-version', '2.13.0+cpu'), version: '2.13.0+cpu' };
    for (let i = 0; i < 2; i++) {
      expect(await linkLibtorch(libtorch)).toEqual({ folder: cachedLibtorch('cpu'), version: '2.13.0+cpu' });
      expect(findLibtorch()?.folder).toBe(cachedLibtorch('cpu'));
    }
  });
});
