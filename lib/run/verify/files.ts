/**
 * Whether files are still what a record says.
 *
 * @module
 */

import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { dataInputs, pathsOf, recordedKeyId } from '../changed-inputs.ts';
import { filesOf, sha256 } from '../checksums.ts';
import type { ItemKey } from '../item-key.ts';
import { fileName } from '../item-names.ts';
import { inWords, type Loose, loose, texts } from '../loose.ts';
import { type Check, checksOf } from './check.ts';

/** Every file of an out folder: none missing, none changed, none that the record does not name. */
export async function checkOutputs(folder: string, record: Loose, signal?: AbortSignal): Promise<Check[]> {
  const { failed, unlessFailed } = checksOf('outputs');
  const outputs = loose(record.outputs);
  const recorded: Record<string, string> = {
    ...texts(loose(outputs.model).sha256),
    ...texts(loose(outputs.others).sha256),
  };
  const names = Object.keys(recorded);
  if (outputs.others === undefined || names.length === 0)
    return [
      failed(
        'expected the hashes of all files in run.json (outputs), found them not: it is of an older version, or was changed',
      ),
    ];
  const failures: string[] = [];
  const there = new Set(await filesOf(folder));
  for (const name of names) {
    // A link out of the folder, or a name that leads there, is no file of it.
    if (!there.delete(name)) failures.push(`${name}: expected a file, found none`);
    else {
      const problem = await differs(join(folder, name), recorded[name]!, signal);
      if (problem !== undefined) failures.push(`${name}: ${problem}`);
    }
  }
  for (const name of there) failures.push(`${name}: expected no such file, found one that the record does not name`);
  return unlessFailed(failures, `${names.length} files are what the record says, and there are no others`);
}

/** What is wrong with a file that should have a hash. */
async function differs(path: string, expected: string, signal?: AbortSignal): Promise<string | undefined> {
  const entry = await stat(path).catch(() => undefined);
  if (!entry?.isFile()) return 'expected a file, found what is none';
  const found = await sha256(path, signal);
  return found === expected ? undefined : `expected SHA-256 ${expected}, found ${found}`;
}

/** Where inputs lie, in place of what the settings say. */
export interface InputPlaces {
  readonly model?: string | undefined;
  readonly target?: string | undefined;
  readonly itemKey?: ItemKey | undefined;
}

/** What the run read, where that can be found. */
export async function checkInputs(record: Loose, places: InputPlaces, signal?: AbortSignal): Promise<Check[]> {
  const settings = loose(record.settings);
  const inputs = loose(record.inputs);
  const checks = [
    await checkModel(loose(inputs.model), places.model ?? texts(settings).model, places.model !== undefined, signal),
  ];
  const keyId = recordedKeyId(record);
  for (const { name, settingIn, recorded } of dataInputs(record)) {
    const given = name === 'target' ? places.target : undefined;
    // What the model made itself was no input, and is among the outputs if it was kept.
    const paths = pathsOf(given ?? settingIn(settings));
    const key = places.itemKey?.id === keyId ? places.itemKey : undefined;
    for (const [i, path] of paths.entries()) checks.push(await checkFile(name, recorded[i] ?? {}, path, key, signal));
  }
  return checks;
}

/**
 * A folder of a model whose hashes are recorded.
 *
 * @param isGiven whether the caller named the folder
 */
export async function checkModel(
  { sha256: recorded }: Loose,
  folder: string | undefined,
  isGiven: boolean,
  signal: AbortSignal | undefined,
  [what, role, option]: readonly [string, string, string] = ['model', 'what the run began with', '--model'],
): Promise<Check> {
  const { passed, failed, unknown } = checksOf('inputs');
  const sums = texts(recorded);
  if (folder === undefined || Object.keys(sums).length === 0)
    return failed(`${what}: expected the ${what} and its hashes in run.json, found them not`);
  const there = await stat(folder).catch(() => undefined);
  if (!there?.isDirectory()) {
    const text = `${what}: ${folder} is not there`;
    return isGiven
      ? failed(`${text}; expected the folder of ${role}`)
      : unknown(`${text}, so it was not compared (${option})`);
  }
  for (const [name, sum] of Object.entries(sums)) {
    // A name from a record leads nowhere else.
    if (basename(name) !== name) return failed(`${what}: expected names of files, found ${JSON.stringify(name)}`);
    const problem = await differs(join(folder, name), sum, signal);
    if (problem !== undefined) return failed(`${what}: ${join(folder, name)}: ${problem}`);
  }
  return passed(`${what}: ${folder} is ${role} (${Object.keys(sums).length} files)`);
}

async function checkFile(
  input: string,
  { sha256: plain, keyedSha256 }: Loose,
  path: string,
  key: ItemKey | undefined,
  signal: AbortSignal | undefined,
): Promise<Check> {
  const { passed, failed, unknown } = checksOf('inputs');
  const label = input === 'target' ? 'data' : input;
  if (typeof (plain ?? keyedSha256) !== 'string') return failed(`${label}: expected its hash in run.json, found none`);
  const there = await stat(path).catch(() => undefined);
  if (!there?.isFile()) return unknown(`${label}: ${path} is not there, so it was not compared`);
  if (plain === undefined && key === undefined)
    return unknown(`${label}: ${path} can be compared with the key of the items alone (--key)`);
  const hash = await sha256(path, signal);
  const [found, what] = plain === undefined ? [fileName(key!, hash), 'keyed hash'] : [hash, 'SHA-256'];
  const expected = plain ?? keyedSha256;
  return found === expected
    ? passed(`${label}: ${path} is what the run read`)
    : failed(`${label}: ${path}: expected ${what} ${inWords(expected)}, found ${found}`);
}
