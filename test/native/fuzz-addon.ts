/**
 * The raw addon's functions, for the fuzz test.
 */

import { join } from 'node:path';
import { type NativeAddon, nativeAddon } from '../../lib/core/addon.ts';
import {
  type Call,
  type Draw,
  deviceMemory,
  dtypeOf,
  external,
  length,
  maskBytes,
  memory,
  rows,
  type Target,
  vocabulary,
} from './fuzz-values.ts';

function floating(random: Draw): unknown {
  return memory(random, length, dtypeOf(random));
}

function rounding(random: Draw): object | undefined {
  return random.of([undefined, { seed: 1n, count: 2n }]);
}

function labels(random: Draw): Int32Array {
  return Int32Array.from({ length: rows }, () => random.integer(vocabulary));
}

function control(random: Draw): Float64Array {
  return Float64Array.of(random.integer(5), random.of([NaN, 0.1]), random.integer(2), 0, 0, 0, 0);
}

function counters(random: Draw): unknown {
  return random.place === 'cpu' ? new Uint8Array(control(random).buffer) : deviceMemory(random, random.place, 56, 'u8');
}

/** Functions that need a device to succeed. */
export const deviceFunctions = ['cudaMachineCode', 'allocDevice', 'releaseDevice', 'useStream', 'deviceTime'].map(
  (name) => `addon.${name}`,
);

/** A stream is taken at its word, so that a wrong one must not come through. */
export function knownStream(stream: unknown): unknown {
  return typeof stream === 'bigint' && stream > 1n && stream < 2n ** 64n ? 0n : stream;
}

function segments(count: number): Float64Array {
  return Float64Array.of(0, 5, 1, NaN, 1, 5, count - 5, 0.5, 0, 0);
}

/** The slots in the order of native/addon/optimizer_calls.cpp. */
function settings(random: Draw, part = 0): Float64Array {
  const flag = () => random.integer(2);
  const [beta1, beta2] = [random.of([0, 0.9, 1]), random.of([0, 0.99, 1])];
  const shared = [
    0.1,
    0.1,
    beta1,
    beta2,
    random.of([0, 1e-15]),
    random.of([0, 1]),
    flag(),
    flag(),
    flag(),
    flag(),
    7,
    8,
  ];
  return Float64Array.of(...shared, flag(), random.of([0, 0.1]), flag(), 5, flag(), flag(), part, 2, flag());
}

/** Values, master, gradients, two states and a mask. */
function stepBuffers(random: Draw, count: number): unknown[] {
  const optional = (make: () => unknown) => (random.integer(2) === 0 ? undefined : make());
  const [dtype, states] = [dtypeOf(random), dtypeOf(random)];
  return [
    memory(random, count, dtype),
    dtype === 'bf16' ? optional(() => memory(random, count)) : undefined,
    memory(random, count, dtype),
    memory(random, count, states),
    memory(random, count, states),
    optional(() => memory(random, maskBytes(count), 'u8')),
  ];
}

/** Short ones are done at once, long ones on the addon's threads. */
function stepLength(random: Draw): number {
  return random.of([length, length, length, 9001]);
}

