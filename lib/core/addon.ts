/**
 * Finds and loads the optimizer addon, and turns its errors into {@link SoulError}.
 *
 * @module
 */

import { createRequire } from 'node:module';
import { SoulError } from './errors.ts';
import { packageRoot, soulCommand } from './package.ts';
import { usableProcessors } from './processors.ts';
import { typedCalls } from './typed-calls.ts';

declare const external: unique symbol;

/** A type-tagged native handle; means nothing outside native code. */
export interface NativeExternal {
  readonly [external]: true;
}

/**
 * Memory as native code takes it: an array that cannot be detached, or a handle to memory of a CUDA device or of another
 * owner.
 */
export type NativeMemory = NativeArray | NativeExternal;

/** Arrays by dtype: `f32`, `bf16` (its bits) and `u8`. */
export type NativeArray = Float32Array | Uint16Array | Uint8Array;

/** Rounding to bfloat16 at random: the draws of the `count`-th rounding with a seed. */
export interface NativeRounding {
  seed: bigint;
  count: bigint;
}

/** What `scoreTokens` reads (labels, seed) and fills (the rest); one entry per row. */
export interface NativeTokenScores {
  labels?: Int32Array;
  sampledLabels?: Int32Array;
  sampleSeed?: bigint;
  firstRow?: bigint;
  logSumExp?: NativeMemory;
  nll?: NativeMemory;
  isArgmax?: Uint8Array;
  meanLogP?: NativeMemory;
  varianceLogP?: NativeMemory;
}

/** For each row the distribution softmax(logits + shift * onehot(label)); `scoreTarget` fills the arrays, one entry per row. */
export interface NativeTokenTarget {
  labels: Int32Array;
  /** -Infinity leaves the label out. */
  shift: number;
  logSumExp: NativeMemory;
  targetLogSumExp: NativeMemory;
  /** The larger of what the row and its own target give the label. */
  labelProbability: NativeMemory;
}

/** What the processor offers and what is in use. */
export interface NativeMachine {
  /** `'avx512'`, `'avx2'`, `'portable'` or `'neon'`. */
  instructionSet: string;
  /** Those that this processor can run, the fastest first. */
  instructionSets: string[];
  threads: number;
  hardwareThreads: number;
}

/** What CUDA offers on this machine. */
export interface NativePlatform {
  /** Why no device can be used, in one sentence; empty where they can. */
  problem: string;
  /** 13000 is 13.0; 0 where there is no driver. */
  driverVersion: number;
  /** Whether this build of the addon holds code for GPUs. */
  deviceCode: boolean;
  devices: {
    /** As the driver gives it. */
    name: string;
    /** Compute capability: 90 is 9.0. */
    architecture: number;
    /** Bytes. */
    memory: number;
    multiprocessors: number;
    /** Why this one cannot be used; empty where it can. */
    problem: string;
  }[];
}

/**
 * The calls of native/addon. Memory may lie on a CUDA device, all of a call on one; of `copy` and `cast` also on two.
 * Functions that return promises run on the environment's dispatcher, in the order of the calls, or, where
 * they are short and nothing is pending, at once; on a device they resolve when it has done the work. Arguments are
 * checked before anything is posted.
 */
export interface NativeAddon {
  readonly version: number;
  /** The table of C functions for the engine addon (native/runtime/interface.h). */
  readonly interface: NativeExternal;

  machine(): NativeMachine;
  /** The instruction set is the process's, the threads are this environment's. The bits of every result stay. */
  configure(settings: {
    instructionSet?: string;
    threads?: number;
    /** Shapes of launches, for tests; 0: the device's own. */
    cudaThreads?: number;
    cudaBlocks?: number;
  }): Promise<void>;
  /** Reads and writes every byte of the buffers once, with next to no arithmetic: the memory limit of a step. */
  streamPattern(reads: readonly NativeMemory[], writes: readonly NativeMemory[]): Promise<void>;

  /** Looks for the driver and its devices once; never throws, makes no context. */
  cudaPlatform(): NativePlatform;
  /** Which code runs on a device, as `'sm_90'`; makes the device's context. */
  cudaMachineCode(device: number): string;
  /** Zeroed memory of a device. */
  allocDevice(device: number, length: number, dtype: 'f32' | 'bf16' | 'u8'): NativeExternal;
  /** Frees memory of `allocDevice` in its turn; neither it nor its views may be used any more. */
  releaseDevice(memory: NativeExternal): Promise<void>;
  /** This environment's work on a device goes to this CUstream from here on; 0n: to the default stream. */
  useStream(device: number, stream: bigint): Promise<void>;
  /** Resolves to [milliseconds], taken on the device since this environment's first such call. */
  deviceTime(device: number): Promise<number[]>;

