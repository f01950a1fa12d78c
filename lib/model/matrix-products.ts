/**
 * How much of a pass is products with the model's matrices, which is what most of its time goes into.
 *
 * @module
 */

import { elementCount } from '../core/shape.ts';
import type { AdapterConfig } from './adapter/adapter-config.ts';
import { adapterLayout } from './adapter/adapter-layout.ts';
import type { BatchShape } from './contract.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { embeddingName, headName, parameterLayout } from './decoder-weights.ts';
import type { ParameterLayout } from './parameter-layout.ts';

/**
 * Multiplications, each with its addition, of a forward and a backward pass over a batch: one per token and weight of a matrix on the way in, one
 * for the gradient of what went in, one for the matrix's own unless it is frozen. With `checkpointActivations` layers are computed twice.
 * Attention among tokens is left out, as is everything that is no product.
 */
export function matrixProducts(
  config: DecoderConfig,
  { rows, labels }: Pick<BatchShape, 'rows' | 'labels'>,
  { adapter, checkpointActivations = false }: { adapter?: AdapterConfig; checkpointActivations?: boolean } = {},
): number {
  const layout = parameterLayout(config);
  const head = layout.get(config.tiedEmbeddings ? embeddingName(config) : headName(config))!;
  const again = checkpointActivations ? 1 : 0;
  const own = adapter ? 0 : 1;
  const layers = rows * matricesOfLayers(layout) * (2 + own + again);
  const ofHead = labels * elementCount(head.shape) * (2 + own);
  return layers + ofHead + (adapter ? rows * adapterProducts(config, adapter, again) : 0);
}

/** Per token. Of LoRA's matrices one product each is computed a second time on the way back, rather than kept. */
function adapterProducts(config: DecoderConfig, adapter: AdapterConfig, again: number): number {
  const each = (adapter.kind === 'lora' ? 4 : 3) + again;
  return each * matricesOfLayers(adapterLayout(config, adapter));
}

function matricesOfLayers(layout: ParameterLayout): number {
  let elements = 0;
  for (const [, { shape, group, layer }] of layout) {
    if (group === 'matrix' && layer !== undefined) elements += elementCount(shape);
  }
  return elements;
}
