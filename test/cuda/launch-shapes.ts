import { nativeAddon } from '../../lib/core/addon.ts';

/** Blocks and threads that kernels are launched with; 0 is the device's own choice. */
export interface LaunchShape {
  cudaThreads: number;
  cudaBlocks: number;
}

/** Of one warp to the largest block, of one block to more than there is work for. */
export const launchShapes: readonly LaunchShape[] = [
  { cudaThreads: 0, cudaBlocks: 0 },
  { cudaThreads: 32, cudaBlocks: 1 },
  { cudaThreads: 32, cudaBlocks: 5 },
  { cudaThreads: 96, cudaBlocks: 2 },
  { cudaThreads: 512, cudaBlocks: 3 },
];

/** What `run` gives when kernels are launched in this shape; the device's own is restored. */
export async function inShape<Result>(shape: LaunchShape, run: () => Promise<Result>): Promise<Result> {
  await nativeAddon().configure({ ...shape });
  try {
    return await run();
  } finally {
    await nativeAddon().configure({ cudaThreads: 0, cudaBlocks: 0 });
  }
}