  describe(memory: NativeMemory): { address: bigint; byteLength: bigint };
  /** `device` is a CUDA device, or -1 for the CPU. */
  fromPointer(address: bigint, length: number, dtype: 'f32' | 'bf16' | 'u8', device: number): NativeExternal;
  view(memory: NativeExternal, start: number, length: number): NativeExternal;
  fill(memory: NativeMemory, value: number): Promise<void>;
  copy(destination: NativeMemory, source: NativeMemory): Promise<void>;
  /** Resolves when everything posted before is done, on every device. */
  fence(): Promise<void>;

  /** An exclusive lock of a file, which is made where it is not there; undefined where somebody else holds it. */
  lockFile(path: string): NativeExternal | undefined;
  /** Whether somebody holds the lock of a file that is there. */
  isLocked(path: string): boolean;
  unlockFile(lock: NativeExternal): void;

  /** Resolves to [count]. */
  countNonFinite(buffer: NativeMemory): Promise<number[]>;
  /** Resolves to [sum]. */
  dot(a: NativeMemory, b: NativeMemory): Promise<number[]>;
  /** Resolves to the products of each buffer with itself and those after it. */
  gram(buffers: readonly NativeMemory[]): Promise<number[]>;
  axpy(alpha: number, x: NativeMemory, y: NativeMemory, rounding?: NativeRounding): Promise<void>;
  addSign(alpha: number, x: NativeMemory, y: NativeMemory, rounding?: NativeRounding): Promise<void>;
  addNormal(
    factor: number,
    source: NativeMemory,
    target: NativeMemory,
    draws: NativeRounding,
    frozen: NativeMemory | undefined,
    rounding?: NativeRounding,
  ): Promise<void>;
  scale(buffer: NativeMemory, factor: number, rounding?: NativeRounding): Promise<void>;
  softThreshold(
    buffer: NativeMemory,
    by: number,
    frozen: NativeMemory | undefined,
    rounding?: NativeRounding,
  ): Promise<void>;
  fillFrozen(buffer: NativeMemory, frozen: NativeMemory, value: number): Promise<void>;
  /** Without `rounding` to the nearest; of one dtype a copy. */
  cast(source: NativeMemory, target: NativeMemory, rounding?: NativeRounding): Promise<void>;
  /** Resolves to [threshold]; `b` is undefined for a magnitude. */
  quantile(
    of: 'magnitude' | 'product' | 'ratio',
    a: NativeMemory,
    b: NativeMemory | undefined,
    fraction: number,
  ): Promise<number[]>;
  /** Sets the bits of elements that are 0, clears all others. */
  maskZeros(buffer: NativeMemory, mask: NativeMemory): Promise<void>;

