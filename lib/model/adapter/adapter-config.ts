/**
 * Adapters: small weights beside those of a model, which train while the model itself is frozen.
 *
 * @module
 */

import { checkBoolean, checkChoice, checkInteger, checkNumber, checkSeed } from '../../core/checks.ts';
import { invalidArgument } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { checkNames } from '../../core/option-names.ts';
import type { DecoderConfig } from '../decoder-config.ts';
import { families } from '../families/index.ts';
import { allLinear, resolveTargets } from './linear-modules.ts';
import {
  type UnlearningLayersConfig,
  type UnlearningLayersOptions,
  unlearningLayersConfig,
} from './unlearning-layers.ts';

/**
 * Low-rank adapters (LoRA: Hu et al. 2021, arXiv 2106.09685): a linear layer gives x W^T + scale * (x A^T) B^T, with A [rank, inputs] and
 * B [outputs, rank].
 */
export interface LoraConfig {
  readonly kind: 'lora';
  readonly rank: number;
  /** The scale is alpha / rank. */
  readonly alpha: number;
  /** The linear layers that have adapters, each by its module's name or the end of it: PEFT's `target_modules`. */
  readonly targets: readonly string[];
  /** The scale is alpha / sqrt(rank) instead (rsLoRA: Kalajdzievski 2023, arXiv 2312.03732). */
  readonly rankStabilised: boolean;
}

/** What adapters a model has, told apart by `kind`. */
export type AdapterConfig = LoraConfig | UnlearningLayersConfig;

/** How fresh adapters are made. */
export interface LoraOptions {
  readonly kind: 'lora';
  /** Default 16. */
  readonly rank?: number;
  /** Default twice the rank. */
  readonly alpha?: number;
  /**
   * As in {@link LoraConfig}; `'all-linear'`, also in a list, is every linear layer but the output layer. Default: those that PEFT takes for
   * the family, else all.
   */
  readonly targets?: readonly string[] | 'all-linear';
  /** Default false. */
  readonly rankStabilised?: boolean;
  /** Of the draws of A. Default 0n. */
  readonly seed?: bigint;
}

export type AdapterOptions = LoraOptions | UnlearningLayersOptions;

/** The largest rank that is taken. */
export const largestRank = 65_536;

/**
 * What the options say for this model, its layers looked up.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_UNSUPPORTED for targets that are no linear layers, which lists those that there are
 */
export function adapterConfig<Options extends AdapterOptions>(
  options: Options,
  model: DecoderConfig,
): Extract<AdapterConfig, Pick<Options, 'kind'>> {
  if (!isObject(options)) throw invalidArgument('adapter', 'an object of options', options);
  checkChoice('adapter.kind', options.kind, ['lora', 'unlearning-layers']);
  const config = options.kind === 'lora' ? loraConfig(options, model) : unlearningLayersConfig(options, model);
  return config as Extract<AdapterConfig, Pick<Options, 'kind'>>;
}

function loraConfig(options: LoraOptions, model: DecoderConfig): LoraConfig {
  checkNames('adapter', options, ['kind', 'rank', 'alpha', 'targets', 'rankStabilised', 'seed']);
  const rank = checkInteger('adapter.rank', options.rank ?? 16, { high: largestRank });
  const alpha = checkNumber('adapter.alpha', options.alpha ?? 2 * rank, { lowExclusive: true, high: 1e6 });
  const { targets = defaultTargets(model), rankStabilised = false } = options;
  const given = targets === allLinear ? [allLinear] : targets;
  if (!Array.isArray(given) || given.length === 0 || !given.every((each) => typeof each === 'string' && each !== '')) {
    throw invalidArgument('adapter.targets', "'all-linear' or a list of names of linear layers", targets);
  }
  return {
    kind: 'lora',
    rank,
    alpha,
    targets: resolveTargets(model, given),
    rankStabilised: checkBoolean('adapter.rankStabilised', rankStabilised),
  };
}

/** The seed that the options name. */
export function adapterSeed({ seed = 0n }: AdapterOptions): bigint {
  return checkSeed('adapter.seed', seed);
}

/** What an adapter's product is multiplied by; 1 of unlearning layers. */
export function adapterScale(adapter: AdapterConfig): number {
  if (adapter.kind !== 'lora') return 1;
  const { alpha, rank, rankStabilised } = adapter;
  return alpha / (rankStabilised ? Math.sqrt(rank) : rank);
}

/** The targets that PEFT takes for the model's family where none are named. */
function defaultTargets({ modelType }: DecoderConfig): readonly string[] {
  return families.find((family) => family.modelType === modelType)?.loraTargets ?? [allLinear];
}
