/**
 * `npm run bench:merged-adapters`: how far a model with LoRA adapters and the model that they are merged into are from each other.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { integer } from '../lib/cli/arguments.ts';
import { FlatBuffer } from '../lib/core/flat-buffer.ts';
import { randomStream } from '../lib/core/random.ts';
import { elementCount } from '../lib/core/shape.ts';
import { viewOf } from '../lib/model/stored-tensor.ts';
import { TokenBatch, TorchLM } from '../lib/torch/index.ts';

interface Options {
  model: string;
  draws: number;
  rank: number;
}

const command = new Command('npm run bench:merged-adapters --')
  .description(
    'Differences of the losses of single tokens, in nats, between adapters beside their base and merged into it, over draws of the ' +
      "adapters: A as fresh ones have it, B uniform in +-0.05, on every linear layer. Tokens are the model's own: sampled from it.",
  )
  .requiredOption('--model <folder>', 'a Hugging Face model')
  .addOption(new Option('--draws <n>', 'of the adapters').argParser(integer()).default(10))
  .addOption(new Option('--rank <n>', 'of the adapters').argParser(integer()).default(16))
  .parse();

const { model: folder, draws, rank } = command.opts<Options>();

process.stdout.write(
  '| dtype | tokens | what adapters change (rms) | merged: rms | most | of the mean |\n| --- | --- | --- | --- | --- | --- |\n',
);
for (const dtype of ['f32', 'bf16'] as const) {
  const changes: number[] = [];
  const differences: number[] = [];
  const means: number[] = [];
  for (let draw = 0; draw < draws; draw++) {
    const seed = BigInt(draw);
    const adapter = { kind: 'lora', rank, targets: 'all-linear', seed } as const;
    const model = await TorchLM.load(folder, { dtype, adapter });
    const batch = await sampled(model, seed);
    const losses = async (of: TorchLM<typeof dtype>) => (await of.score(batch)).logProbability;
    const before = await losses(model);
    await drawB(model, seed);
    const beside = await losses(model);
    const merged = await model.merged();
    const folded = await losses(merged);
    changes.push(...beside.map((value, i) => value - before[i]!));
    differences.push(...folded.map((value, i) => value - beside[i]!));
    means.push(Math.abs(mean([...folded.map((value, i) => value - beside[i]!)])));
    for (const each of [model, merged]) each.release();
  }
  const most = Math.max(...differences.map(Math.abs));
  const figures = [rms(changes), rms(differences), most, Math.max(...means)].map((value) => value.toExponential(1));
  process.stdout.write(`| ${[dtype, differences.length, ...figures].join(' | ')} |\n`);
}

/** Texts that the model writes itself, from single tokens on. */
async function sampled(model: TorchLM<'f32' | 'bf16'>, seed: bigint): Promise<TokenBatch> {
  const first = randomStream(seed, 'first tokens');
  const prompts = Array.from({ length: 4 }, (_, i) => [first.integer(model.vocabularySize, 0, i)]);
  const written = await model.generate(prompts, { maxNewTokens: 100, stopTokens: [], temperature: 1, seed });
  return TokenBatch.of(written.map((tokens, i) => ({ tokens: [...prompts[i]!, ...tokens], labelsFrom: 1 })));
}

async function drawB({ parameters: { values, layout } }: TorchLM<'f32' | 'bf16'>, seed: bigint): Promise<void> {
  for (const [name, place] of layout) {
    if (place.factor !== 'B') continue;
    const { uniform } = randomStream(seed, name);
    const length = elementCount(place.shape);
    const drawn = Float32Array.from({ length }, (_, i) => 0.05 * (2 * uniform(0, i) - 1));
    await viewOf(values, place).copyFrom(FlatBuffer.from(drawn));
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function rms(values: readonly number[]): number {
  return Math.sqrt(mean(values.map((value) => value ** 2)));
}