export function addonTargets(folder: string): Target[] {
  const addon = nativeAddon();
  const lockedFile = join(folder, 'lock');
  // Giving it up twice is harmless. A lock that a call takes is held until garbage is collected, at no foreseeable time.
  const ownLock = addon.lockFile(join(folder, 'own-lock'));
  const perRow = (random: Draw) => memory(random, rows);
  const targetCall = (random: Draw) => [
    floating(random),
    random.of([undefined, floating(random)]),
    vocabulary,
    {
      labels: labels(random),
      shift: random.of([-10, 0, 3, -Infinity]),
      logSumExp: perRow(random),
      targetLogSumExp: perRow(random),
      labelProbability: perRow(random),
    },
    perRow(random),
  ];
  const words: Record<string, (random: Draw) => unknown[]> = {
    machine: () => [],
    configure: (random) => [
      random.of([
        { threads: random.of([1, 2, 3]) },
        { instructionSet: random.of(addon.machine().instructionSets) },
        { instructionSet: addon.machine().instructionSets[0], threads: 2 },
        { cudaThreads: random.of([0, 32, 96, 256]), cudaBlocks: random.of([0, 1, 3]) },
        {},
      ]),
    ],
    streamPattern: (random) => {
      const both = memory(random);
      return [[both, memory(random)], [both]];
    },
    cudaPlatform: () => [],
    cudaMachineCode: () => [0],
    allocDevice: (random) => [random.integer(2), 5, random.of(['f32', 'bf16', 'u8'])],
    releaseDevice: (random) => [random.place === 'cpu' ? external('f32', length) : memory(random)],
    useStream: (random) => [random.integer(2), random.of([0n, 1n])],
    deviceTime: (random) => [random.integer(2)],
    describe: (random) => [memory(random)],
    fromPointer: (random) => [4096n, 5, random.of(['f32', 'bf16', 'u8']), -1],
    view: (random) => [
      random.place === 'cpu' ? external('f32', length) : deviceMemory(random, random.place, length, 'f32'),
      1,
      5,
    ],
    fill: (random) => [floating(random), 0.5],
    copy: (random) => {
      const dtype = random.of(['f32', 'bf16', 'u8'] as const);
      return [memory(random, length, dtype), memory(random, length, dtype)];
    },
    fence: () => [],
    lockFile: () => [lockedFile],
    isLocked: () => [lockedFile],
    unlockFile: () => [ownLock],
    scoreTokens: (random) => [
      floating(random),
      vocabulary,
      {
        labels: labels(random),
        logSumExp: perRow(random),
        nll: perRow(random),
        isArgmax: new Uint8Array(rows),
        meanLogP: perRow(random),
        varianceLogP: perRow(random),
        ...(random.integer(2) === 0 ? { sampledLabels: labels(random), sampleSeed: 1n, firstRow: 2n } : {}),
      },
    ],
    tokenGradient: (random) => [floating(random), vocabulary, labels(random), perRow(random), perRow(random)],
    scoreDivergence: (random) => [
      floating(random),
      floating(random),
      vocabulary,
      ...[0, 1, 2].map(() => perRow(random)),
    ],
    divergenceGradient: (random) => [
      floating(random),
      floating(random),
      vocabulary,
      ...[0, 1, 2].map(() => perRow(random)),
    ],
    scoreTarget: targetCall,
    targetGradient: targetCall,
    sophiaStep: (random) => {
      const count = stepLength(random);
      return [
        ...stepBuffers(random, count),
        random.of([undefined, memory(random, count, dtypeOf(random))]),
        control(random),
        segments(count),
        settings(random),
        counters(random),
      ];
    },
    adamwStep: (random) => {
      const count = stepLength(random);
      return [...stepBuffers(random, count), control(random), segments(count), settings(random), counters(random)];
    },
    setCounters: (random) => [control(random), control(random), counters(random)],
    hessianUpdate: (random) => {
      const count = stepLength(random);
      return [
        memory(random, count, dtypeOf(random)),
        memory(random, count, dtypeOf(random)),
        random.of([undefined, memory(random, maskBytes(count), 'u8')]),
        control(random),
        settings(random, random.integer(2)),
        counters(random),
      ];
    },
    countNonFinite: (random) => [floating(random)],
    dot: (random) => [floating(random), floating(random)],
    gram: (random) => [[1, 2, 3].map(() => floating(random))],
    axpy: (random) => [0.5, floating(random), floating(random), rounding(random)],
    addSign: (random) => [0.5, floating(random), floating(random), rounding(random)],
    addNormal: (random) => [
      0.5,
      floating(random),
      floating(random),
      { seed: 1n, count: 2n },
      random.of([undefined, memory(random, maskBytes(length), 'u8')]),
      rounding(random),
    ],
    scale: (random) => [floating(random), 0.5, rounding(random)],
    softThreshold: (random) => [
      floating(random),
      0.5,
      random.of([undefined, memory(random, maskBytes(length), 'u8')]),
      rounding(random),
    ],
    fillFrozen: (random) => [floating(random), memory(random, maskBytes(length), 'u8'), random.of([0, Number.NaN])],
    cast: (random) => [floating(random), floating(random), rounding(random)],
    quantile: (random) => [
      random.of(['magnitude', 'product', 'ratio']),
      floating(random),
      floating(random),
      random.of([0, 0.3, 1]),
    ],
    maskZeros: (random) => [floating(random), memory(random, maskBytes(length), 'u8')],
    elementwise: (random) => [random.of(['exp', 'log']), memory(random), memory(random)],
    randomBits: () => [1n, 2n, new Int32Array(5)],
  };
  const functions = Object.entries(addon).filter(([, value]) => typeof value === 'function');
  return functions.map(([name, call]) => {
    const own = words[name];
    if (own === undefined) throw new Error(`the fuzz test has no arguments for the addon's function ${name}`);
    const guarded = { useStream, lockFile: lockWithin(lockedFile) }[name] ?? call;
    return { name: `addon.${name}`, call: () => guarded as Call, words: own };
  });
}

const useStream = (device: number, stream: unknown, ...rest: never[]) =>
  nativeAddon().useStream(
    ...([device, knownStream(stream), ...rest] as unknown as Parameters<NativeAddon['useStream']>),
  );

/** Whatever text it is given, no other file is made. */
const lockWithin =
  (file: string) =>
  (path: unknown): unknown =>
    nativeAddon().lockFile((typeof path === 'string' ? file : path) as string);
