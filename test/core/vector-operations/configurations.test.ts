import { expect, test } from '@jest/globals';
import {
  addSign,
  axpy,
  countNonFinite,
  dot,
  FlatBuffer,
  gram,
  quantile,
  type RoundingOptions,
  scale,
  softThreshold,
  squaredNorm,
} from '../../../lib/index.ts';
import { underEveryConfiguration } from '../../native/configurations.ts';
import { hashed } from '../../optim/hashed.ts';
import { type Floating, vector } from './vectors.ts';

test('every configuration gives the same bits', async () => {
  const length = 5 * 16_384 + 777;
  const odd = [0, -0, 1e-42, -1e-39, 3e18, -3e18, 1e-20];
  const list = (stream: number) => hashed(stream, length).map((x, i) => (i % 97 === 0 ? odd[i % odd.length]! : x));
  const sources = [list(1), list(2), list(3), list(4)];
  const stochastic: RoundingOptions = { rounding: 'stochastic', seed: 3n };
  const frozen = FlatBuffer.alloc(Math.ceil(length / 8), { dtype: 'u8' });
  frozen.array.forEach((_, i, bytes) => {
    bytes[i] = [0, 255, i][Math.floor(i / 300) % 3]!;
  });
  const results = await underEveryConfiguration(async () => {
    const figures: unknown[] = [];
    for (const [first, second] of [['f32', 'f32'] as const, ['bf16', 'bf16'] as const, ['f32', 'bf16'] as const]) {
      const made: FlatBuffer<Floating>[] = [];
      for (const [i, source] of sources.entries()) {
        made.push((await vector(source, i % 2 === 0 ? first : second, 2 * i + 1)).buffer);
      }
      const [a, b] = made as [FlatBuffer<Floating>, FlatBuffer<Floating>];
      figures.push(await gram(made), await squaredNorm(a), await countNonFinite(b), await dot(a, b));
      for (const kind of ['magnitude', 'product', 'ratio'] as const)
        figures.push(await quantile({ of: kind, a, b }, 0.3));
      await axpy(0.3, a, b, stochastic);
      await axpy(-0.7, b, a);
      await scale(b, 0.9, stochastic);
      await scale(a, 1.3);
      await addSign(0.011, a, b, stochastic);
      await softThreshold(a, 0.017, { frozen, ...stochastic });
      await softThreshold(b, 0.013);
      figures.push(Buffer.from(a.array.slice().buffer).toString('base64'));
      figures.push(Buffer.from(b.array.slice().buffer).toString('base64'));
    }
    return figures;
  });
  const [first] = results.values();
  for (const [name, figures] of results) {
    expect([name, figures.map((figure, i) => JSON.stringify(figure) === JSON.stringify(first![i]))]).toEqual([
      name,
      figures.map(() => true),
    ]);
  }
});
