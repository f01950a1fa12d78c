/**
 * A folder of a sentence embedding model in ONNX, looked at before it is loaded.
 *
 * @module
 */

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { describe, SoulError, shortName } from '../../core/errors.ts';
import { exists, hashFile, isLfsPointer, lfsPointer, readJsonFile } from '../../core/files.ts';
import { isObject } from '../../core/json.ts';
import { checkFolder } from '../../model/folder-kind.ts';

export interface OnnxFolder {
  /** Absolute. */
  readonly path: string;
  /** Where in it the ONNX file lies; empty where that is the folder itself. */
  readonly subfolder: string;
  /** The ONNX file's name without its ending. */
  readonly model: string;
  /** Longest text in tokens. */
  readonly maximumLength: number;
  /** The folder's name, the ONNX file's, and the first 16 digits of its SHA-256. */
  readonly name: string;
}

const needed = ['config.json', 'tokenizer.json', 'tokenizer_config.json'] as const;

/** What vectors are made by: pooling is checked by itself, and norms do not matter to cosines. */
const knownModules = ['Transformer', 'Pooling', 'Normalize'];

/**
 * Looks at a folder as sentence-transformers or transformers write it, with an ONNX file in it or in its folder `onnx`: `model.onnx`, or
 * the only one.
 *
 * @throws SoulError SOUL_NOT_FOUND for what lacks; SOUL_BAD_FILE for a damaged file; SOUL_UNSUPPORTED for several ONNX files of which none
 *   is `model.onnx`, and for vectors that are not means over tokens
 */
export async function readOnnxFolder(folder: string): Promise<OnnxFolder> {
  await checkFolder(folder);
  const path = resolve(folder);
  const present = await Promise.all(needed.map((name) => exists(join(path, name))));
  const lacking: string[] = needed.filter((_, i) => !present[i]);
  const file = await onnxFile(path);
  if (file === undefined) lacking.push('ONNX file (onnx/model.onnx)');
  if (file === undefined || lacking.length > 0) throw lacks(folder, lacking, await readdir(path));
  await checkModules(path);
  await checkPooling(path);
  const sha256 = await hashFile(join(path, file));
  const parts = file.split('/');
  return {
    path,
    subfolder: parts.slice(0, -1).join('/'),
    model: parts.at(-1)!.replace(/\.onnx$/, ''),
    maximumLength: await longestText(path),
    name: `${shortName(basename(path))} (${file}, SHA-256 ${sha256.slice(0, 16)})`,
  };
}

function lacks(folder: string, lacking: readonly string[], names: readonly string[]): SoulError {
  const weights = names.some((name) => /\.(safetensors|bin)$/.test(name)) && lacking.at(-1)!.startsWith('ONNX');
  const advice = weights
    ? `export its weights: optimum-cli export onnx --model ${folder} --task feature-extraction FOLDER`
    : 'an embedder is the folder of a sentence-transformers model with its ONNX file, such as paraphrase-MiniLM-L6-v2';
  return new SoulError('SOUL_NOT_FOUND', `${folder} has no ${lacking.join(', no ')}: ${advice}`, { folder, lacking });
}

/** The ONNX file, by its path in the folder. */
async function onnxFile(path: string): Promise<string | undefined> {
  const inner = await readdir(join(path, 'onnx')).catch((): string[] => []);
  const names = [...inner.map((name) => `onnx/${name}`), ...(await readdir(path))].filter((name) =>
    name.endsWith('.onnx'),
  );
  const chosen = ['onnx/model.onnx', 'model.onnx'].find((name) => names.includes(name)) ?? names[0];
  if (chosen === undefined) return undefined;
  const file = join(path, chosen);
  if (names.length > 1 && !chosen.endsWith('model.onnx')) {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `${path} has several ONNX files (${names.slice(0, 8).join(', ')}) and none is model.onnx; leave one, or name one so`,
      { folder: path, files: names },
    );
  }
  // A pointer is three short lines.
  if ((await stat(file)).size < 1024 && isLfsPointer(await readFile(file, 'latin1'))) {
    throw new SoulError('SOUL_BAD_FILE', `${file} ${lfsPointer}`, { file });
  }
  return chosen;
}

async function checkModules(path: string): Promise<void> {
  const file = join(path, 'modules.json');
  const modules = await readJsonFile(file);
  if (modules === undefined) return;
  if (!Array.isArray(modules)) throw new SoulError('SOUL_BAD_FILE', `${file} must be a list of modules`, { file });
  const types = modules.map((module) => (isObject(module) ? module.type : module));
  const unknown = types.find((type) => !knownModules.includes(String(type).split('.').at(-1)!));
  if (unknown === undefined) return;
  throw new SoulError(
    'SOUL_UNSUPPORTED',
    `${file} asks for ${describe(unknown)}; an embedder is made of ${knownModules.join(', ')}`,
    { file, module: unknown },
  );
}

/** Others than means over tokens are not computed. */
async function checkPooling(path: string): Promise<void> {
  const file = join(path, '1_Pooling', 'config.json');
  const pooling = await readJsonFile(file);
  if (pooling === undefined) return;
  if (!isObject(pooling)) throw new SoulError('SOUL_BAD_FILE', `${file} must be an object`, { file });
  const flags = Object.keys(pooling).filter((name) => name.startsWith('pooling_mode_'));
  const modes = flags.length > 0 ? flags.filter((name) => pooling[name] === true) : [pooling.pooling_mode ?? 'mean'];
  if (modes.length === 1 && (modes[0] === 'pooling_mode_mean_tokens' || modes[0] === 'mean')) return;
  throw new SoulError(
    'SOUL_UNSUPPORTED',
    `${file} asks for ${modes.join(', ') || 'no pooling'}; expected the mean alone`,
    {
      file,
      modes,
    },
  );
}

/** The least of the lengths that its files name: of sentence-transformers, the tokenizer and the model. */
async function longestText(path: string): Promise<number> {
  const named: unknown[] = await Promise.all(
    [
      ['sentence_bert_config.json', 'max_seq_length'],
      ['tokenizer_config.json', 'model_max_length'],
      ['config.json', 'max_position_embeddings'],
    ].map(async ([name, key]) => {
      const content = await readJsonFile(join(path, name!));
      return isObject(content) ? content[key!] : undefined;
    }),
  );
  // A tokenizer without a limit names 1e30.
  const lengths = named.filter((length): length is number => Number.isSafeInteger(length) && (length as number) > 2);
  return Math.min(...lengths);
}
