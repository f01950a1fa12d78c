/**
 * PEFT's adapter_config.json.
 *
 * @see https://huggingface.co/docs/peft/developer_guides/checkpoint
 * @module
 */

import { join } from 'node:path';
import { describe, SoulError, shortName } from '../../core/errors.ts';
import { readJsonFile } from '../../core/files.ts';
import { isObject } from '../../core/json.ts';
import { ConfigReader } from '../config-reader.ts';
import type { DecoderConfig } from '../decoder-config.ts';
import { type AdapterConfig, largestRank } from './adapter-config.ts';
import { allLinear, isOutsideLayers, isTarget, linearModules, noTarget, resolveTargets } from './linear-modules.ts';

export const adapterConfigFile = 'adapter_config.json';

/** What adapter_config.json says, before the base is known. */
export interface PeftConfig {
  /** `base_model_name_or_path`. */
  readonly base: string | undefined;
  /** The adapters on a base of this shape. */
  on(model: DecoderConfig): AdapterConfig;
}

/**
 * Reads `folder`/adapter_config.json. `lora_dropout` counts for nothing here: dropout is never applied. Targets that the model does not have
 * are passed over as long as it has one, as PEFT does.
 *
 * @throws SoulError SOUL_NOT_FOUND; SOUL_BAD_FILE; SOUL_UNSUPPORTED naming the key of what is asked for and not built
 */
export async function readPeftConfig(folder: string): Promise<PeftConfig> {
  const path = join(folder, adapterConfigFile);
  // As null, NaN would be an entry that is absent.
  const source = await readJsonFile(path, { nan: Number.NaN });
  if (source === undefined) throw new SoulError('SOUL_NOT_FOUND', `${path} does not exist`, { path });
  if (!isObject(source)) {
    throw new SoulError('SOUL_BAD_FILE', `${path} must be an object, but is ${describe(source)}`, { path });
  }
  const config = new ConfigReader(source, path, 'SOUL_BAD_FILE');
  if (source.peft_type !== 'LORA') throw config.unsupported('peft_type', source.peft_type, 'LORA');
  refuseOthers(config);
  const rank = config.size('r', 8);
  if (rank > largestRank) config.fail('r', `at most ${largestRank}`, rank);
  const alpha = config.positive('lora_alpha', 8);
  if (alpha > 1e6) config.fail('lora_alpha', 'at most 1e6', alpha);
  const rankStabilised = config.flag('use_rslora');
  const targets = readTargets(config);
  const base = config.get('base_model_name_or_path');
  if (base !== undefined && typeof base !== 'string') config.fail('base_model_name_or_path', 'a text or null', base);
  return {
    base: base === '' ? undefined : (base as string | undefined),
    on: (model) => ({ kind: 'lora', rank, alpha, targets: targetsOn(model, targets), rankStabilised }),
  };
}

/** The content of adapter_config.json; what it leaves out PEFT takes as its defaults, which are meant. */
export function peftConfig(
  model: DecoderConfig,
  adapter: AdapterConfig,
  base: string | undefined,
): Record<string, unknown> {
  const transposed = model.names.attentionOutput.transposed === true;
  return {
    base_model_name_or_path: base ?? null,
    bias: 'none',
    fan_in_fan_out: transposed,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: adapter.alpha,
    lora_dropout: 0.0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: adapter.rank,
    target_modules: adapter.targets,
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: adapter.rankStabilised,
  };
}

/** Keys that are read, and those that change no output. */
const known: ReadonlySet<string> = new Set([
  'auto_mapping',
  'base_model_name_or_path',
  'bias',
  'eva_config',
  'fan_in_fan_out',
  'inference_mode',
  'init_lora_weights',
  'layers_pattern',
  'lora_alpha',
  'lora_dropout',
  'megatron_core',
  'peft_type',
  'peft_version',
  'qalora_group_size',
  'r',
  'revision',
  'runtime_config',
  'target_modules',
  'task_type',
  'use_rslora',
]);

/** What asks for more than A, B and one scale, by the key that asks. */
function refuseOthers(config: ConfigReader): void {
  config.refuseUnless('bias', 'none');
  config.refuseUnless('task_type', 'CAUSAL_LM');
  // The others (pissa, olora, loftq, corda, lora_ga) take something out of the base's weights.
  config.refuseUnless('init_lora_weights', true, false, 'gaussian', 'orthogonal', 'eva');
  for (const [key, value] of Object.entries(config.source)) {
    if (!known.has(key) && !isNeutral(value)) throw config.unsupported(shortName(key), value, 'none, leave it out');
  }
}

/** What asks for nothing. */
function isNeutral(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function readTargets(config: ConfigReader): readonly string[] {
  const given = config.get('target_modules');
  if (given === allLinear) return [allLinear];
  if (typeof given === 'string') throw config.unsupported('target_modules', given, `a list of names, or ${allLinear}`);
  if (!Array.isArray(given) || given.length === 0 || !given.every((each) => typeof each === 'string' && each !== '')) {
    return config.fail('target_modules', 'a list of names', given);
  }
  return given;
}

function targetsOn(model: DecoderConfig, targets: readonly string[]): readonly string[] {
  const outside = targets.find((each) => isOutsideLayers(model, each));
  if (outside !== undefined) throw noTarget(model, outside);
  const modules = linearModules(model);
  const there = targets.filter((each) => each === allLinear || modules.some(({ name }) => isTarget(each, name)));
  if (there.length === 0) throw noTarget(model, targets[0]!);
  return resolveTargets(model, there);
}
