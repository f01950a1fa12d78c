/**
 * What a folder is that should be a model's, told from what lies in it.
 *
 * @module
 */

import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SoulError, shortName } from '../core/errors.ts';
import { exists, isLfsPointer, lfsPointer, readJsonFile } from '../core/files.ts';
import { soulCommand } from '../core/package.ts';
import { adapterBase, isAdapterFolder, readAdapterConfig } from './adapter/adapter-folder.ts';
import { unlearningLayersFile } from './adapter/unlearning-layers-file.ts';
import { requireWeightFiles, singleFile, weightFiles } from './weight-files.ts';

export interface ModelFolderChecks {
  /** Whether adapters with their base will do. Default false. */
  readonly adapters?: boolean;
  /** The base of adapters; default what their adapter_config.json names. */
  readonly base?: string;
}

/**
 * Checks what can be known of a model's folder without reading its weights: that it is no cache or the like, nor adapters unless they will
 * do, has all shards that its index names, and files rather than what stands for them. What a loader needs beyond that is for it to say.
 *
 * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE: what the folder is instead, and what to give; of {@link adapterBase}
 */
export async function checkModelFolder(
  folder: string,
  { adapters = false, base }: ModelFolderChecks = {},
): Promise<void> {
  await checkFolder(folder);
  if (adapters && (await isAdapterFolder(folder))) {
    await checkAdapterFiles(folder);
    return checkModelFolder(await adapterBase(folder, base));
  }
  if (!(await exists(join(folder, 'config.json')))) {
    const reason = await reasonFor(folder, 'config.json');
    if (reason !== undefined) throw lacking(folder, 'config.json', reason);
  }
  const dangling = await danglingLink(folder, singleFile);
  if (dangling !== undefined) throw lacking(folder, singleFile, dangling);
  const { names } = await weightFiles(folder);
  await requireWeightFiles(folder, names);
  for (const name of names) {
    const path = join(folder, name);
    if (await isPointer(path)) throw new SoulError('SOUL_BAD_FILE', `${path} ${lfsPointer}`, { path });
  }
}

async function checkAdapterFiles(folder: string): Promise<void> {
  const { weights } = await readAdapterConfig(folder);
  const path = join(folder, weights);
  if (!(await exists(path))) throw lacking(folder, weights, 'the weights of the adapters are not there');
  if (await isPointer(path)) throw new SoulError('SOUL_BAD_FILE', `${path} ${lfsPointer}`, { path });
}

/** @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE for a file */
export async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (!found) throw new SoulError('SOUL_NOT_FOUND', `the model folder ${folder} does not exist`, { folder });
  if (!found.isDirectory()) {
    throw new SoulError('SOUL_BAD_FILE', `${folder} must be a model folder, but is a file`, { folder });
  }
}

/**
 * The error of a folder that lacks one of a model's files.
 *
 * @param advice what to do where the folder tells nothing
 */
export async function missingFile(
  folder: string,
  file: string,
  advice = 'a model is a Hugging Face folder with config.json, safetensors and tokenizer.json',
): Promise<SoulError> {
  return lacking(folder, file, (await reasonFor(folder, file)) ?? advice);
}

function lacking(folder: string, file: string, reason: string): SoulError {
  return new SoulError('SOUL_NOT_FOUND', `${folder} has no ${file}: ${reason}`, { folder, file });
}

async function reasonFor(folder: string, file: string): Promise<string | undefined> {
  return (await danglingLink(folder, file)) ?? (await kindOf(folder));
}

async function danglingLink(folder: string, file: string): Promise<string | undefined> {
  const path = join(folder, file);
  const link = await lstat(path).catch(() => undefined);
  if (!link?.isSymbolicLink()) return undefined;
  return `it is a link to ${await readlink(path)}, which does not exist; download the model again`;
}

/** What the folder is, where it is known not to be a model's. */
async function kindOf(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch((): string[] => []);
  if (await isAdapterFolder(folder)) {
    if (names.includes(unlearningLayersFile)) {
      return 'it holds unlearning layers, not a model, and they cannot be merged into one; give the model that they belong to';
    }
    const adapter = (await readJsonFile(join(folder, 'adapter_config.json')).catch(() => undefined)) as
      | { base_model_name_or_path?: unknown }
      | undefined;
    const base = adapter?.base_model_name_or_path;
    const of = typeof base === 'string' ? ` of ${shortName(base)}` : '';
    return `it is an adapter${of}, not a model; merge it into its base (${soulCommand('merge')}), and give the folder of that`;
  }
  if (names.includes('snapshots')) {
    const snapshots = await readdir(join(folder, 'snapshots')).catch((): string[] => []);
    const main = await readFile(join(folder, 'refs', 'main'), 'utf8').catch(() => '');
    const chosen = snapshots.includes(main.trim()) ? main.trim() : snapshots[0];
    return chosen === undefined
      ? "it is a folder of the Hub's cache without a snapshot; download the model again"
      : `it is a folder of the Hub's cache; give the snapshot in it: ${join(folder, 'snapshots', chosen)}`;
  }
  const cached = names.find((name) => name.startsWith('models--'));
  if (cached)
    return `it is the Hub's cache; give the snapshot of one model in it: ${join(folder, cached, 'snapshots')}/...`;
  if (names.some((name) => name.endsWith('.gguf')))
    return 'it holds GGUF, which is not read; give the safetensors of the model';
  const inner: string[] = [];
  for (const name of names.sort()) if (await exists(join(folder, name, 'config.json'))) inner.push(name);
  if (inner.length === 0) return undefined;
  const more = inner.length > 8 ? ` and ${inner.length - 8} more` : '';
  return `the models are in its folders ${inner.slice(0, 8).join(', ')}${more}; give one of them`;
}

async function isPointer(path: string): Promise<boolean> {
  const { size } = await stat(path);
  // A pointer is three short lines.
  return size < 1024 && isLfsPointer(await readFile(path, 'latin1'));
}
