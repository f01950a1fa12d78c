/**
 * `npm run bench:curvature-noise`: how alike two independent curvature estimates are, by the size and number of their chunks.
 *
 * @module
 */

import { Command } from 'commander';
import { integer } from '../lib/cli/arguments.ts';
import { randomStream } from '../lib/core/random.ts';
import { elementCount } from '../lib/core/shape.ts';
import { BatchSampler, encodeExamples, readExamples } from '../lib/data/index.ts';
import { TokenBatch, TorchLM } from '../lib/torch/index.ts';

interface Options {
  model: string;
  data: string;
  sizes: string;
  sequences: number;
}

/** Weights of less than this share of the mean have no curvature to speak of, as where rho is set. */
const leastShare = 1e-7;
/** Every so many-th weight is looked at. */
const stride = 7;

const command = new Command('npm run bench:curvature-noise --')
  .description(
    'Correlation of the logarithms of two independent estimates of the Gauss-Newton diagonal, over the weights of matrices beside ' +
      'embeddings, for estimates of growing numbers of chunks.',
  )
  .requiredOption('--model <folder>', 'a Hugging Face model')
  .requiredOption('--data <file>', 'examples to estimate from')
  .option('--sizes <list>', 'sequences of a chunk', '1,2,8')
  .option('--sequences <n>', 'sequences of the largest estimate', integer(), 64)
  .parse();

const options = command.opts<Options>();
const { model, tokenizer } = await TorchLM.loadWithTokenizer(options.model);
const { items } = await readExamples(options.data);
const { encoded } = encodeExamples(tokenizer, items, { maximumLength: Math.min(512, model.maximumLength) });
const { gradients, layout } = model.parameters;

const places = [...layout].flatMap(([, { offset, shape, group }]) =>
  group === 'matrix' ? [{ offset, length: elementCount(shape) }] : [],
);
const watched = Uint32Array.from(
  places.flatMap(({ offset, length }) =>
    Array.from({ length: Math.ceil(length / stride) }, (_, i) => offset + i * stride),
  ),
);

process.stdout.write(
  '| sequences of a chunk | chunks | sequences | correlation of logarithms |\n| --- | --- | --- | --- |\n',
);
for (const size of options.sizes.split(',').map(Number)) {
  const runs = [0n, 1n].map((seed) => ({
    sum: new Float64Array(watched.length),
    labels: randomStream(seed, 'curvature labels'),
    sampler: new BatchSampler({ size: encoded.length, batchSize: size, seed, purpose: 'curvature order' }),
  }));
  for (let chunk = 0; (chunk + 1) * size <= options.sequences; chunk++) {
    for (const { sum, labels, sampler } of runs) {
      const batch = TokenBatch.of([...sampler.indices(chunk)].map((index) => encoded[index]!));
      const { labelCount } = batch;
      await gradients.fill(0);
      await model.accumulate(batch, new Float32Array(labelCount).fill(1 / labelCount), {
        labels: { sampledWith: labels.seed64(0, chunk) },
      });
      const { array } = gradients;
      for (const [i, index] of watched.entries()) sum[i]! += labelCount * array[index]! ** 2;
    }
    const chunks = chunk + 1;
    const [first, second] = runs.map(({ sum }) => sum) as [Float64Array, Float64Array];
    if ((chunks & chunk) !== 0 && chunks !== 3) continue;
    const figures = [size, chunks, chunks * size, logCorrelation(first, second).toFixed(3)];
    process.stdout.write(`| ${figures.join(' | ')} |\n`);
  }
}
model.release();

/** Over the entries that both have. */
function logCorrelation(first: Float64Array, second: Float64Array): number {
  const least = [first, second].map((h) => (leastShare * h.reduce((sum, x) => sum + x, 0)) / h.length);
  const [xs, ys]: [number[], number[]] = [[], []];
  first.forEach((x, i) => {
    if (!(x > least[0]! && second[i]! > least[1]!)) return;
    xs.push(Math.log(x));
    ys.push(Math.log(second[i]!));
  });
  const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
  const [mx, my] = [mean(xs), mean(ys)];
  const product = (a: number[], ma: number, b: number[], mb: number) =>
    a.reduce((sum, x, i) => sum + (x - ma) * (b[i]! - mb), 0);
  return product(xs, mx, ys, my) / Math.sqrt(product(xs, mx, xs, mx) * product(ys, my, ys, my));
}
