/**
 * Whether a folder may be replaced: only what an earlier run made, and nothing else, is ever removed.
 *
 * @module
 */

import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { readJsonFile } from '../core/files.ts';
import { recordName, runFiles } from './run-files.ts';

/**
 * Checks that a folder is empty or holds exactly what a run wrote, that the new run reads neither it nor anything in it, and
 * that it can be renamed.
 *
 * @param inputs files and folders that the new run reads
 * @throws SoulError SOUL_EXISTS, SOUL_INVALID_ARGUMENT
 */
export async function requireReplaceable(path: string, inputs: readonly string[]): Promise<void> {
  if (!(await stat(path)).isDirectory()) throw kept(path, 'it is a file');
  if (await isMountPoint(path)) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${path} cannot be replaced: it is a mount point; name a folder in it as the output`,
      { path },
    );
  }
  await requireNoInput(path, inputs);
  const names = await readdir(path);
  if (names.length === 0) return;
  const written = await namesOfRun(path);
  if (written === undefined) throw kept(path, 'it holds no run.json of soul-unlearn, so it was not made by a run');
  const foreign = names.filter((name) => !written.has(name));
  if (foreign.length > 0) throw kept(path, `it holds ${foreign.slice(0, 3).join(', ')}, which no run wrote`);
}

/**
 * Checks that a folder that will be removed is nothing that the run reads, and holds nothing of it: a model that is gone cannot be
 * begun with again.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export async function requireNoInput(path: string, inputs: readonly string[]): Promise<void> {
  for (const input of inputs) {
    const place = await realpath(input).catch(() => resolve(input));
    if (!isWithin(place, path)) continue;
    const what = relative(path, place) === '' ? 'it' : `${input} in it`;
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${path} cannot be replaced: the run reads ${what}; move it, or name another output`,
      {
        path,
        input,
      },
    );
  }
}

/** Whether a place is a folder, or lies in it. */
export function isWithin(place: string, folder: string): boolean {
  const way = relative(folder, place);
  return way === '' || !(way.split(sep)[0] === '..' || isAbsolute(way));
}

function kept(path: string, reason: string): SoulError {
  return new SoulError('SOUL_EXISTS', `${path} is not replaced: ${reason}; name another output`, { path });
}

/** The files that the run of a folder wrote by its own record; undefined where there is none. */
async function namesOfRun(path: string): Promise<Set<string> | undefined> {
  const record = (await readJsonFile(join(path, recordName)).catch(() => undefined)) as
    | RunRecordFile
    | undefined
    | null;
  if (record?.package?.name !== 'soul-unlearn') return undefined;
  const { model, others } = record.outputs ?? {};
  const written = [model, others].flatMap((files) => Object.keys(files?.sha256 ?? {}));
  // Of what lies in a folder, the folder.
  return new Set([...written.map((name) => name.split('/')[0]!), ...runFiles]);
}

interface RunRecordFile {
  package?: { name?: unknown };
  outputs?: { model?: { sha256?: object }; others?: { sha256?: object } };
}

/** Whether another file system, or a bound folder, begins here: it cannot be renamed. */
async function isMountPoint(path: string): Promise<boolean> {
  const [here, above] = await Promise.all([stat(path), stat(dirname(path))]);
  if (here.dev !== above.dev) return true;
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  const unescaped = (field: string) =>
    field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return mounts.split('\n').some((line) => unescaped(line.split(' ')[4] ?? '') === path);
}
