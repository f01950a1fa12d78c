/**
 * Where the weights of adapters lie in flat buffers of their own.
 *
 * @module
 */

import type { DecoderConfig } from '../decoder-config.ts';
import { ParameterLayout } from '../parameter-layout.ts';
import type { AdapterConfig } from './adapter-config.ts';
import { isTarget, type LinearModule, linearModules } from './linear-modules.ts';

/** A linear layer with the names of its adapter's two matrices. */
export interface AdaptedModule extends LinearModule {
  /** [rank, inputs]. */
  readonly a: string;
  /** [outputs, rank]. */
  readonly b: string;
}

/** What PEFT's files put before the names of modules. */
const prefix = 'base_model.model.';

/** The linear layers that have adapters. */
export function adaptedModules(config: DecoderConfig, { targets }: AdapterConfig): AdaptedModule[] {
  return linearModules(config)
    .filter(({ name }) => targets.some((target) => isTarget(target, name)))
    .map((module) => ({
      ...module,
      a: `${prefix}${module.name}.lora_A.weight`,
      b: `${prefix}${module.name}.lora_B.weight`,
    }));
}

/** The layout of adapters, under the names and in the shapes of PEFT's files: all A, then all B, which optimizers tell apart. */
export function adapterLayout(config: DecoderConfig, adapter: AdapterConfig): ParameterLayout {
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
