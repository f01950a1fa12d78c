/**
 * Where the weights of adapters lie in flat buffers of their own.
 *
 * @module
 */

import type { DecoderConfig } from '../decoder-config.ts';
import { ParameterLayout } from '../parameter-layout.ts';
import type { AdapterConfig } from './adapter-config.ts';
import { isTarget, type LinearModule, linearModules } from './linear-modules.ts';
import { unlearningLayersLayout } from './unlearning-layers.ts';

/** A linear layer with the names of its adapter's two matrices. */
export interface AdaptedModule extends LinearModule {
  /** [rank, inputs]. */
  readonly a: string;
  /** [outputs, rank]. */
  readonly b: string;
}

/** What PEFT's files put before the names of modules. */
const prefix = 'base_model.model.';

/** The linear layers that have adapters beside them; none where there are unlearning layers. */
export function adaptedModules(config: DecoderConfig, adapter: AdapterConfig): AdaptedModule[] {
  const targets = adapter.kind === 'lora' ? adapter.targets : [];
  return linearModules(config)
    .filter(({ name }) => targets.some((target) => isTarget(target, name)))
    .map((module) => ({
      ...module,
      a: `${prefix}${module.name}.lora_A.weight`,
      b: `${prefix}${module.name}.lora_B.weight`,
    }));
}

/**
 * The layout of adapters, under the names and in the shapes of their files, PEFT's or those of unlearning layers: all A (or D), then all B (or
 * U), which optimizers tell apart.
 */
export function adapterLayout(config: DecoderConfig, adapter: AdapterConfig): ParameterLayout {
  if (adapter.kind === 'unlearning-layers') return unlearningLayersLayout(config, adapter);
  const { rank } = adapter;
  const modules = adaptedModules(config, adapter);
  const group = 'matrix' as const;
  return ParameterLayout.of([
    ...modules.map(({ a, inputs, slot }) => ({ name: a, shape: [rank, inputs], group, factor: 'A' as const, ...slot })),
    ...modules.map(({ b, outputs, slot }) => ({
      name: b,
      shape: [outputs, rank],
      group,
      factor: 'B' as const,
      ...slot,
    })),
  ]);
}
