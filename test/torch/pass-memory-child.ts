/** One pass forward and back in a process of its own, for pass-memory.full.test.ts: prints what it took beside what was planned. */
import { type AdapterOptions, parseModelConfig } from '../../lib/model/index.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { largestBatch } from '../../lib/run/memory-plan.ts';
import { measurePeakMemory } from '../../lib/run/peak-memory.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { type PassMemoryOptions, passMemory } from '../../lib/torch/pass-memory.ts';

export interface PassCase {
  readonly config: Readonly<Record<string, unknown>>;
  readonly dtype: 'f32' | 'bf16';
  readonly checkpointActivations: boolean;
  readonly lengths: readonly number[];
  /** Of the distance of hidden states, to a vector or to those of another model; absent: of -log p. */
  readonly hidden?: { readonly layer: number; readonly toward: 'vector' | 'reference' };
  /** Only the first and the last tokens are labels, an eighth each; else all from the first quarter on. */
  readonly spans?: true;
  /** Adapters on every linear layer, or bottlenecks behind the MLPs; else all weights train. */
  readonly adapters?: 'lora' | 'unlearning-layers';
}

const adapterOptions: Record<NonNullable<PassCase['adapters']>, AdapterOptions> = {
  lora: { kind: 'lora', rank: 16, targets: 'all-linear' },
  'unlearning-layers': { kind: 'unlearning-layers', bottleneck: 64 },
};

async function main({ config, dtype, checkpointActivations, lengths, hidden, spans, adapters }: PassCase) {
  const parsed = parseModelConfig(config);
  const adapter = adapters ? { adapter: adapterOptions[adapters] } : {};
  const model = await TorchLM.create(config, 1n, { dtype, checkpointActivations, ...adapter });
  const reference = hidden?.toward === 'reference' ? await TorchLM.create(config, 2n, { dtype }) : undefined;
  const sequences = (of: readonly number[]): TokenSequence[] =>
    of.map((length, i) => {
      const tokens = Int32Array.from({ length }, (_, t) => (31 * i + 7 * t) % parsed.vocabularySize);
      const eighth = Math.floor(length / 8);
      if (!spans) return { tokens, labelsFrom: 2 * eighth };
      return {
        tokens,
        labelsFrom: eighth,
        labelSpans: [
          [eighth, 2 * eighth],
          [length - eighth, length],
        ],
      };
    });
  const start = (batch: TokenBatch) => {
    if (hidden === undefined) return model.nll(batch);
    const toward = reference ?? new Float32Array(model.hiddenStates.width);
    return model.activationDistance({ layer: hidden.layer, toward }, batch);
  };
  const pass = async (of: readonly number[]) => {
    const batch = TokenBatch.of(sequences(of));
    const forward = await start(batch);
    await forward.backward(new Float32Array(batch.labelCount).fill(1));
  };
  // What libtorch and the gradients take once is there before.
  await model.parameters.gradients.fill(1);
  await pass([16]);
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const meter = await measurePeakMemory();
  await pass(lengths);
  const measured = (await meter.peak()) - before;
  const options: PassMemoryOptions = { device: 'cpu', dtype, checkpointActivations, adapter: model.adapter };
  const batch = largestBatch(sequences(lengths), { examples: lengths.length });
  const shape = hidden === undefined ? batch : { ...batch, hiddenLayer: () => hidden.layer };
  console.log(JSON.stringify({ measured, ...passMemory(parsed, shape, options) }));
}

await main(JSON.parse(process.argv[2]!));
