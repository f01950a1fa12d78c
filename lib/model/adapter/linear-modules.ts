/**
 * The linear layers of a decoder that adapters may stand beside, by the names that modules have in transformers.
 *
 * @module
 */

import { SoulError, shortName } from '../../core/errors.ts';
import type { DecoderConfig } from '../decoder-config.ts';
import { decoderWeights, embeddingName, headName, type LayerWeights } from '../decoder-weights.ts';
import type { ParameterSlot } from '../parameter-layout.ts';

export interface LinearModule {
  /** Of the module, as `model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  /** Of its matrix in the model's layout. */
  readonly weight: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly slot: Pick<ParameterSlot, 'role' | 'layer'>;
}

/** In PEFT's words: every linear layer but the output layer. */
export const allLinear = 'all-linear';

/** The linear layers within a decoder's layers, in order; a matrix of several parts is one. */
export function linearModules(config: DecoderConfig): LinearModule[] {
  const { layers, layout } = decoderWeights(config);
  return layers.flatMap(projectionsOf).map(({ weight, transposed }) => {
    const { shape, role, layer } = layout.get(weight)!;
    const [outputs, inputs] = transposed ? [shape[1]!, shape[0]!] : [shape[0]!, shape[1]!];
    return { name: moduleName(weight), weight, inputs, outputs, slot: { role: role!, layer: layer! } };
  });
}

/** Whether a target names a module, as PEFT reads it: by its whole name, or from a dot on. */
export function isTarget(target: string, module: string): boolean {
  return module === target || module.endsWith(`.${target}`);
}

/** The last parts of the modules' names, each once. */
export function shortNames(config: DecoderConfig): string[] {
  return [...new Set(linearModules(config).map(({ name }) => name.slice(name.lastIndexOf('.') + 1)))];
}

/**
 * The targets, each of which names a linear layer, with `all-linear` spelled out.
 *
 * @throws SoulError SOUL_UNSUPPORTED with the linear layers that there are
 */
export function resolveTargets(config: DecoderConfig, targets: readonly string[]): string[] {
  const modules = linearModules(config);
  const resolved = new Set<string>();
  for (const target of new Set(targets)) {
    if (target === allLinear) for (const name of shortNames(config)) resolved.add(name);
    else if (modules.some(({ name }) => isTarget(target, name))) resolved.add(target);
    else throw noTarget(config, target);
  }
  return [...resolved];
}

/** The error of a target that is no linear layer. */
export function noTarget(config: DecoderConfig, target: string): SoulError {
  const there = shortNames(config);
  const why = isOutsideLayers(config, target)
    ? 'is an embedding or the output layer, which adapters are not made for'
    : 'is no linear layer of this model';
  return new SoulError(
    'SOUL_UNSUPPORTED',
    `target ${shortName(target)} ${why}; its linear layers are ${there.join(', ')}, and ${allLinear} is all of them`,
    { target, linearLayers: there },
  );
}

/** Whether a target names the model's embedding, its positions or its output layer, which may be tied to each other. */
export function isOutsideLayers(config: DecoderConfig, target: string): boolean {
  const names = [embeddingName(config), headName(config), ...positionsName(config)].map(moduleName);
  return names.some((name) => isTarget(target, name));
}

function projectionsOf({ attentionInput, attentionOutput, mlpInput, mlpOutput }: LayerWeights) {
  return [...attentionInput, attentionOutput, ...mlpInput, mlpOutput];
}

function positionsName({ names }: DecoderConfig): string[] {
  return names.positions === undefined ? [] : [`${names.prefix}${names.positions}.weight`];
}

function moduleName(weight: string): string {
  return weight.replace(/\.weight$/, '');
}
