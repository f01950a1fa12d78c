/**
 * Random calls of the raw addon and of the public API with wrong arguments.
 *
 * Every call starts from arguments that would do, of which up to three are then replaced. It must end in a typed error or
 * in success; a crash ends the process, which is what fuzz.test.ts and scripts/fuzz-under-sanitizer.mjs look for.
 */

import { nativeAddon } from '../../lib/core/addon.ts';
import { SoulError } from '../../lib/core/errors.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { type RandomStream, randomStream } from '../../lib/core/random.ts';
import * as soul from '../../lib/index.ts';
import { AdamW, constant, cosine, linear, Sophia } from '../../lib/index.ts';
import { fromPointer } from '../../lib/unsafe.ts';

export interface FuzzResult {
  calls: number;
  /** Calls that ended well. */
  succeeded: number;
  /** Calls that ended in an error, by code. */
  errors: Record<string, number>;
  /** Calls that ended in anything else: the call and what came out. */
  untyped: string[];
  /** Names of the functions that were called. */
  functions: string[];
}

type Call = (...words: never[]) => unknown;

/** A function and arguments for it that would do. */
interface Target {
  name: string;
  call: Call;
  words: (random: Draw) => unknown[];
}

class Draw {
  readonly #stream: RandomStream;
  readonly #step: number;
  #index = 0;

  constructor(stream: RandomStream, step: number) {
    this.#stream = stream;
    this.#step = step;
  }

  integer(limit: number): number {
    return this.#stream.integer(limit, this.#step, this.#index++);
  }

  of<Value>(values: readonly Value[]): Value {
    return values[this.integer(values.length)]!;
  }
}

const rows = 3;
const vocabulary = 7;
const length = rows * vocabulary;

/**
 * @param options.calls how many calls to make
 * @param options.seed of the draws; the same seed makes the same calls
 */
export async function fuzzCalls({ calls, seed }: { calls: number; seed: bigint }): Promise<FuzzResult> {
  const stream = randomStream(seed, 'fuzz');
  const targets = [...rawTargets(), ...publicTargets()];
  const result: FuzzResult = {
    calls,
    succeeded: 0,
    errors: {},
    untyped: [],
    functions: targets.map(({ name }) => name),
  };
  let pending: Promise<void>[] = [];
  for (let i = 0; i < calls; i++) {
    const random = new Draw(stream, i);
    const target = random.of(targets);
    const words = spoiled(target.words(random), random);
    pending.push(settle(target, words, i, result));
    if (pending.length === 16) {
      await Promise.all(pending);
      pending = [];
    }
  }
  await Promise.all(pending);
  await nativeAddon().fence();
  return result;
}

async function settle({ name, call }: Target, words: unknown[], index: number, result: FuzzResult): Promise<void> {
  try {
    await call(...(words as never[]));
    result.succeeded += 1;
  } catch (error) {
    const code = error instanceof SoulError ? error.code : undefined;
    if (code !== undefined && code !== 'SOUL_INTERNAL') result.errors[code] = (result.errors[code] ?? 0) + 1;
    else result.untyped.push(`call ${index}, ${name}: ${String((error as Error)?.stack ?? error)}`);
  }
}

