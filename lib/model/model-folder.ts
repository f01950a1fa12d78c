/**
 * Writing a model as a Hugging Face folder.
 *
 * @module
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asSoulError } from '../core/errors.ts';
import { replaceFile } from '../core/files.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { toJson } from '../core/json.ts';
import { type WeightDType, writeCheckpoint } from './checkpoint.ts';
import type { LlamaConfig } from './config.ts';
import type { ParameterLayout } from './parameter-layout.ts';

/**
 * Writes config.json, model.safetensors and, where there is one, generation_config.json; made if it isn't there. Each file is
 * written beside and renamed, the weights last.
 *
 * @throws SoulError of {@link writeCheckpoint}; SOUL_FILE_SYSTEM
 */
export async function writeModelFolder(
  folder: string,
  config: LlamaConfig,
  layout: ParameterLayout,
  values: FlatBuffer<WeightDType>,
  generationConfig?: string,
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await replaceFile(join(folder, 'config.json'), toJson(huggingFaceConfig(config, values.dtype)));
    if (generationConfig !== undefined) await replaceFile(join(folder, 'generation_config.json'), generationConfig);
    await writeCheckpoint(folder, layout, values);
  } catch (error) {
    throw asSoulError(error);
  }
}

/** The content of config.json: all that was read, with the dtype of the weights and the rope in the keys of transformers 4 and of 5. */
export function huggingFaceConfig(config: LlamaConfig, dtype: WeightDType = 'f32'): Record<string, unknown> {
  const torchDType = dtype === 'f32' ? 'float32' : 'bfloat16';
  const { ropeScaling: scaling, ropeTheta } = config;
  const rope: Record<string, unknown> = { rope_type: scaling.type };
  if (scaling.type !== 'default') rope.factor = scaling.factor;
  if (scaling.type === 'llama3') {
    rope.low_freq_factor = scaling.lowFrequencyFactor;
    rope.high_freq_factor = scaling.highFrequencyFactor;
    rope.original_max_position_embeddings = scaling.originalMaxPositions;
  }
  return {
    ...config.source,
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headSize,
    rope_theta: ropeTheta,
    rope_scaling: scaling.type === 'default' ? null : rope,
    rope_parameters: { rope_theta: ropeTheta, ...rope },
    torch_dtype: torchDType,
    dtype: torchDType,
  };
}
