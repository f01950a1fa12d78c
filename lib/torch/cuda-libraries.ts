/**
 * The CUDA part of a libtorch, and the libraries of NVIDIA that it needs.
 *
 * @module
 */

import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Of a CUDA build of libtorch, in its folder; a CPU build lacks it. */
export const cudaLibrary = join('lib', 'libtorch_cuda.so');

/**
 * What NVIDIA's libraries look for by name alone, at times at the wrong place: loaded beforehand, by its path, it is what they
 * find. Each comes before those that need it. The others libtorch_cuda finds itself.
 */
const loadedFirst = [
  'libcudart.so',
  'libnvJitLink.so',
  'libcublasLt.so',
  'libcublas.so',
  'libnvrtc.so',
  'libcusparse.so',
  'libcudnn.so',
];

/** Whether the libtorch in a folder is a CUDA build. */
export function hasCuda(libtorch: string): boolean {
  return existsSync(join(libtorch, cudaLibrary));
}

/**
 * The files to load, in this order, before libtorch is used for the first time: it looks for its CUDA part but once.
 *
 * Wheels put NVIDIA's libraries into `nvidia` beside `torch`, in the cache and in an environment of Python; where there are
 * none, the system's are found by name.
 */
export function cudaLibraries(libtorch: string): string[] {
  const found = nvidiaFolders(libtorch).flatMap((folder) => readdirSync(folder).map((name) => ({ folder, name })));
  const files: string[] = [];
  for (const stem of loadedFirst) {
    for (const { folder, name } of found) if (name.startsWith(`${stem}.`)) files.push(join(folder, name));
  }
  return [...files, join(libtorch, cudaLibrary)];
}

/** `nvidia/PACKAGE/lib`. */
function nvidiaFolders(libtorch: string): string[] {
  const nvidia = join(dirname(realpathSync(libtorch)), 'nvidia');
  if (!existsSync(nvidia)) return [];
  return readdirSync(nvidia)
    .sort()
    .map((name) => join(nvidia, name, 'lib'))
    .filter((folder) => existsSync(folder));
}
