/**
 * A trainer with parameters and gradients in arrays: a logistic regression on inputs of very different sizes.
 *
 * @module
 */

const width = 12;
const examples = 1280;
const parts = 64;

/** A deterministic number in [-1, 1). */
const noise = (index: number) => ((index * 2654435761) % 2 ** 32) / 2 ** 31 - 1;

const inputs = Array.from({ length: examples }, (_, n) =>
  Array.from({ length: width }, (_, i) => 400 * 0.7 ** i * noise(n * width + i + 1)),
);
const labels = inputs.map((input) => Number(input.reduce((sum, x, i) => sum + (i % 3 === 0 ? 2 : -1) * x, 0) > 0));

/** Of the program's arguments: how many steps to take. */
export const steps = Number(process.argv[2]);
export const myParameters = new Float32Array(width);
export const myGradients = new Float32Array(width);
/** Before each step. */
const losses: number[] = [];
let draws = 0;

const probabilityOf = (input: readonly number[]) =>
  1 / (1 + Math.exp(-input.reduce((sum, x, i) => sum + x * myParameters[i]!, 0)));

/** Adds the gradient of the mean loss on some examples, as backward passes do; returns the loss. */
function addGradient(first: number, end: number, labelOf: (n: number, probability: number) => number): number {
  let loss = 0;
  for (let n = first; n < end; n++) {
    const probability = probabilityOf(inputs[n]!);
    const label = labelOf(n, probability);
    loss -= Math.log(label === 1 ? probability : 1 - probability) / (end - first);
    for (const [i, x] of inputs[n]!.entries()) myGradients[i]! += ((probability - label) * x) / (end - first);
  }
  return loss;
}

export function backward(): void {
  losses.push(addGradient(0, examples, (n) => labels[n]!));
}

export function backwardOnSampledLabels(part: number): number {
  const chunk = examples / parts;
  const drawn = (_: number, probability: number) => Number((noise(7919 + draws++) + 1) / 2 < probability);
  addGradient(part * chunk, (part + 1) * chunk, drawn);
  return chunk;
}

/** With the gradient at the start, where every probability is a half, and what the gradients' array holds now. */
export function report() {
  const gradientAtStart = Array.from(
    { length: width },
    (_, i) => inputs.reduce((sum, input, n) => sum + (0.5 - labels[n]!) * input[i]!, 0) / examples,
  );
  return { losses, gradientAtStart, gradientsLeft: [...myGradients] };
}
