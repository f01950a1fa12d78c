import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { writeSafetensors } from '../../lib/core/safetensors.ts';
import type { WeightDType } from '../../lib/model/checkpoint.ts';
import { parseModelConfig } from '../../lib/model/config.ts';
import { parameterLayout } from '../../lib/model/decoder-weights.ts';
import { nativeEngine } from '../../lib/torch/engine.ts';
import { type LoadOptions, TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { mix } from './mixed-bits.ts';

/** What fixtures/record_llama.py wrote of one model: figures of all calls. All families, by losses and gradients: recorded-families.ts. */
export interface RecordedModel {
  config: Record<string, unknown>;
  sequences: { tokens: number[]; labelsFrom: number }[];
  nll: number[];
  kl: number[];
  mean: number[];
  variance: number[];
  isArgmax: number[];
  pulled: number[];
  gradients: Record<string, number[]>;
  klGradients: Record<string, number[]>;
  generated: { prompt: number[]; tokens: number[] }[];
}

const recorded = JSON.parse(readFileSync(new URL('./fixtures/llama.json', import.meta.url), 'utf8')) as {
  models: Record<string, RecordedModel>;
};

export const recordedModels = Object.entries(recorded.models);

/** The weights that the recording script used, as a function of their names. */
export function recordedWeights(name: string, shape: readonly number[], salt: string): Float32Array {
  const key = crc32(salt + name);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, index) => {
    const drawn = (mix(index ^ key) >>> 8) / 2 ** 24;
    return name.endsWith('norm.weight') ? 0.75 + 0.5 * drawn : 0.625 * (drawn - 0.5);
  });
}

/** Writes a recorded model to a folder and loads it; `salt` `'other '` is the reference of the recorded divergences. */
export async function loadRecorded<Kind extends WeightDType = 'f32'>(
  model: Pick<RecordedModel, 'config'>,
  options: LoadOptions<Kind> = {},
  salt = '',
): Promise<TorchLM<Kind>> {
  const folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
  try {
    await writeRecorded(folder, model, salt);
    return await TorchLM.load(folder, options);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export async function writeRecorded(folder: string, model: Pick<RecordedModel, 'config'>, salt = ''): Promise<void> {
  await writeFile(join(folder, 'config.json'), JSON.stringify(model.config));
  const tensors = [...parameterLayout(parseModelConfig(model.config))].map(([name, { shape }]) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: recordedWeights(name, shape, salt),
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
}

export function recordedBatch(model: Pick<RecordedModel, 'sequences'>): TokenBatch {
  return TokenBatch.of(model.sequences);
}

/** The largest difference, each measured against 1 or the expected value where that is larger. */
export function worst(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  return Array.from(expected, (value, i) => Math.abs(found[i]! - value) / Math.max(1, Math.abs(value))).reduce(
    (a, b) => Math.max(a, b),
    0,
  );
}

/** How far the gradients are from recorded norms and entries, relative to the norm (entries: to their root mean square). */
export function gradientError(model: TorchLM<'f32'>, expected: Record<string, number[]>): number {
  let error = 0;
  for (const [name, { offset, shape }] of model.parameters.layout) {
    const size = shape.reduce((a, b) => a * b, 1);
    const gradient = model.parameters.gradients.array.subarray(offset, offset + size);
    const [norm, ...entries] = expected[name]!;
    error = Math.max(error, Math.abs(Math.hypot(...gradient) - norm!) / norm!);
    const step = Math.max(1, Math.floor(size / 4));
    for (const [i, entry] of entries.entries()) {
      error = Math.max(error, Math.abs(gradient[i * step]! - entry) / (norm! / Math.sqrt(size)));
    }
  }
  return error;
}

/** Models that are made meanwhile compute attention as on a CUDA device. */
export async function withPortableAttention<Result>(work: () => Promise<Result>): Promise<Result> {
  const engine = nativeEngine();
  const { createModel } = engine;
  engine.createModel = (specification, ...rest) => createModel({ ...specification, attention: 'portable' }, ...rest);
  try {
    return await work();
  } finally {
    engine.createModel = createModel;
  }
}