  /**
   * Rows of logits, one after another, `f32` or `bf16`; `bf16` ones count as the same numbers in float32, and a gradient in
   * their place is rounded to the nearest. A reference may be of the other dtype.
   */
  scoreTokens(logits: NativeMemory, vocabulary: number, scores: NativeTokenScores): Promise<void>;
  tokenGradient(
    logits: NativeMemory,
    vocabulary: number,
    labels: Int32Array,
    weights: NativeMemory,
    logSumExp: NativeMemory,
  ): Promise<void>;
  scoreDivergence(
    logits: NativeMemory,
    reference: NativeMemory,
    vocabulary: number,
    divergence: NativeMemory,
    logSumExp: NativeMemory,
    referenceLogSumExp: NativeMemory,
  ): Promise<void>;
  divergenceGradient(
    logits: NativeMemory,
    reference: NativeMemory,
    vocabulary: number,
    weights: NativeMemory,
    logSumExp: NativeMemory,
    referenceLogSumExp: NativeMemory,
  ): Promise<void>;
  /** Without a reference targets are the rows' own, and `labelProbability` is filled too. */
  scoreTarget(
    logits: NativeMemory,
    reference: NativeMemory | undefined,
    vocabulary: number,
    target: NativeTokenTarget,
    crossEntropy: NativeMemory,
  ): Promise<void>;
  /** From what scoreTarget left in `target`. */
  targetGradient(
    logits: NativeMemory,
    reference: NativeMemory | undefined,
    vocabulary: number,
    target: NativeTokenTarget,
    weights: NativeMemory,
  ): Promise<void>;
  /**
   * Resolves to [step, skipped, gradientNorm, rho, then stepped, clipped and changed counts of each segment]. Settings
   * are numbered by lib/optim/native-settings.ts. `counters` is memory of 7 doubles (56 bytes) on the parameters' device
   * that jobs alone touch; `control`, of as many, is this thread's copy, which follows before the promise settles.
   */
  sophiaStep(
    values: NativeMemory,
    master: NativeMemory | undefined,
    gradients: NativeMemory,
    momentum: NativeMemory,
    hessian: NativeMemory,
    frozen: NativeMemory | undefined,
    estimate: NativeMemory | undefined,
    control: Float64Array,
    segments: Float64Array,
    settings: Float64Array,
    counters: NativeMemory,
  ): Promise<number[]>;
  /** As `sophiaStep`. */
  adamwStep(
    values: NativeMemory,
    master: NativeMemory | undefined,
    gradients: NativeMemory,
    average: NativeMemory,
    squareAverage: NativeMemory,
    frozen: NativeMemory | undefined,
    control: Float64Array,
    segments: Float64Array,
    settings: Float64Array,
    counters: NativeMemory,
  ): Promise<number[]>;
  /** Sets the counters in the order of the calls, and `control` when that is done. */
  setCounters(values: Float64Array, control: Float64Array, counters: NativeMemory): Promise<void>;
  /** Resolves to [skipped]. */
  hessianUpdate(
    hessian: NativeMemory,
    estimate: NativeMemory,
    frozen: NativeMemory | undefined,
    control: Float64Array,
    settings: Float64Array,
    counters: NativeMemory,
  ): Promise<number[]>;

  elementwise(name: 'exp' | 'log', input: NativeMemory, output: NativeMemory): Promise<void>;
  /** Into an Int32Array, or as they are into float32 memory of a device. */
  randomBits(seed: bigint, row: bigint, bits: Int32Array | NativeExternal): Promise<void>;
}

/** Raised with every change of what native/addon exports; the addon says the same number. */
const addonVersion = 6;

const require = createRequire(import.meta.url);
let loaded: { readonly calls: NativeAddon; readonly path: string } | undefined;

/**
 * The optimizer addon of this environment, loaded when it is first needed.
 *
 * @throws SoulError SOUL_ADDON_MISSING with every attempt and what to run
 */
export function nativeAddon(): NativeAddon {
  loaded ??= load();
  return loaded.calls;
}

/** Whether the addon can be loaded, and from where or why not. */
export function addonStatus(): { loaded: true; path: string } | { loaded: false; error: string } {
  try {
    nativeAddon();
    return { loaded: true, path: loaded!.path };
  } catch (error) {
    return { loaded: false, error: (error as Error).message };
  }
}

/** The addon's calls, with threads for the processors that this process may keep busy; native code counts all there are. */
function withThreads(addon: NativeAddon): NativeAddon {
  const calls = typedCalls(addon);
  // Whoever sets the variable has chosen.
  if (!process.env.SOUL_THREADS) calls.configure({ threads: usableProcessors() }).catch(() => {});
  return calls;
}

function load(): { calls: NativeAddon; path: string } {
  const attempts: string[] = [];
  try {
    const find = require('node-gyp-build') as { resolve(folder: string): string };
    const file = find.resolve(packageRoot);
    try {
      const addon = require(file) as Record<string, unknown>;
      if (addon.version === addonVersion) return { calls: withThreads(addon as unknown as NativeAddon), path: file };
      attempts.push(`${file} is of version ${String(addon.version)}, this package needs ${addonVersion}`);
    } catch (error) {
      attempts.push(`${file}: ${(error as Error).message}`);
    }
  } catch (error) {
    attempts.push((error as Error).message.trim().replace(/\s+/g, ' '));
  }
  throw new SoulError(
    'SOUL_ADDON_MISSING',
    `The native addon could not be loaded on ${process.platform}-${process.arch}, Node ${process.version}:\n` +
      `${attempts.map((attempt) => `  - ${attempt}`).join('\n')}\n` +
      `Build it, with a C++20 compiler, make and Python: ${soulCommand('addon build')}`,
    { attempts },
  );
}
