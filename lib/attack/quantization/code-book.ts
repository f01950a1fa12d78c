/**
 * Blockwise rounding to the levels of a code book, as bitsandbytes does it.
 *
 * @module
 */

const blockLength = 64;
/** Below which bitsandbytes takes no scale. */
const smallestScale = Math.fround(1e-38);

/**
 * Rounds weights in place: blocks of 64 weights that follow each other in memory, across rows, are divided by their largest magnitude,
 * and each weight becomes the nearest level times that magnitude, the lower one of two at one distance.
 *
 * Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs", 2023, section 2 (equations 1 and 2), without double quantisation of
 * the scales. Every operation is rounded to float32, in bitsandbytes' order.
 *
 * @param levels float32 from -1 to 1, ascending
 * @param codes takes which level each weight has
 */
export function roundToLevels(weights: Float32Array, levels: Float32Array, codes?: Uint8Array): void {
  const halves = Float32Array.from({ length: levels.length - 1 }, (_, i) => {
    return Math.fround(levels[i]! + levels[i + 1]!) / 2;
  });
  for (let begin = 0; begin < weights.length; begin += blockLength) {
    const end = Math.min(begin + blockLength, weights.length);
    let largest = 0;
    for (let i = begin; i < end; i++) largest = Math.max(largest, Math.abs(weights[i]!));
    const scale = Math.max(largest, smallestScale);
    const inverse = Math.fround(1 / scale);
    // A last block that is not full is divided, others are multiplied by the inverse.
    const isFull = end - begin === blockLength;
    for (let i = begin; i < end; i++) {
      const scaled = Math.fround(isFull ? weights[i]! * inverse : weights[i]! / scale);
      const level = countBelow(halves, scaled);
      if (codes) codes[i] = level;
      weights[i] = levels[level]! * (isFull ? largest : scale);
    }
  }
}

/** How many of ascending numbers are below a value. */
function countBelow(ascending: Float32Array, value: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
