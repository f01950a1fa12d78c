/**
 * Checkpoints of a model of a few weights.
 *
 * @module
 */

import { readFile, writeFile } from 'node:fs/promises';
import type { SafetensorsSource } from '../../lib/core/safetensors.ts';
import { type DecoderConfig, type ParameterLayout, parameterLayout, parseModelConfig } from '../../lib/model/index.ts';

const config = {
  model_type: 'llama',
  vocab_size: 10,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
};
const untiedConfig = parseModelConfig(config);
const tiedConfig = parseModelConfig({ ...config, tie_word_embeddings: true });
export const untied = parameterLayout(untiedConfig);
export const tied = parameterLayout(tiedConfig);

/** The model that has one of the two layouts. */
export function configOf(layout: ParameterLayout): DecoderConfig {
  return layout === tied ? tiedConfig : untiedConfig;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Values with few bits, so that every dtype holds them. */
export function valuesFor(layout: ParameterLayout): Float32Array {
  const values = new Float32Array(layout.length);
  for (const [, { offset, shape }] of layout) {
    for (let i = 0; i < sizeOf(shape); i++) values[offset + i] = (((offset + 7 * i) % 255) - 127) / 64;
  }
  return values;
}

export function sourcesOf(layout: ParameterLayout): SafetensorsSource[] {
  const values = valuesFor(layout);
  return [...layout].map(([name, { offset, shape }]) => ({
    name,
    dtype: 'F32',
    shape,
    data: values.subarray(offset, offset + sizeOf(shape)),
  }));
}

/** Adds a tensor of zeros to the end of a file, of a type that is never written here. */
export async function addForeignTensor(
  path: string,
  name: string,
  { dtype, shape, byteLength }: { dtype: string; shape: readonly number[]; byteLength: number },
): Promise<void> {
  const bytes = await readFile(path);
  const dataBegin = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, dataBegin)) as Record<string, unknown>;
  const data = bytes.subarray(dataBegin);
  header[name] = { dtype, shape, data_offsets: [data.length, data.length + byteLength] };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(path, Buffer.concat([length, text, data, Buffer.alloc(byteLength)]));
}
