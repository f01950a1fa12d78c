/**
 * A trainer whose parameters and gradients lie on a GPU: it knows their addresses and the stream of its own kernels.
 *
 * @module
 */

import { FlatBuffer } from '../../../lib/index.ts';
import { pointerOf } from '../../../lib/unsafe.ts';

const kind = { device: 'cuda:0', dtype: 'bf16' } as const;
export const length = 5000;
const values = FlatBuffer.alloc(length, kind);
const gradients = FlatBuffer.alloc(length, kind);
await gradients.copyFrom(Float32Array.from({ length }, (_, i) => (i % 2 === 0 ? 0.25 : -0.25)));

export const trainer = {
  values: pointerOf(values),
  gradients: pointerOf(gradients),
  // A stream that the emulated driver has; elsewhere CU_STREAM_LEGACY, the default stream under a name.
  stream: process.env.SOUL_TEST_CUDA === 'emulated' ? 0x1000n : 1n,
};

/** What the trainer finds in its own memory afterwards. */
export async function report() {
  return { values: [...(await values.toFloat32Array())] };
}