/** The words with up to three of them, or of their fields, replaced, left out or added to. */
function spoiled(words: unknown[], random: Draw): unknown[] {
  const result = [...words];
  for (let left = random.integer(4); left > 0; left--) {
    const at = random.integer(result.length + 1);
    const word = result[at];
    if (isPlain(word) && random.integer(4) > 0) {
      const copy: Record<string, unknown> = { ...word };
      const names = [...Object.keys(copy), 'learning_rate', 'extra'];
      const name = random.of(names);
      if (random.integer(4) === 0) delete copy[name];
      else copy[name] = anything(random);
      result[at] = copy;
    } else if (random.integer(8) === 0) {
      result.length = Math.min(at, result.length);
    } else {
      result[at] = anything(random);
    }
  }
  return result;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function anything(random: Draw): unknown {
  return random.of(values)(random);
}

const resizable = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;
const numbers = [
  0,
  -0,
  1,
  -1,
  2,
  3,
  7,
  21,
  0.5,
  1.5,
  1e-40,
  1e300,
  -1e300,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 60,
  NaN,
  Infinity,
  -Infinity,
];

/** Values of every kind, fitting or not. */
const values: readonly ((random: Draw) => unknown)[] = [
  () => undefined,
  () => null,
  (random) => random.of(numbers),
  (random) => random.of(numbers),
  (random) => random.of([0n, 1n, -1n, 3n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 70n)]),
  (random) => random.of(['', 'f32', 'cuda:0', 'exp', 'skip', 'learningRate', 'x'.repeat(1000)]),
  (random) => random.of([true, false]),
  () => Symbol('symbol'),
  () => Object.create(FlatBuffer.prototype),
  () => frozen(new Float32Array(length)),
  () => () => 1,
  () => ({}),
  () => [],
  () => [1, 2],
  () => [0, NaN],
  () => new Date(0),
  () => new Map(),
  () => Object.create(null),
  (random) => new Float32Array(random.of([0, 1, rows, length, 100])),
  (random) => new Float32Array(new ArrayBuffer(4 * length + 8), 4, random.of([length, length + 1, 2])),
  (random) => new Float32Array(new SharedArrayBuffer(4 * random.of([0, rows, length]))),
  () => new Float32Array(new resizable(4 * length, { maxByteLength: 8 * length })),
  () => Float32Array.from({ length }, (_, i) => [NaN, Infinity, -Infinity, 1e-40, 3e38][i % 5]!),
  () => detached(new Float32Array(length)),
  () => detached(new Int32Array(rows)),
  (random) => new Float64Array(random.of([0, 6, 7, 10, length])),
  () => Float64Array.of(0, length, 1, NaN, 1, 3, 5, 1, 0, 1),
  () => Float64Array.of(-1, 5, NaN, 2 ** 60, 0),
  () => new Float64Array(7).fill(NaN),
  () => new Float64Array(7).fill(1e300),
  (random) => Int32Array.from({ length: rows }, () => random.of([-1, 0, vocabulary, 2 ** 31 - 1])),
  () => new Uint8Array(rows),
  () => new Uint16Array(length).fill(0x3f80),
  () => ({ rounding: 'stochastic', seed: 3n }),
  () => new BigInt64Array(rows),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(4 * length),
  () => nativeAddon().interface,
  () => external(length),
  () => nativeAddon().view(external(length), 1, rows),
  (random) => FlatBuffer.alloc(random.of([0, rows, length])),
  () => released(),
  () => FlatBuffer.alloc(length).view(1, length - 1),
  (random) => FlatBuffer.alloc(length, { dtype: random.of(['bf16', 'u8']) }),
];

