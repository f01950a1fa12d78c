/**
 * The package's public functions and methods, for the fuzz test.
 */

import { join } from 'node:path';
import * as soul from '../../lib/index.ts';
import { AdamW, constant, cosine, FlatBuffer, linear, Sophia } from '../../lib/index.ts';
import { fromPointer, pointerOf, useStream } from '../../lib/unsafe.ts';
import { knownStream } from './fuzz-addon.ts';
import {
  type Call,
  type Draw,
  dtypeOf,
  flatBuffer,
  foreignAddress,
  length,
  maskBytes,
  type Target,
} from './fuzz-values.ts';

const shared = {
  learningRate: 1,
  weightDecay: 0,
  clipNorm: 1,
  maximize: true,
  nonFinite: 'skip',
  epsilon: 1e-8,
} as const;
const groups = () => [
  { name: 'embedding', start: 0, length: 4, weightDecay: 0, learningRateScale: 0.5, embedding: true },
];
const estimate = (random: Draw) => ({ from: flatBuffer(random, dtypeOf(random)), batchSize: 4, prime: true });
const step = () => ({ learningRate: 0.1, weightDecay: 0.1, zeroGradients: true });

/** Parameters, and options of their storage. */
function storage(random: Draw) {
  const dtype = dtypeOf(random);
  const parameters = { values: flatBuffer(random, dtype), gradients: flatBuffer(random, dtype) };
  const precision = {
    master: dtype === 'bf16' ? random.of(['f32', 'none'] as const) : ('none' as const),
    states: dtypeOf(random),
    rounding: random.of(['stochastic', 'nearest'] as const),
  };
  const mask = { frozen: flatBuffer(random, 'u8', maskBytes(length)) };
  const seed = random.of([0n, 7n, 2n ** 64n - 1n]);
  return { parameters, options: { precision, seed, ...random.of([{}, mask]) } };
}

function sophia(random: Draw): Sophia {
  const { parameters, options } = storage(random);
  return new Sophia(parameters, { ...options, rho: { clippedFraction: 0.2 }, parameterGroups: groups() });
}

function adamw(random: Draw): AdamW {
  const { parameters, options } = storage(random);
  return new AdamW(parameters, options);
}

function buffer(random: Draw): FlatBuffer {
  const dtype = random.of(['f32', 'bf16', 'u8'] as const);
  if (random.integer(3) > 0) return flatBuffer(random, dtype);
  if (random.place !== 'cpu') {
    const owner = FlatBuffer.alloc(length, { dtype, device: random.place });
    return fromPointer({ pointer: pointerOf(owner), length, dtype, device: random.place, owner });
  }
  return fromPointer({ pointer: foreignAddress(dtype), length, dtype });
}

/** A method of an object that is made right; only what the method is given gets spoiled. */
function method(name: string, make: (random: Draw) => object, words: (random: Draw) => unknown[]): Target {
  const call = (random: Draw): Call => {
    const self = make(random) as Record<string, Call>;
    return (...rest) => self[name.split('.')[1]!]!(...rest);
  };
  return { name, call, words };
}

function plain(name: string, call: unknown, words: (random: Draw) => unknown[]): Target {
  return { name, call: () => call as Call, words };
}

function bufferMethods(): Target[] {
  return [
    method('FlatBuffer.view', buffer, () => [1, 3]),
    method('FlatBuffer.fill', buffer, () => [1]),
    method('FlatBuffer.copyFrom', buffer, (random) => [random.of([buffer(random), new Float32Array(length)])]),
    method('FlatBuffer.copyTo', buffer, (random) => [random.of([buffer(random), new Float64Array(length)])]),
    method('FlatBuffer.toFloat32Array', buffer, () => []),
    method('FlatBuffer.release', buffer, () => []),
    plain('FlatBuffer.alloc', FlatBuffer.alloc, (random) => [
      5,
      { dtype: random.of(['f32', 'bf16', 'u8']), device: random.place },
    ]),
    plain('FlatBuffer.from', FlatBuffer.from, (random) => [
      random.of([new Float32Array(3), new Uint16Array(3), new Uint8Array(3)]),
    ]),
    plain('fromPointer', fromPointer, () => [{ pointer: 4096n, length: 1, dtype: 'f32', device: 'cpu' }]),
    plain('pointerOf', pointerOf, (random) => [buffer(random)]),
  ];
}

function deviceFunctions(): Target[] {
  const device = (random: Draw) => random.of(['cuda', 'cuda:0', 'cuda:1']);
  const toKnownStream = (options: { stream: bigint }) => {
    if (typeof options !== 'object' || options === null) return useStream(options);
    return useStream({ ...options, stream: knownStream(options.stream) } as never);
  };
  return [
    plain('describeDevices', soul.describeDevices, () => []),
    plain('defaultDevice', soul.defaultDevice, () => []),
    plain('machineCode', soul.machineCode, (random) => [device(random)]),
    plain('useStream', toKnownStream, (random) => [{ device: device(random), stream: random.of([0n, 1n]) }]),
  ];
}

