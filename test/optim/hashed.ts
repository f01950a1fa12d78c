/** Numbers in [-1, 1) as a hash of (stream, index); fixtures/record_optimizers.py computes the same. */
export function hashed(stream: number, length: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, (_, index) => {
    const bits = mix((mix(index) + Math.imul(stream, 0x9e3779b9)) >>> 0);
    return bits / 2 ** 31 - 1;
  });
}

function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}
