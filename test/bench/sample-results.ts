import type { MachineDescription } from '../../bench/machine.ts';
import type { Spread } from '../../bench/measure.ts';
import { type KernelResults, type PeerResults, resultsHead, wholeModelSubject } from '../../bench/results.ts';

export const machine: MachineDescription = {
  processor: 'Example(R) CPU @ 2.50GHz (family 6, model 85)',
  processors: 4,
  instructionSet: 'avx512',
  threads: 2,
  memory: 8 * 2 ** 30,
  load: 0.04,
  system: 'Linux 6.1 x64',
  node: 'v20.19.0',
  compiler: 'GCC 12.2.0',
  package: 'soul-unlearn 0.1.0',
  commit: '0123456789ab',
};

export const gpuMachine: MachineDescription = {
  ...machine,
  gpu: {
    name: 'Example GPU 100GB',
    architecture: 'sm_90',
    machineCode: 'sm_90',
    memory: 100 * 2 ** 30,
    multiprocessors: 100,
    cuda: '13.0',
    driver: '580.65.06',
  },
};

/** A spread around a median. */
export function around(median: number): Spread {
  return { count: 9, minimum: median * 0.9, lowerQuartile: median * 0.95, median, upperQuartile: median * 1.05 };
}

export function kernelResults(): KernelResults {
  const measurement = (title: string, elements: number, fraction: number) => ({
    subject: 'Optimizers' as const,
    kernel: 'sophia-step',
    title,
    storage: 'f32' as const,
    elements,
    bytesPerElement: 24,
    time: around(elements),
    limit: around(elements * fraction),
    fractionOfLimit: around(fraction),
  });
  return {
    kind: 'kernels',
    ...resultsHead(new Date('2026-11-20T10:00:00Z'), 'npm run bench', machine),
    kernels: [
      measurement('Sophia step', 2 ** 16, 0.9),
      measurement('Sophia step', 2 ** 20, 0.96),
      measurement('AdamW step', 2 ** 16, 0.8),
      { ...measurement('Token loss', 1024, 0.5), subject: 'The token loss', kernel: 'token-loss', shape: '4 x 256' },
    ],
    calls: [{ title: 'an empty job, to another thread and back', time: around(7000) }],
  };
}

export function peerResults(): PeerResults {
  return {
    kind: 'peers',
    ...resultsHead(new Date('2026-11-21T10:00:00Z'), 'npm run bench:peers', machine),
    peer: { torch: '2.13.0+cpu', python: '3.11.7', transformers: '5.24.0', threads: 2, instructionSet: 'AVX512' },
    elements: 2 ** 25,
    rows: [
      {
        subject: 'AdamW of PyTorch',
        ours: 'Sophia step, float32',
        theirs: 'AdamW fused, float32',
        unit: 'ns',
        bytesPerElement: 24,
        measured: { ours: around(24e6), theirs: around(30e6), ratio: around(0.8) },
        goal: { bound: 'at most', value: 0.87 },
      },
      {
        subject: 'AdamW of PyTorch',
        ours: 'AdamW step, float32',
        theirs: 'AdamW foreach, float32',
        unit: 'ns',
        missing: 'RuntimeError: no compiler',
      },
      {
        subject: 'The memory limit',
        ours: 'Sophia step, float32',
        theirs: 'the same bytes',
        unit: 'ns',
        measured: { ours: around(24e6), theirs: around(22e6), ratio: around(0.92) },
        goal: { bound: 'at least', value: 0.95 },
      },
      {
        subject: 'A call from JavaScript',
        ours: 'a bare step on 16 weights',
        unit: 'ns',
        measured: { ours: around(12_345) },
        goal: { bound: 'at most', value: 20_000 },
      },
      {
        subject: wholeModelSubject,
        ours: 'Peak memory of the process, training',
        theirs: 'transformers',
        unit: 'bytes',
        measured: { ours: around(2 ** 31), theirs: around(2 ** 32), ratio: around(0.5) },
        goal: { bound: 'at most', value: 1 },
      },
    ],
    leftOut: ['some rows: for a reason'],
  };
}

export function gpuKernelResults(): KernelResults {
  const { kernels, ...head } = kernelResults();
  const [small, large, , loss] = kernels;
  const besideCopy = (fraction: number) => ({ copy: around(1e6), fractionOfCopy: around(fraction) });
  return {
    ...head,
    machine: gpuMachine,
    command: 'npm run bench -- --device cuda',
    copy: { bytes: 2e9, loop: around(1e6), driver: around(0.8e6) },
    kernels: [
      { ...small!, ...besideCopy(0.5) },
      { ...large!, elements: 2 ** 28, ...besideCopy(0.93), goal: { bound: 'at least', value: 0.92 } },
      { ...loss!, ...besideCopy(0.7) },
    ],
    calls: [{ title: 'a step of 150 tensors', time: around(51_000), goal: { bound: 'at most', value: 50_000 } }],
    leftOut: ['adamw-step f32 2^28: does not fit into memory'],
  };
}

export function gpuPeerResults(): PeerResults {
  const results = peerResults();
  return {
    ...results,
    machine: gpuMachine,
    peer: { ...results.peer, torch: '2.13.0+cu130', cuda: '13.0' },
    elements: 2 ** 28,
    rows: results.rows.filter(({ subject }) => subject === 'AdamW of PyTorch'),
  };
}
