/**
 * The helpers over flat buffers, through the public API.
 *
 * @module
 */

import type { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { axpy, cast, dot, gram, quantile, scale, squaredNorm } from '../../lib/index.ts';
import type { KernelCase, Pass } from './case.ts';
import { filledBuffer } from './memory.ts';

type HelperDType = 'f32' | 'bf16';

interface Helper {
  readonly kernel: string;
  readonly title: string;
  /** That it must move for each element. */
  readonly bytes: Readonly<Record<HelperDType, number>>;
  /** Of the buffers, the last one what is written where something is. */
  readonly dtypes: (storage: HelperDType) => readonly HelperDType[];
  readonly passes: (buffers: readonly FlatBuffer[]) => readonly Pass[];
  run(buffers: readonly FlatBuffer[]): Promise<unknown>;
}

const rounding = { rounding: 'stochastic', seed: 1n } as const;
/** Small, so that sums stay ordinary numbers. */
const alpha = 1e-6;
/** After which numbers are as large as before. */
const factor = -1;
const fraction = 0.1;

const helpers: readonly Helper[] = [
  {
    kernel: 'squared-norm',
    title: 'Squared norm',
    bytes: { f32: 4, bf16: 2 },
    dtypes: (storage) => [storage],
    passes: (buffers) => [reading(buffers)],
    run: ([x]) => squaredNorm(x!),
  },
  {
    kernel: 'dot',
    title: 'Inner product',
    bytes: { f32: 8, bf16: 4 },
    dtypes: (storage) => [storage, storage],
    passes: (buffers) => [reading(buffers)],
    run: ([a, b]) => dot(a!, b!),
  },
  {
    kernel: 'gram',
    title: 'Gram matrix of four',
    bytes: { f32: 16, bf16: 8 },
    dtypes: (storage) => [storage, storage, storage, storage],
    passes: (buffers) => [reading(buffers)],
    run: (buffers) => gram(buffers),
  },
  {
    kernel: 'scale',
    title: 'scale, stochastic rounding in bfloat16',
    bytes: { f32: 8, bf16: 4 },
    dtypes: (storage) => [storage],
    passes: (buffers) => [{ reads: buffers, writes: buffers }],
    run: ([x]) => scale(x!, factor, rounding),
  },
  {
    kernel: 'axpy',
    title: 'axpy, stochastic rounding in bfloat16',
    bytes: { f32: 12, bf16: 6 },
    dtypes: (storage) => [storage, storage],
    passes: (buffers) => [{ reads: buffers, writes: [buffers[1]!] }],
    run: ([x, y]) => axpy(alpha, x!, y!, rounding),
  },
  {
    kernel: 'cast',
    title: 'Cast to the other dtype, stochastic rounding to bfloat16',
    bytes: { f32: 6, bf16: 6 },
    dtypes: (storage) => [storage, storage === 'f32' ? 'bf16' : 'f32'],
    passes: ([source, target]) => [{ reads: [source!], writes: [target!] }],
    run: ([source, target]) => cast(source!, target!, rounding),
  },
  {
    kernel: 'quantile',
    title: 'Quantile of |a|, two reads',
    bytes: { f32: 8, bf16: 4 },
    dtypes: (storage) => [storage],
    passes: (buffers) => [reading(buffers), reading(buffers)],
    run: ([a]) => quantile({ of: 'magnitude', a: a! }, fraction),
  },
  {
    kernel: 'quantile-of-product',
    title: 'Quantile of |a * b|, two reads',
    bytes: { f32: 16, bf16: 8 },
    dtypes: (storage) => [storage, storage],
    passes: (buffers) => [reading(buffers), reading(buffers)],
    run: ([a, b]) => quantile({ of: 'product', a: a!, b: b! }, fraction),
  },
];

export const helperCases: readonly KernelCase[] = (['f32', 'bf16'] as const).flatMap((storage) =>
  helpers.map((helper) => helperCase(helper, storage)),
);

function helperCase({ kernel, title, bytes, dtypes, passes, run }: Helper, storage: HelperDType): KernelCase {
  return {
    subject: 'Helpers',
    kernel,
    title,
    storage,
    bytesPerElement: bytes[storage],
    residentBytesPerElement: dtypes(storage).reduce((total, dtype) => total + (dtype === 'f32' ? 4 : 2), 0),
    async prepare(elements, device) {
      const buffers = await Promise.all(dtypes(storage).map((dtype) => filledBuffer(elements, dtype, 1e-2, device)));
      return {
        run: () => run(buffers),
        passes: passes(buffers),
        async release() {
          await Promise.all(buffers.map((buffer) => buffer.release()));
        },
      };
    },
  };
}

function reading(buffers: readonly FlatBuffer[]): Pass {
  return { reads: buffers, writes: [] };
}
