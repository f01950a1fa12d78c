import { type NativeMemory, nativeAddon } from '../../lib/core/addon.ts';
import { nativeMemory } from '../../lib/core/flat-buffer.ts';
import { FlatBuffer } from '../../lib/index.ts';
import { type LaunchShape, launchShapes } from './launch-shapes.ts';

/** Those of all kernels, and one with blocks enough to cut every row of some length into the most parts. */
export const rowShapes: readonly LaunchShape[] = [...launchShapes, { cudaThreads: 64, cudaBlocks: 200 }];

/** Rows of logits in a device's memory, with other numbers before and after them. */
export interface DeviceRows {
  readonly memory: NativeMemory;
  /** What the rows hold, as float32; an error where a number beside them is not what it was. */
  read(): Promise<Float32Array>;
}

const beside = 7;
/** A number of both dtypes. */
const mark = 12352;

/** Copies rows to a device. They begin `skew` elements after a multiple of 4. */
export async function rowsOnDevice(
  logits: Float32Array,
  skew: number,
  dtype: 'f32' | 'bf16' = 'f32',
): Promise<DeviceRows> {
  const start = 4 + skew;
  const whole = FlatBuffer.alloc(start + logits.length + beside, { dtype, device: 'cuda' });
  await whole.fill(mark);
  const rows = whole.view(start, logits.length);
  await rows.copyFrom(logits);
  return {
    memory: nativeMemory(rows, 'logits'),
    async read() {
      const all = await whole.toFloat32Array();
      const end = start + logits.length;
      if ([...all.subarray(0, start), ...all.subarray(end)].some((x) => x !== mark))
        throw new Error('something beside the rows was written');
      return all.slice(start, end);
    },
  };
}

/** Every figure of rows of given labels. */
export async function scoreRows(logits: NativeMemory, vocabulary: number, labels: Int32Array) {
  const rows = labels.length;
  const scores = {
    labels,
    logSumExp: new Float32Array(rows),
    nll: new Float32Array(rows),
    isArgmax: new Uint8Array(rows),
    meanLogP: new Float32Array(rows),
    varianceLogP: new Float32Array(rows),
  };
  await nativeAddon().scoreTokens(logits, vocabulary, scores);
  return scores;
}

/** Divergences of rows from those of a reference, with both log-sum-exps. */
export async function divergenceOfRows(
  logits: NativeMemory,
  reference: NativeMemory,
  vocabulary: number,
  rows: number,
) {
  const values = new Float32Array(rows);
  const sums = new Float32Array(rows);
  const referenceSums = new Float32Array(rows);
  await nativeAddon().scoreDivergence(logits, reference, vocabulary, values, sums, referenceSums);
  return { values, sums, referenceSums };
}

/** The first number whose bits differ, as [index, found, wanted]; NaN is NaN. */
export function firstDifference(found: Float32Array, wanted: Float32Array): [number, number, number] | undefined {
  const index = found.findIndex((x, i) => !Object.is(x, wanted[i]));
  return index < 0 && found.length === wanted.length ? undefined : [index, found[index]!, wanted[index]!];
}
