/**
 * Optimizer steps and Hessian updates, through the public API.
 *
 * @module
 */

import type { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { AdamW, type OptimizerOptions, type OptimizerParameters, Sophia, type SophiaOptions } from '../../lib/index.ts';
import type { KernelCase, Pass, Prepared } from './case.ts';
import { filledBuffer, randomBits } from './memory.ts';
import { type Storage, type StorageName, storages } from './storages.ts';

/** A kernel in every storage. */
interface OptimizerKernel {
  readonly kernel: string;
  readonly title: string;
  /** That it must move for each weight. */
  readonly bytes: Readonly<Record<StorageName, number>>;
  /** What it needs beside values, gradients and states. */
  readonly needs?: 'estimate' | 'mask';
  start(buffers: Buffers, storage: Storage): Started;
}

interface Buffers {
  readonly values: FlatBuffer;
  readonly gradients: FlatBuffer;
  /** Gradients of another loss. */
  readonly estimate?: FlatBuffer;
  /** A bit for each weight, about half of them set. */
  readonly frozen?: FlatBuffer<'u8'>;
}

interface Started {
  readonly optimizer: Sophia | AdamW;
  readonly passes: readonly Pass[];
  run(): Promise<unknown>;
}

/** So small that thousands of steps leave the weights ordinary numbers. */
const learningRate = 1e-7;
const batchSize = 1024;
/** With the batch size and the default rho such that a bare Sophia step clips about half of the weights. */
const gradientScale = 0.05;
const bare: OptimizerOptions = { learningRate, nonFinite: 'propagate' };
const guarded: OptimizerOptions = { learningRate, nonFinite: 'skip', clipNorm: 1 };

const kernels: readonly OptimizerKernel[] = [
  {
    kernel: 'sophia-step',
    title: 'Sophia step',
    bytes: { f32: 24, 'f32-bf16-states': 18, 'bf16-master': 24, 'bf16-f32-states': 18, bf16: 12 },
    start: (buffers, storage) => sophiaStep(buffers, storage, bare),
  },
  {
    kernel: 'sophia-fused-step',
    title: 'Sophia step fused with an estimate',
    bytes: { f32: 32, 'f32-bf16-states': 24, 'bf16-master': 30, 'bf16-f32-states': 24, bf16: 16 },
    needs: 'estimate',
    start(buffers, storage) {
      const from = buffers.estimate!;
      const optimizer = sophiaOn(buffers, storage, bare);
      return {
        optimizer,
        run: () => optimizer.step({ hessian: { from, batchSize } }),
        passes: [sophiaPass(buffers, optimizer, from)],
      };
    },
  },
  {
    kernel: 'sophia-soul-repo-step',
    title: 'Sophia step, its gradient the estimate',
    bytes: { f32: 28, 'f32-bf16-states': 20, 'bf16-master': 28, 'bf16-f32-states': 22, bf16: 14 },
    start(buffers, storage) {
      const estimator = { squaredGradient: { batchSize } };
      const optimizer = sophiaOn(buffers, storage, { ...bare, momentumUpdates: 2, estimator });
      return { optimizer, run: () => optimizer.step(), passes: [sophiaPass(buffers, optimizer, buffers.gradients)] };
    },
  },
  {
    kernel: 'hessian-update',
    title: 'Hessian update',
    bytes: { f32: 12, 'f32-bf16-states': 8, 'bf16-master': 10, 'bf16-f32-states': 10, bf16: 6 },
    start(buffers, storage) {
      const optimizer = sophiaOn(buffers, storage, bare);
      const { hessian } = optimizer.state;
      return {
        optimizer,
        run: () => optimizer.updateHessian({ batchSize }),
        passes: [{ reads: [buffers.gradients, hessian], writes: [hessian] }],
      };
    },
  },
  {
    kernel: 'adamw-step',
    title: 'AdamW step',
    bytes: { f32: 28, 'f32-bf16-states': 20, 'bf16-master': 28, 'bf16-f32-states': 22, bf16: 14 },
    start: (buffers, storage) => adamwStep(buffers, storage, bare),
  },
  {
    kernel: 'sophia-guarded-step',
    title: 'Sophia step, guarded and clipped',
    bytes: { f32: 28, 'f32-bf16-states': 22, 'bf16-master': 26, 'bf16-f32-states': 20, bf16: 14 },
    start: (buffers, storage) => withScan(buffers, sophiaStep(buffers, storage, guarded)),
  },
  {
    kernel: 'adamw-guarded-step',
    title: 'AdamW step, guarded and clipped',
    bytes: { f32: 32, 'f32-bf16-states': 24, 'bf16-master': 30, 'bf16-f32-states': 24, bf16: 16 },
    start: (buffers, storage) => withScan(buffers, adamwStep(buffers, storage, guarded)),
  },
  {
    kernel: 'sophia-masked-step',
    title: 'Sophia step, half of the weights frozen',
    bytes: { f32: 24.125, 'f32-bf16-states': 18.125, 'bf16-master': 24.125, 'bf16-f32-states': 18.125, bf16: 12.125 },
    needs: 'mask',
    start: (buffers, storage) => sophiaStep(buffers, storage, { ...bare, frozen: buffers.frozen! }),
  },
];

export const optimizerCases: readonly KernelCase[] = storages.flatMap((storage) =>
  kernels.map((kernel) => optimizerCase(kernel, storage)),
);

function optimizerCase({ kernel, title, bytes, needs, start }: OptimizerKernel, storage: Storage): KernelCase {
  const extraBytes = { none: 0, estimate: storage.valueBytes, mask: 1 / 8 }[needs ?? 'none'];
  return {
    subject: 'Optimizers',
    kernel,
    title,
    storage: storage.name,
    bytesPerElement: bytes[storage.name],
    residentBytesPerElement: storage.residentBytes + extraBytes,
    async prepare(elements, device): Promise<Prepared> {
      const filled = (scale: number) => filledBuffer(elements, storage.dtype, scale, device);
      const buffers: Buffers = {
        values: await filled(0.02),
        gradients: await filled(gradientScale),
        ...(needs === 'estimate' ? { estimate: await filled(gradientScale) } : {}),
        ...(needs === 'mask' ? { frozen: await randomBits(elements, device) } : {}),
      };
      const { optimizer, run, passes } = start(buffers, storage);
      // An estimate and a step touch every page of the states.
      if (optimizer instanceof Sophia && optimizer.estimator === 'external') {
        await optimizer.updateHessian({ batchSize, prime: true });
      }
      await optimizer.step();
      return {
        run,
        passes,
        async release() {
          await optimizer.release();
          for (const buffer of Object.values(buffers) as FlatBuffer[]) await buffer.release();
        },
      };
    },
  };
}

function parametersOf({ values, gradients }: Buffers): OptimizerParameters {
  return { values, gradients };
}

function sophiaOn(buffers: Buffers, { precision }: Storage, options: SophiaOptions): Sophia {
  return new Sophia(parametersOf(buffers), { ...options, precision });
}

function sophiaStep(buffers: Buffers, storage: Storage, options: SophiaOptions): Started {
  const optimizer = sophiaOn(buffers, storage, options);
  return { optimizer, run: () => optimizer.step(), passes: [sophiaPass(buffers, optimizer)] };
}

function adamwStep(buffers: Buffers, { precision }: Storage, options: OptimizerOptions): Started {
  const optimizer = new AdamW(parametersOf(buffers), { ...options, precision });
  const { momentum, squareAverage, master } = optimizer.state;
  const pass = valuesPass(buffers, master);
  return {
    optimizer,
    run: () => optimizer.step(),
    passes: [
      {
        reads: [...pass.reads, momentum, squareAverage],
        writes: [...pass.writes, momentum, squareAverage],
      },
    ],
  };
}

/** What a Sophia step moves; h is written only where an estimate is averaged into it. */
function sophiaPass(buffers: Buffers, { state }: Sophia, estimate?: FlatBuffer): Pass {
  const { momentum, hessian, master } = state;
  const pass = valuesPass(buffers, master);
  const other = estimate !== undefined && estimate !== buffers.gradients ? [estimate] : [];
  return {
    reads: [...pass.reads, momentum, hessian, ...other],
    writes: [...pass.writes, momentum, ...(estimate ? [hessian] : [])],
  };
}

/** What any step moves; values with a master are only written. */
function valuesPass({ values, gradients }: Buffers, master: FlatBuffer | undefined): Pass {
  return { reads: [master ?? values, gradients], writes: master ? [values, master] : [values] };
}

/** The guard reads the gradients before anything is written. */
function withScan({ gradients }: Buffers, started: Started): Started {
  return { ...started, passes: [{ reads: [gradients], writes: [] }, ...started.passes] };
}
