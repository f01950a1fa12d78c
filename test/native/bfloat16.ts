/** bfloat16 by arithmetic in float64, apart from the bits that native code works with. */

const smallestExponent = -126;

/** The number that 16 bits stand for. */
export function bfloat16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 7) & 0xff;
  const fraction = bits & 0x7f;
  if (exponent === 0xff) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** (smallestExponent - 7);
  return sign * (1 + fraction / 128) * 2 ** (exponent - 127);
}

/** The numbers of bfloat16 around x, the lower first; twice x where it is one. */
export function bfloat16Neighbours(x: number): [number, number] {
  const step = spacing(x);
  return [inRange(Math.floor(x / step) * step), inRange(Math.ceil(x / step) * step)];
}

/** The nearest number of bfloat16; of two the one with an even fraction. */
export function nearestBfloat16(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const step = spacing(x);
  const steps = x / step;
  const below = Math.floor(steps);
  const above = below + 1;
  const rest = steps - below;
  const chosen = rest < 0.5 ? below : rest > 0.5 ? above : below % 2 === 0 ? below : above;
  return inRange(chosen === 0 ? Math.sign(x) * 0 : chosen * step);
}

/** Distance of the numbers of bfloat16 near x: they hold 8 bits. */
function spacing(x: number): number {
  let exponent = Math.floor(Math.log2(Math.abs(x)));
  // The logarithm is rounded.
  if (2 ** exponent > Math.abs(x)) exponent -= 1;
  else if (2 ** (exponent + 1) <= Math.abs(x)) exponent += 1;
  return 2 ** (Math.max(exponent, smallestExponent) - 7);
}

function inRange(x: number): number {
  return Math.abs(x) >= 2 ** 128 ? Math.sign(x) * Infinity : x;
}

/** The bits of the nearest numbers. */
export function bfloat16Bits(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const word = new Uint32Array(1);
  const float = new Float32Array(word.buffer);
  return Uint16Array.from(values, (x) => {
    float[0] = nearestBfloat16(x);
    return word[0]! >>> 16;
  });
}

/** The numbers that bits stand for; float32 holds all of them. */
export function bfloat16Values(bits: ArrayLike<number>): Float32Array<ArrayBuffer> {
  return Float32Array.from(bits, bfloat16Value);
}
