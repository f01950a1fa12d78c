import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { writeSafetensors } from '../../lib/core/safetensors.ts';
import type { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import { mix } from './mixed-bits.ts';

type Config = Readonly<Record<string, unknown>>;

/** A tensor of the file: centre + scale * u, with u of [-1, 1). */
export type RecordedTensor = readonly [name: string, shape: readonly number[], centre: number, scale: number];

/** The configuration with another value. */
export interface RecordedVariant {
  readonly name: string;
  /** Laid over the configuration. */
  readonly config?: Config;
  /** Keys taken out of it. */
  readonly without?: readonly string[];
  /** Changes the configuration that transformers 4 wrote. */
  readonly of?: 'configOlder';
  /** Those of the file that are others than the case's. */
  readonly tensors?: readonly RecordedTensor[];
  /** Names of those that it lacks. */
  readonly gone?: readonly string[];
  readonly nll?: readonly number[];
  /** What transformers 4 computed instead; transformers 5 is right. */
  readonly nllOlder?: readonly number[];
  /** Nothing changes. */
  readonly same?: true;
  /** The key that the refusal must name. */
  readonly refused?: string;
}

/** What families/record.py wrote of one case; see there. */
export interface RecordedFamily {
  readonly config: Config & { readonly model_type: string };
  readonly configOlder: Config;
  readonly tensors: readonly RecordedTensor[];
  readonly sequences: { tokens: number[]; labelsFrom: number }[];
  readonly nll: readonly number[];
  /** Norm and projections of each tensor's gradient. */
  readonly gradients: Readonly<Record<string, readonly [number, ...number[]]>>;
  readonly generated: { prompt: number[]; tokens: number[] }[];
  readonly narrow: { readonly exact: readonly number[]; readonly transformers: readonly number[] };
  readonly variants: readonly RecordedVariant[];
}

const folder = new URL('./families/', import.meta.url);

export const recordedFamilies: readonly [string, RecordedFamily][] = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort()
  .map((name) => [name.replace('.json', ''), JSON.parse(readFileSync(new URL(name, folder), 'utf8'))]);

/** Multiples of 2^-23 in [-1, 1), a function of name and index. */
export function draw(name: string, size: number): Float64Array {
  const key = crc32(name);
  return Float64Array.from({ length: size }, (_, index) => (mix(index ^ key) >>> 8) / 2 ** 23 - 1);
}

/** Calls `work` with a model folder that is gone afterwards. */
export async function withModelFolder<Result>(
  config: Config,
  tensors: readonly RecordedTensor[],
  work: (folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
  try {
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    await writeRecordedTensors(join(folder, 'model.safetensors'), tensors);
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export async function writeRecordedTensors(path: string, tensors: readonly RecordedTensor[]): Promise<void> {
  const sources = tensors.map(([name, shape, centre, scale]) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: Float32Array.from(draw(name, elements(shape)), (u) => centre + scale * u),
  }));
  await writeSafetensors(path, sources, { format: 'pt' });
}

/** The whole configuration of a variant. */
export function variantConfig(family: RecordedFamily, variant: RecordedVariant): Config {
  const without = variant.without ?? [];
  const entries = Object.entries({ ...family[variant.of ?? 'config'], ...variant.config });
  return Object.fromEntries(entries.filter(([key]) => !without.includes(key)));
}

/** The tensors of a variant's file. */
export function variantTensors(family: RecordedFamily, { tensors = [], gone = [] }: RecordedVariant): RecordedTensor[] {
  const named = new Map([...family.tensors, ...tensors].map((tensor) => [tensor[0], tensor]));
  return [...named.values()].filter(([name]) => !gone.includes(name));
}

/**
 * How far gradients are from the recorded norms and projections, as a share of each tensor's norm: a lower bound of the
 * relative error, near to it. What is zero but for rounding, as of keys' biases where
 * nothing is turned, counts by the largest norm.
 */
export function projectionError(
  family: Pick<RecordedFamily, 'gradients'>,
  layout: ParameterLayout,
  gradients: Float32Array,
): number {
  const largest = Math.max(...Object.values(family.gradients).map(([norm]) => norm));
  let error = 0;
  for (const [name, [norm, ...projections]] of Object.entries(family.gradients)) {
    const { offset, shape } = layout.get(name)!;
    const size = elements(shape);
    const gradient = gradients.subarray(offset, offset + size);
    const found = projections.map((_, i) =>
      draw(`projection ${i} of ${name}`, size).reduce((sum, u, at) => sum + (u < 0 ? -1 : 1) * gradient[at]!, 0),
    );
    const scale = Math.max(norm, 1e-3 * largest);
    error = Math.max(error, Math.abs(Math.hypot(...gradient) - norm) / scale);
    for (const [i, expected] of projections.entries()) error = Math.max(error, Math.abs(found[i]! - expected) / scale);
  }
  return error;
}

function elements(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
