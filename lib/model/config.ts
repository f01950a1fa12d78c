/**
 * What a Hugging Face config.json says about a model, in one form whichever family it is of and whichever version of transformers
 * wrote it.
 *
 * @module
 */

import { join } from 'node:path';
import { describe, SoulError, type SoulErrorCode, shortName } from '../core/errors.ts';
import { readJsonFile } from '../core/files.ts';
import { isObject } from '../core/json.ts';
import { ConfigReader } from './config-reader.ts';
import type { DecoderConfig } from './decoder-config.ts';
import type { Family } from './families/family.ts';
import { families } from './families/index.ts';
import { missingFile } from './folder-kind.ts';

/**
 * Reads `folder`/config.json.
 *
 * @throws SoulError SOUL_NOT_FOUND (what the folder is instead), SOUL_BAD_FILE (not JSON, a number that can't be), SOUL_UNSUPPORTED
 *   (names the architecture or option)
 */
export async function readModelConfig(folder: string): Promise<DecoderConfig> {
  const file = join(folder, 'config.json');
  // As null, NaN would be an entry that is absent.
  const source = await readJsonFile(file, { nan: Number.NaN });
  if (source === undefined) throw await missingFile(folder, 'config.json');
  return parse(source, file, 'SOUL_BAD_FILE');
}

/**
 * Checks and normalises the content of a config.json.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_UNSUPPORTED
 */
export function parseModelConfig(source: object): DecoderConfig {
  return parse(source, 'config', 'SOUL_INVALID_ARGUMENT');
}

function parse(given: unknown, where: string, code: SoulErrorCode): DecoderConfig {
  if (!isObject(given)) throw new SoulError(code, `${where} must be an object, but is ${describe(given)}`);
  const source = structuredClone(given);
  const config = new ConfigReader(source, where, code);
  const family = familyOf(config);
  if (source.quantization_config != null) {
    const method = isObject(source.quantization_config) ? source.quantization_config.quant_method : undefined;
    throw config.unsupported('quantization_config', method ?? source.quantization_config, 'unquantised weights');
  }
  const { modelType, architecture } = family;
  return { modelType, architecture, written: {}, ...family.read(config), source };
}

/** The type decides, as in transformers; a head for something else than language is another model. */
function familyOf(config: ConfigReader): Family {
  const { model_type: modelType, architectures } = config.source;
  const named = (Array.isArray(architectures) ? architectures : [architectures])
    .filter((name) => typeof name === 'string')
    .slice(0, 8)
    .map(shortName);
  const types = families.map((family) => family.modelType).join(', ');
  const family = families.find((each) =>
    modelType === undefined ? named.includes(each.architecture) : each.modelType === modelType,
  );
  if (family === undefined) {
    if (modelType !== undefined) throw config.unsupported('model_type', modelType, types);
    const found = named.length > 0 ? named.join(', ') : 'not named';
    throw config.unsupported('architecture', found, `model_type ${types}`);
  }
  const other = /For(?!CausalLM)|DoubleHeadsModel/i;
  if (named.length > 0 && named.every((name) => other.test(name))) {
    throw config.unsupported('architecture', named.join(', '), family.architecture);
  }
  return family;
}
