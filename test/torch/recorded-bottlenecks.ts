import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../lib/core/safetensors.ts';
import { elementCount } from '../../lib/core/shape.ts';
import {
  draw,
  type RecordedFamily,
  type RecordedTensor,
  recordedFamilies,
  withModelFolder,
} from './recorded-families.ts';

/** What families/record_bottlenecks.py wrote of one model; see there. */
export interface RecordedBottlenecks extends Pick<RecordedFamily, 'nll' | 'gradients'> {
  readonly bottleneck: number;
  readonly activation: string;
  readonly tensors: readonly RecordedTensor[];
  readonly moved: number;
  /** Trace and projections of the lower triangle. */
  readonly grams: Readonly<Record<string, readonly [number, ...number[]]>>;
}

const file = new URL('./fixtures/unlearning-layers.json', import.meta.url);
const { models } = JSON.parse(readFileSync(file, 'utf8')) as { models: Record<string, RecordedBottlenecks> };

export const recordedBottlenecks: readonly (readonly [string, RecordedBottlenecks, RecordedFamily])[] = Object.entries(
  models,
).map(([name, recorded]) => [name, recorded, new Map(recordedFamilies).get(name)!]);

/** Calls `work` with a folder of unlearning layers that names its base, both gone afterwards. */
export async function withBottleneckFolder<Result>(
  [, { bottleneck, activation, tensors }, { config, tensors: ofBase }]: (typeof recordedBottlenecks)[number],
  work: (folder: string, base: string) => Promise<Result>,
): Promise<Result> {
  return withModelFolder(config, ofBase, async (base) => {
    const folder = join(base, 'layers');
    await mkdir(folder);
    const said = { format: 1, kind: 'unlearning-layers', bottleneck, activation, base_model_name_or_path: '..' };
    await writeFile(join(folder, 'unlearning_layers.json'), JSON.stringify(said));
    const sources = tensors.map(([name, shape, centre, scale]) => ({
      name,
      dtype: 'F32' as const,
      shape,
      data: Float32Array.from(draw(name, elementCount(shape)), (u) => centre + scale * u),
    }));
    await writeSafetensors(join(folder, 'unlearning_layers.safetensors'), sources);
    return work(folder, base);
  });
}