function detached<Array extends Float32Array | Int32Array>(array: Array): Array {
  structuredClone(0, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

function frozen(array: Float32Array): Float32Array {
  Object.freeze(array.buffer);
  return array;
}

function released(): FlatBuffer {
  const buffer = FlatBuffer.alloc(length);
  buffer.release();
  return buffer;
}

// Memory that the externals below point to, alive to the end.
const foreign = new Float32Array(new SharedArrayBuffer(4 * length));

function external(count: number) {
  return nativeAddon().fromPointer(nativeAddon().describe(foreign).address, count, 'f32');
}

function memory(random: Draw, count = length): unknown {
  return random.integer(4) === 0 && count === length
    ? external(length)
    : new Float32Array(count).fill(random.of([0, 1, -2]));
}

function floating(random: Draw): unknown {
  return random.integer(2) === 0 ? memory(random) : new Uint16Array(length).fill(random.of([0, 0x3f80, 0x7fff]));
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

function segments(): Float64Array {
  return Float64Array.of(0, 5, 1, NaN, 1, 5, length - 5, 0.5, 0, 0);
}

/** Twenty slots in the order of native/addon/optimizer_calls.cpp. */
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
  return Float64Array.of(...shared, flag(), random.of([0, 0.1]), flag(), 5, flag(), flag(), part, 2);
}

function mask(random: Draw): Uint8Array {
  return Uint8Array.from({ length: Math.ceil(length / 8) }, () => random.integer(256));
}

/** Values, master, gradients, two states and a mask. */
function stepBuffers(random: Draw): unknown[] {
  const optional = (make: () => unknown) => (random.integer(2) === 0 ? undefined : make());
  return [
    memory(random),
    optional(() => memory(random)),
    ...[0, 1, 2].map(() => memory(random)),
    optional(() => mask(random)),
  ];
}

function rawTargets(): Target[] {
  const addon = nativeAddon();
  const perRow = (random: Draw) => memory(random, rows);
  const words: Record<string, (random: Draw) => unknown[]> = {
    machine: () => [],
    configure: (random) => [random.of([{}, { threads: 2 }, { instructionSet: 'portable' }, { threads: 1 }])],
    streamPattern: (random) => {
      const both = memory(random);
      return [[both, memory(random)], [both]];
    },
    describe: (random) => [memory(random)],
    fromPointer: () => [4096n, 5],
    view: () => [external(length), 1, 5],
    fill: (random) => [memory(random), 0.5],
    copy: (random) => [memory(random), memory(random)],
    fence: () => [],
    scoreTokens: (random) => [
      memory(random),
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
    tokenGradient: (random) => [memory(random), vocabulary, labels(random), perRow(random), perRow(random)],
    scoreDivergence: (random) => [memory(random), memory(random), vocabulary, ...[0, 1, 2].map(() => perRow(random))],
    divergenceGradient: (random) => [
      memory(random),
      memory(random),
      vocabulary,
      ...[0, 1, 2].map(() => perRow(random)),
    ],
    sophiaStep: (random) => [
      ...stepBuffers(random),
      random.of([undefined, memory(random)]),
      control(random),
      segments(),
      settings(random),
    ],
    adamwStep: (random) => [...stepBuffers(random), control(random), segments(), settings(random)],
    hessianUpdate: (random) => [
      memory(random),
      memory(random),
      random.of([undefined, mask(random)]),
      control(random),
      settings(random, random.integer(2)),
    ],
    countNonFinite: (random) => [floating(random)],
    dot: (random) => [floating(random), floating(random)],
    gram: (random) => [[1, 2, 3].map(() => floating(random))],
    axpy: (random) => [0.5, floating(random), floating(random), rounding(random)],
    scale: (random) => [floating(random), 0.5, rounding(random)],
    cast: (random) => [floating(random), floating(random), rounding(random)],
    quantile: (random) => [
      random.of(['magnitude', 'product', 'ratio']),
      floating(random),
      floating(random),
      random.of([0, 0.3, 1]),
    ],
    maskZeros: (random) => [floating(random), mask(random)],
    elementwise: (random) => [random.of(['exp', 'log']), memory(random), memory(random)],
    randomBits: () => [1n, 2n, new Int32Array(5)],
  };
  const functions = Object.entries(addon).filter(([, value]) => typeof value === 'function');
  return functions.map(([name, call]) => {
    const own = words[name];
    if (own === undefined) throw new Error(`the fuzz test has no arguments for the addon's function ${name}`);
    return { name: `addon.${name}`, call: call as Call, words: own };
  });
}

function publicTargets(): Target[] {
  const buffer = (random: Draw) =>
    random.of([FlatBuffer.alloc(length), fromPointer({ pointer: nativeAddon().describe(foreign).address, length })]);
  const parameters = () => ({ values: FlatBuffer.alloc(length), gradients: FlatBuffer.alloc(length) });
  const groups = () => [
    { name: 'embedding', start: 0, length: 4, weightDecay: 0, learningRateScale: 0.5, embedding: true },
  ];
  const shared = { learningRate: 1, weightDecay: 0, clipNorm: 1, maximize: true, nonFinite: 'skip', epsilon: 1e-8 };
  // The object is made right; only what its method is given gets spoiled.
  const method = (name: string, make: (random: Draw) => object, words: (random: Draw) => unknown[]): Target => ({
    name,
    words,
    call: (...rest) => {
      const self = make(new Draw(randomStream(0n, name), 0)) as Record<string, Call>;
      return self[name.split('.')[1]!]!(...rest);
    },
  });
  const sophia = () => new Sophia(parameters(), { rho: { clippedFraction: 0.2 }, parameterGroups: groups() });
  const estimate = () => ({ from: FlatBuffer.alloc(length), batchSize: 4, prime: true });
  const step = () => ({ learningRate: 0.1, weightDecay: 0.1, zeroGradients: true });
  const methods = [
    method('FlatBuffer.view', buffer, () => [1, 3]),
    method('FlatBuffer.fill', buffer, () => [1]),
    method('FlatBuffer.copyFrom', buffer, (random) => [random.of([buffer(random), new Float32Array(length)])]),
    method('FlatBuffer.copyTo', buffer, (random) => [random.of([buffer(random), new Float64Array(length)])]),
    method('FlatBuffer.toFloat32Array', buffer, () => []),
    method('FlatBuffer.release', buffer, () => []),
    method('Sophia.updateHessian', sophia, () => [{ ...estimate(), part: [0, 2] }]),
    method('Sophia.step', sophia, () => [{ ...step(), hessian: estimate() }]),
    method('Sophia.loadState', sophia, () => ['/nowhere/state.safetensors', { batchSize: 5 }]),
    method(
      'AdamW.step',
      () => new AdamW(parameters()),
      () => [step()],
    ),
    method(
      'AdamW.loadState',
      () => new AdamW(parameters()),
      () => ['/nowhere/state.safetensors'],
    ),
  ];
  const vector = () => FlatBuffer.alloc(length);
  const narrow = () => FlatBuffer.alloc(length, { dtype: 'bf16' });
  const stochastic = { rounding: 'stochastic', seed: 1n, count: 3 };
  const vectors: Record<string, () => unknown[]> = {
    squaredNorm: () => [narrow()],
    countNonFinite: () => [vector()],
    dot: () => [vector(), narrow()],
    gram: () => [[vector(), narrow(), vector()]],
    axpy: () => [0.5, vector(), narrow(), stochastic],
    scale: () => [narrow(), 0.5, stochastic],
    cast: () => [vector(), narrow(), stochastic],
    quantile: () => [{ of: 'product', a: vector(), b: narrow() }, 0.5],
    maskWhereZero: () => [narrow()],
    maskOfRanges: () => [length, [{ start: 3, length: 5 }]],
  };
  const exported = soul as unknown as Record<string, Call>;
  return [
    ...methods,
    ...Object.entries(vectors).map(([name, words]) => ({ name, call: exported[name]!, words })),
    {
      name: 'FlatBuffer.alloc',
      call: FlatBuffer.alloc as Call,
      words: (random) => [5, { dtype: random.of(['f32', 'bf16', 'u8']), device: 'cpu' }],
    },
    {
      name: 'FlatBuffer.from',
      call: FlatBuffer.from as Call,
      words: (random) => [random.of([new Float32Array(3), new Uint16Array(3), new Uint8Array(3)])],
    },
    {
      name: 'fromPointer',
      call: fromPointer as Call,
      words: () => [{ pointer: 4096n, length: 1, dtype: 'f32', device: 'cpu' }],
    },
    {
      name: 'new Sophia',
      call: (...rest: never[]) => new Sophia(...(rest as unknown as [never, never])),
      words: () => [
        parameters(),
        {
          ...shared,
          betas: [0.9, 0.99],
          rho: 0.1,
          denominator: 'max',
          momentumBiasCorrection: true,
          parameterGroups: groups(),
        },
      ],
    },
    {
      name: 'Sophia.soulRepo',
      call: Sophia.soulRepo as Call,
      words: () => [parameters(), { momentumUpdates: 2, estimator: { squaredGradient: { batchSize: 3 } } }],
    },
    {
      name: 'new AdamW',
      call: (...rest: never[]) => new AdamW(...(rest as unknown as [never, never])),
      words: () => [parameters(), { ...shared, betas: [0.9, 0.99], parameterGroups: groups() }],
    },
    { name: 'constant', call: constant as Call, words: () => [{ warmupSteps: 3 }] },
    { name: 'linear', call: linear as Call, words: () => [{ warmupSteps: 3, steps: 10 }] },
    { name: 'cosine', call: cosine as Call, words: () => [{ warmupSteps: 3, steps: 10 }] },
  ];
}
