/**
 * Sophia's and AdamW's step in float32, operation by operation with Math.fround, and bfloat16 rounding: written from
 * the formulas, to be compared bit for bit. Only the random bits are drawn as native/kernels/random.h draws them.
 */

const f = Math.fround;

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

export function bitsOf(x: number): number {
  floats[0] = x;
  return words[0]!;
}

export function fromBits(bits: number): number {
  words[0] = bits;
  return floats[0]!;
}

export function fromBf16(bits: number): number {
  return fromBits((bits << 16) >>> 0);
}

/** The nearest bf16's bits, ties to even. */
export function nearestBf16(x: number): number {
  const bits = bitsOf(x);
  const below = bits >>> 16;
  const rest = bits & 0xffff;
  return (rest > 0x8000 || (rest === 0x8000 && below % 2 === 1) ? below + 1 : below) & 0xffff;
}

/** One of the two bf16 around x; the 16 random bits decide. */
export function stochasticBf16(x: number, random: number): number {
  return ((bitsOf(x) + (random & 0xffff)) >>> 16) & 0xffff;
}

export interface SophiaNumbers {
  learningRate: number;
  weightDecay: number;
  beta1: number;
  rho: number;
  epsilon: number;
  /** Of the gradient's norm; 1: none. */
  clip?: number;
}

/** [value, m, whether the ratio reached 1] after a step with the denominator rho * h + epsilon. */
export function sophiaStep(
  value: number,
  m: number,
  h: number,
  g: number,
  c: SophiaNumbers,
): [number, number, boolean] {
  const scaled = f(f(c.clip ?? 1) * g);
  const next = f(f(f(c.beta1) * m) + f(f(1 - c.beta1) * scaled));
  const denominator = f(f(f(c.rho) * h) + f(c.epsilon));
  const ratio = f(Math.abs(next) / denominator);
  const direction = Math.sign(next) * Math.min(1, ratio);
  const kept = f(value * f(1 - c.learningRate * c.weightDecay));
  return [f(kept - f(f(c.learningRate) * direction)), next, ratio >= 1];
}

/** h after an estimate. */
export function hessianAverage(h: number, g: number, beta2: number, batchSize: number): number {
  return f(f(f(beta2) * h) + f(f(f((1 - beta2) * batchSize) * g) * g));
}

export interface AdamWNumbers {
  learningRate: number;
  weightDecay: number;
  beta1: number;
  beta2: number;
  epsilon: number;
}

/** [value, m, v] after step `t`. */
export function adamwStep(
  value: number,
  m: number,
  v: number,
  g: number,
  t: number,
  c: AdamWNumbers,
): [number, number, number] {
  const next = f(m + f(f(1 - c.beta1) * f(g - m)));
  const square = f(f(f(c.beta2) * v) + f(f(f(1 - c.beta2) * g) * g));
  const root = f(f(Math.sqrt(square)) / f(Math.sqrt(1 - c.beta2 ** t)));
  const step = f(f(c.learningRate / (1 - c.beta1 ** t)) * f(next / f(root + f(c.epsilon))));
  return [f(f(value * f(1 - c.learningRate * c.weightDecay)) - step), next, square];
}

function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** What a draw of stochastic rounding is for, as native/kernels/random.h numbers it. */
export const purposes = { step: 0, secondState: 1, estimate: 2 } as const;

/** The 32 bits that element `element` (below 2^32) is rounded with. */
export function roundingBits(seed: bigint, purpose: number, count: number, element: number): number {
  const split = (x: bigint): [number, number] => [Number(x & 0xffffffffn), Number((x >> 32n) & 0xffffffffn)];
  let first = 0x9e3779b9;
  let second = 0x85ebca6b;
  for (const word of [...split(seed), ...split(BigInt(count))]) {
    first = mix((first ^ word) >>> 0);
    second = mix((second + Math.imul(word, 0xc2b2ae35) + first) >>> 0);
  }
  const word = mix(purpose);
  first = mix((first ^ word) >>> 0);
  second = mix((second + word) >>> 0);
  return (mix((element + first) >>> 0) ^ second) >>> 0;
}