function vectorFunctions(): Target[] {
  const vector = (random: Draw) => flatBuffer(random, dtypeOf(random));
  const rounding = (random: Draw) =>
    random.of([{ rounding: 'stochastic', seed: 1n, count: 3 }, { rounding: 'nearest' }]);
  const words: Record<string, (random: Draw) => unknown[]> = {
    squaredNorm: (random) => [vector(random)],
    countNonFinite: (random) => [vector(random)],
    dot: (random) => [vector(random), vector(random)],
    gram: (random) => [[vector(random), vector(random), vector(random)]],
    axpy: (random) => [0.5, vector(random), vector(random), rounding(random)],
    addSign: (random) => [0.5, vector(random), vector(random), rounding(random)],
    addNormal: (random) => [
      0.5,
      vector(random),
      vector(random),
      random.of([{ seed: 1n }, { seed: 2n, frozen: flatBuffer(random, 'u8', Math.ceil(length / 8)) }]),
    ],
    scale: (random) => [vector(random), 0.5, rounding(random)],
    softThreshold: (random) => [
      vector(random),
      0.5,
      random.of([{}, { frozen: flatBuffer(random, 'u8', Math.ceil(length / 8)) }]),
    ],
    fillFrozen: (random) => [vector(random), flatBuffer(random, 'u8', Math.ceil(length / 8)), 0],
    cast: (random) => [vector(random), vector(random), rounding(random)],
    quantile: (random) => [{ of: random.of(['product', 'ratio']), a: vector(random), b: vector(random) }, 0.5],
    maskWhereZero: (random) => [vector(random)],
    maskOfRanges: () => [length, [{ start: 3, length: 5 }]],
  };
  const exported = soul as unknown as Record<string, Call>;
  return Object.entries(words).map(([name, of]) => plain(name, exported[name], of));
}

function constructors(): Target[] {
  const words = (random: Draw, more: object) => {
    const { parameters, options } = storage(random);
    return [parameters, { ...shared, ...options, betas: [0.9, 0.99], parameterGroups: groups(), ...more }];
  };
  return [
    plain(
      'new Sophia',
      (...rest: never[]) => new Sophia(...(rest as unknown as [never, never])),
      (random) => words(random, { rho: 0.1, denominator: 'max', momentumBiasCorrection: true }),
    ),
    plain('Sophia.soulRepo', Sophia.soulRepo, (random) =>
      words(random, { momentumUpdates: 2, estimator: { squaredGradient: { batchSize: 3 } } }),
    ),
    plain(
      'new AdamW',
      (...rest: never[]) => new AdamW(...(rest as unknown as [never, never])),
      (random) => words(random, {}),
    ),
    plain('constant', constant, () => [{ warmupSteps: 3 }]),
    plain('linear', linear, () => [{ warmupSteps: 3, steps: 10 }]),
    plain('cosine', cosine, () => [{ warmupSteps: 3, steps: 10 }]),
  ];
}

function optimizerMethods(folder: string): Target[] {
  // What is drawn for a path stays in the folder.
  const within = (target: Target): Target => ({
    ...target,
    call: (random) => {
      const call = target.call(random);
      return (...[path, ...rest]) =>
        call(...([typeof path === 'string' ? join(folder, path) : path, ...rest] as unknown as never[]));
    },
  });
  const files = (random: Draw) => [random.of(['sophia.safetensors', 'adamw.safetensors', 'nowhere'])];
  const both = [
    ['Sophia', sophia],
    ['AdamW', adamw],
  ] as const;
  return [
    method('Sophia.updateHessian', sophia, (random) => [{ ...estimate(random), part: [0, 2] }]),
    method('Sophia.step', sophia, (random) => [{ ...step(), hessian: estimate(random) }]),
    method('AdamW.step', adamw, () => [step()]),
    within(method('Sophia.loadState', sophia, (random) => [...files(random), ...random.of([[], [{ batchSize: 5 }]])])),
    within(method('AdamW.loadState', adamw, files)),
    ...both.flatMap(([name, make]) => [
      within(method(`${name}.saveState`, make, (random) => [random.of(['one', 'two'])])),
      method(`${name}.refreshMaster`, make, () => []),
      method(`${name}.release`, make, () => []),
    ]),
  ];
}

/** @param folder where files are written and read; holds the states of {@link writeStates} */
export function packageTargets(folder: string): Target[] {
  return [
    ...bufferMethods(),
    ...deviceFunctions(),
    ...vectorFunctions(),
    ...constructors(),
    ...optimizerMethods(folder),
  ];
}

/** States that `loadState` can read. */
export async function writeStates(folder: string): Promise<void> {
  const parameters = () => ({
    values: FlatBuffer.alloc(length, { dtype: 'bf16' }),
    gradients: FlatBuffer.alloc(length, { dtype: 'bf16' }),
  });
  await new Sophia(parameters(), { rho: 0.1 }).saveState(join(folder, 'sophia.safetensors'));
  await new AdamW(parameters()).saveState(join(folder, 'adamw.safetensors'));
}
