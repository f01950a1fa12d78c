/**
 * EUL's unlearning layers: a bottleneck of its own behind the MLP of each layer.
 *
 * @module
 */

import { checkChoice, checkInteger } from '../../core/checks.ts';
import { checkNames } from '../../core/option-names.ts';
import type { DecoderConfig } from '../decoder-config.ts';
import { type NamedParameter, ParameterLayout } from '../parameter-layout.ts';

/** What a bottleneck may have between its two matrices; `gelu` is the exact one. */
export const bottleneckActivations = ['gelu', 'gelu_tanh', 'relu', 'silu'] as const;

export type BottleneckActivation = (typeof bottleneckActivations)[number];

/**
 * Behind each layer's MLP, before a norm after it and before the residual sum, y becomes
 *
 *     y + U activation(D y + d) + u,    D [bottleneck, hidden], U [hidden, bottleneck]
 *
 * Chen and Yang 2023, arXiv 2310.20150; the form of Houlsby et al. 2019, arXiv 1902.00751. A layer whose MLP stands beside attention has it
 * behind the MLP all the same. What it does is no product with a weight of the model, so it cannot be folded into one.
 */
export interface UnlearningLayersConfig {
  readonly kind: 'unlearning-layers';
  readonly bottleneck: number;
  readonly activation: BottleneckActivation;
}

/** How fresh ones are made. */
export interface UnlearningLayersOptions {
  readonly kind: 'unlearning-layers';
  /** Default a sixteenth of the model's width, rounded up: below 1 % of the weights of a small model. */
  readonly bottleneck?: number;
  /** Default gelu. */
  readonly activation?: BottleneckActivation;
  /** Of the draws of D. Default 0n. */
  readonly seed?: bigint;
}

/** The widest bottleneck that is taken. */
export const widestBottleneck = 16_383;

/**
 * What the options say for this model.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function unlearningLayersConfig(
  options: UnlearningLayersOptions,
  { hiddenSize }: Pick<DecoderConfig, 'hiddenSize'>,
): UnlearningLayersConfig {
  checkNames('adapter', options, ['kind', 'bottleneck', 'activation', 'seed']);
  const { kind, bottleneck = Math.min(Math.ceil(hiddenSize / 16), widestBottleneck), activation = 'gelu' } = options;
  checkChoice('adapter.kind', kind, ['unlearning-layers']);
  checkInteger('adapter.bottleneck', bottleneck, { high: widestBottleneck });
  checkChoice('adapter.activation', activation, bottleneckActivations);
  return { kind, bottleneck, activation };
}

/** The four parameters of a layer's bottleneck. */
export interface BottleneckNames {
  /** D, [bottleneck, hidden]. */
  readonly down: string;
  /** d, [bottleneck]. */
  readonly downBias: string;
  /** U, [hidden, bottleneck]. */
  readonly up: string;
  /** u, [hidden]. */
  readonly upBias: string;
}

/** Their names, of layer `layer` from 0. */
export function bottleneckNames(layer: number): BottleneckNames {
  const of = (part: string) => `layers.${layer}.unlearning_layer.${part}`;
  return { down: of('down.weight'), downBias: of('down.bias'), up: of('up.weight'), upBias: of('up.bias') };
}

/**
 * The layout of the unlearning layers of a model: all D, then all U, as of LoRA's A and B: what lies before a U of 0 has no gradient until U
 * has moved. They add to what the MLP gives, and have its role.
 */
export function unlearningLayersLayout(
  { hiddenSize, layers }: Pick<DecoderConfig, 'hiddenSize' | 'layers'>,
  { bottleneck }: UnlearningLayersConfig,
): ParameterLayout {
  const ofAll = (part: keyof BottleneckNames, parameter: Pick<NamedParameter, 'shape' | 'group' | 'factor'>) =>
    Array.from({ length: layers }, (_, layer): NamedParameter => {
      return { name: bottleneckNames(layer)[part], ...parameter, role: 'mlpOutput', layer };
    });
  return ParameterLayout.of([
    ...ofAll('down', { shape: [bottleneck, hiddenSize], group: 'matrix', factor: 'A' }),
    ...ofAll('up', { shape: [hiddenSize, bottleneck], group: 'matrix', factor: 'B' }),
    ...ofAll('downBias', { shape: [bottleneck], group: 'vector' }),
    ...ofAll('upBias', { shape: [hiddenSize], group: 'vector' }),
  ]);
}
