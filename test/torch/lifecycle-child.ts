/** Scenes that lifecycle.test.ts plays in a process of their own; the first argument names one. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';

const config = {
  model_type: 'llama',
  vocab_size: 600,
  hidden_size: 64,
  intermediate_size: 160,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 512,
  tie_word_embeddings: true,
};

function batchOf(sequences: number, length: number): TokenBatch {
  return TokenBatch.of(
    Array.from({ length: sequences }, (_, i) => ({
      tokens: Array.from({ length }, (_, t) => (31 * i + 7 * t) % 600),
      labelsFrom: 1,
    })),
  );
}

const scenes: Record<string, () => Promise<void>> = {
  /** The process ends while work is running and queued. */
  async exit() {
    const model = await TorchLM.create(config, 1n);
    const large = batchOf(32, 400);
    for (let i = 0; i < 20; i++) void model.accumulate(large, new Float32Array(large.labelCount));
    await sleep(100);
    process.exit(0);
  },

  /** Workers end, by themselves and by force, while work is running; the main thread goes on. */
  async workers() {
    for (let i = 0; i < 4; i++) {
      // Node 20 gives a worker no loader for TypeScript: it gets one by hand.
      const worker = new Worker(
        `import('tsx/esm/api').then(({ tsImport }) => tsImport(${JSON.stringify(import.meta.url)}, ${JSON.stringify(import.meta.url)}))`,
        { eval: true },
      );
      await once(worker, 'message');
      if (i % 2 === 0) await worker.terminate();
      else await once(worker, 'exit');
    }
    const model = await TorchLM.create(config, 1n);
    const pass = await model.nll(batchOf(2, 10));
    await pass.backward(new Float32Array(18).fill(1));
    model.release();
  },

  /** 1000 steps with everything released, then passes and models that are forgotten: memory stays where it was. */
  async memory() {
    const { gc } = globalThis;
    const model = await TorchLM.create(config, 1n);
    const batch = batchOf(4, 40);
    const weights = new Float32Array(batch.labelCount).fill(1 / batch.labelCount);
    const step = async (i: number) => {
      const pass = await model.nll(batch);
      if (i % 2 === 0) await pass.backward(weights, { keep: true });
      if (i % 3 === 0) pass.release();
      else await pass.backward(weights);
      if (i % 4 === 0) await model.accumulate(batch, weights, { labels: { sampledWith: BigInt(i) } });
      if (i % 50 === 0) await model.generate([[1, 2], [3]], { maxNewTokens: 4 });
    };
    const collect = async () => {
      for (let i = 0; i < 5; i++) {
        gc?.();
        await sleep(20);
      }
      return process.memoryUsage().rss;
    };
    const round = async (steps: number, forgottenPasses: number, forgottenModels: number) => {
      for (let i = 0; i < steps; i++) await step(i);
      for (let i = 0; i < forgottenPasses; i++) await model.nll(batch);
      for (let i = 0; i < forgottenModels; i++) await (await TorchLM.create(config, 1n)).score(batch);
      return collect();
    };
    // Freed memory stays with the allocator: the first round brings it to its peak.
    const before = await round(100, 60, 10);
    for (let i = 0; i < 4; i++) await round(0, 60, 10);
    const after = await round(1000, 60, 10);
    console.log(JSON.stringify({ grown: after - before }));
  },

  /** A model is released while work is queued, and stays reachable: its memory goes. */
  async release() {
    const model = await TorchLM.create(config, 1n);
    const batch = batchOf(4, 40);
    const arrays = [model.parameters.values, model.parameters.gradients].map(({ array }) => new WeakRef(array));
    const pending = model.score(batch);
    model.release();
    model.release();
    const { logProbability } = await pending;
    for (let i = 0; i < 5; i++) {
      globalThis.gc?.();
      await sleep(20);
    }
    const kept = arrays.filter((array) => array.deref() !== undefined).length;
    console.log(JSON.stringify({ kept, finished: logProbability.length, released: model.released }));
  },

  /** Two models on one base are released one after the other, and stay reachable: the base goes with the last. */
  async forks() {
    const batch = batchOf(4, 40);
    const adapter = { kind: 'lora', rank: 4, targets: 'all-linear' } as const;
    const model = await TorchLM.create(config, 1n, { adapter });
    const fork = await model.fork();
    const models = [model, fork];
    const base = new WeakRef(model.base!.values.array);
    const own = models.flatMap(({ parameters: { values, gradients } }) =>
      [values, gradients].map(({ array }) => new WeakRef(array)),
    );
    const kept = async () => {
      for (let i = 0; i < 5; i++) {
        globalThis.gc?.();
        await sleep(20);
      }
      return [base, ...own].map((array) => array.deref() !== undefined);
    };
    model.release();
    const first = await kept();
    const { logProbability } = await fork.score(batch);
    fork.release();
    const last = await kept();
    const released = models.map((each) => each.released);
    console.log(JSON.stringify({ first, last, finished: logProbability.length, released }));
  },
};

async function work(): Promise<void> {
  const model = await TorchLM.create(config, 1n);
  const large = batchOf(32, 400);
  for (let i = 0; i < 20; i++) void model.accumulate(large, new Float32Array(large.labelCount)).catch(() => {});
  await sleep(50);
  parentPort?.postMessage('running');
  await sleep(50);
  process.exit();
}

await (isMainThread ? scenes[process.argv[2]!]!() : work());
