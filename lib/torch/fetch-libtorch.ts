/**
 * Fetches libtorch: the wheel of PyTorch through pip, of which only the libraries and headers are kept.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { mkdir, readdir, realpath, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { soulCommand } from '../core/package.ts';
import { makeWorkplace } from './cache.ts';
import { cudaLibrary, hasCuda } from './cuda-libraries.ts';
import { cachedLibtorch, inspectLibtorch, type Libtorch, type LibtorchVariant, torchVersion } from './libtorch.ts';
import { pipAsksNoIndex, pipDownload, requirePip } from './pip.ts';
import { type InstallWork, runLogged } from './run-logged.ts';

/** PyTorch's own index of CPU wheels, asked after the indexes that pip is set up with. */
const cpuIndex = 'https://download.pytorch.org/whl/cpu';

/**
 * Downloads the wheel and unpacks it into the cache, beside and renamed: whoever comes second at the same time uses what
 * the first one put there.
 *
 * The CUDA variant takes plain torch and the nvidia wheels that it depends on; on Linux only.
 *
 * @throws SoulError SOUL_ENGINE_MISSING with both ways out when no index has the wheel
 */
export async function fetchLibtorch(variant: LibtorchVariant, work: InstallWork): Promise<Libtorch> {
  const { log, force, onProgress } = work;
  requirePip();
  const target = dirname(cachedLibtorch(variant));
  const workplace = await makeWorkplace('libtorch');
  try {
    await mkdir(dirname(target), { recursive: true });
    const wheels = join(workplace, 'wheels');
    onProgress(
      `fetching the wheel of PyTorch ${torchVersion} (${variant === 'cpu' ? '0.2 GB' : '3 GB with the nvidia wheels'})`,
    );
    await download(variant, wheels, workplace, work);
    onProgress('unpacking the libraries and headers');
    const unpacked = join(workplace, 'unpacked');
    await unpack(wheels, unpacked, workplace, work);
    const result = inspectLibtorch(join(unpacked, 'torch'));
    if (typeof result === 'string') {
      throw new SoulError('SOUL_ENGINE_MISSING', `the wheel that pip fetched holds ${result}; see ${log}`, { log });
    }
    if (variant === 'cuda' && !hasCuda(result.folder)) {
      throw new SoulError(
        'SOUL_ENGINE_MISSING',
        `the wheel that pip fetched, of torch ${result.version}, is no CUDA build (it lacks ${cudaLibrary}); see ${log}`,
        { log },
      );
    }
    const damaged = typeof inspectLibtorch(cachedLibtorch(variant)) === 'string';
    await moveInto(unpacked, target, workplace, force || damaged);
  } finally {
    await rm(workplace, { recursive: true, force: true });
  }
  return { folder: cachedLibtorch(variant), version: (inspectLibtorch(cachedLibtorch(variant)) as Libtorch).version };
}

/**
 * Makes the cache point at a libtorch that somebody has, so that it is found from now on.
 *
 * @param folder of a libtorch, absolute
 */
export async function linkLibtorch(libtorch: Libtorch): Promise<Libtorch> {
  const link = cachedLibtorch(hasCuda(libtorch.folder) ? 'cuda' : 'cpu');
  const [given, there] = await Promise.all(
    [libtorch.folder, link].map((path) => realpath(path).catch(() => undefined)),
  );
  if (given !== undefined && given === there) return { folder: link, version: libtorch.version };
  const workplace = await makeWorkplace('libtorch');
  try {
    await mkdir(dirname(dirname(link)), { recursive: true });
    const finished = join(workplace, 'finished');
    await mkdir(finished);
    await symlink(libtorch.folder, join(finished, 'torch'), 'junction');
    await moveInto(finished, dirname(link), workplace, true);
  } finally {
    await rm(workplace, { recursive: true, force: true });
  }
  return { folder: link, version: libtorch.version };
}

async function download(variant: LibtorchVariant, wheels: string, workplace: string, work: InstallWork): Promise<void> {
  const { log } = work;
  // A CPU wheel also satisfies the plain version, and counts as later.
  const plain = process.platform === 'darwin' ? '' : '+cpu';
  const requirement = `torch==${torchVersion}${variant === 'cpu' ? plain : `,!=${torchVersion}+cpu`}`;
  const base = ['--dest', wheels, ...(variant === 'cpu' ? ['--no-deps'] : [])];
  const indexes = variant === 'cpu' ? [[], ['--index-url', cpuIndex]] : [[]];
  let last = '';
  for (const index of indexes) {
    for (const interpreter of interpreters()) {
      const { succeeded, tail } = await pipDownload(work, workplace, [...base, ...index, ...interpreter, requirement]);
      if (succeeded) return;
      last = tail.split('\n').at(-1) ?? '';
    }
  }
  const where = pipAsksNoIndex()
    ? 'since it is told to ask no index (PIP_NO_INDEX, or no-index in its configuration), and what it looks in has none'
    : `neither from the indexes that pip is set up with${variant === 'cpu' ? ` nor from ${cpuIndex}` : ''}`;
  throw new SoulError(
    'SOUL_ENGINE_MISSING',
    `${requirement} could not be fetched with pip, ${where} (last: ${last}; see ${log}). Either set pip up with an index ` +
      `that has it, or get a libtorch ${torchVersion} yourself and run: ${soulCommand('engine install --libtorch FOLDER')}`,
    { log, requirement },
  );
}

/** First for the Python at hand; one that is too new or too old for the wheel can still fetch that of another. */
function interpreters(): string[][] {
  if (process.platform !== 'linux') return [[]];
  const platform = `manylinux_2_28_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`;
  const forVersion = (version: string) => [
    '--python-version',
    version,
    '--implementation',
    'cp',
    '--platform',
    platform,
  ];
  return [[], forVersion('3.11'), forVersion('3.12')];
}

/** What a wheel gives: libraries, headers, the version, licences; libtorch_python is never used. */
const unpackProgram = `
import glob, os, re, sys, zipfile
wheels, target = sys.argv[1:]
wanted = re.compile(r"(torch/(lib/|include/|version\\.py$)|torch\\.libs/|nvidia/.*/lib/|(torch|nvidia)[^/]*\\.dist-info/)")
unwanted = re.compile(r"torch/lib/libtorch_python\\.")
for wheel in glob.glob(os.path.join(wheels, "*.whl")):
    if not re.match(r"(torch|nvidia)[-_]", os.path.basename(wheel)): continue
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if wanted.match(n) and not unwanted.match(n)]
        archive.extractall(target, names)
`;

async function unpack(wheels: string, target: string, workplace: string, { log, signal }: InstallWork): Promise<void> {
  const words = ['-c', unpackProgram, wheels, target];
  const { succeeded, tail } = await runLogged(log, 'python3', words, { cwd: workplace, signal });
  if (succeeded) return;
  throw new SoulError(
    'SOUL_ENGINE_MISSING',
    `the wheel could not be unpacked (${tail.split('\n').at(-1)}; see ${log})`,
    {
      log,
    },
  );
}

/** Renames a finished folder to its place; what another process put there meanwhile is kept, unless it is to be replaced. */
export async function moveInto(finished: string, target: string, workplace: string, force: boolean): Promise<void> {
  if (force && existsSync(target)) await rename(target, join(workplace, 'replaced'));
  try {
    await rename(finished, target);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const there = existsSync(target) && (await readdir(target)).length > 0;
    if (there && (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'EPERM')) return;
    throw new SoulError(
      'SOUL_INTERNAL',
      `${target} could not be put in place: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
}
