/**
 * `npm run bench:second-order`: what second order costs, steps of Sophia beside steps of AdamW on the same batches, in turn on one
 * model.
 *
 * @module
 */

import { Command } from 'commander';
import { integer } from '../lib/cli/arguments.ts';
import { encodeExamples, readExamples } from '../lib/data/index.ts';
import { completeOptimizerSettings, createOptimizer, type OptimizerName } from '../lib/run/optimizer-choice.ts';
import { defaultEpochs, methodOfRun } from '../lib/run/run-defaults.ts';
import { TorchLM } from '../lib/torch/index.ts';
import { completeCurvatureOptions } from '../lib/unlearn/curvature.ts';
import { descend } from '../lib/unlearn/descend.ts';
import type { StepEvent } from '../lib/unlearn/events.ts';
import { costOf, type StepCost } from './second-order-cost.ts';

interface Options {
  model: string;
  forget: string;
  retain: string;
  method: 'graddiff' | 'npo';
  steps: number;
  batchSize: number;
  dtype: 'f32' | 'bf16';
  threads?: number;
  source: 'auto' | 'separate';
}

/** So small that the model stays as it is, whichever optimizer steps; steps take as long as others. */
const learningRate = 1e-9;
const longest = 512;

const command = new Command('npm run bench:second-order --')
  .description(
    'Steps of Sophia beside steps of AdamW on the same batches, in turn on one model, with the defaults of runs.',
  )
  .requiredOption('--model <folder>', 'a Hugging Face model')
  .requiredOption('--forget <file>', 'examples to forget, as `soul unlearn` reads them')
  .requiredOption('--retain <file>', 'examples to keep')
  .option('--method <name>', 'graddiff or npo', 'graddiff')
  .option('--steps <n>', 'steps of each; at least 12, so that there are two estimates', integer({ low: 12 }), 200)
  .option('--batch-size <n>', 'examples to forget a step, and as many to keep', integer(), 8)
  .option('--dtype <name>', 'f32 or bf16', 'f32')
  .option('--threads <n>', 'threads of libtorch; by default all', integer())
  .option('--source <kind>', "curvature.source of the run: 'auto' or 'separate'", 'auto')
  .parse();

const options = command.opts<Options>();
const { model, tokenizer } = await TorchLM.loadWithTokenizer(options.model, {
  dtype: options.dtype,
  ...(options.threads === undefined ? {} : { threads: options.threads }),
});
const maximumLength = Math.min(longest, model.maximumLength);
const encoded = async (file: string) =>
  encodeExamples(tokenizer, (await readExamples(file)).items, { maximumLength }).encoded;
const sets = { target: await encoded(options.forget), retain: await encoded(options.retain) };

const { batchSize, steps, source } = options;
const descents = (['adamw', 'sophia'] as const).map((name) => descent(name));
const costs: StepCost[] = [];
for (let step = 0; step < steps; step++) {
  const seconds: Record<string, StepEvent> = {};
  // Each goes first every other time.
  for (const which of step % 2 === 0 ? [0, 1] : [1, 0]) {
    const { name, events } = descents[which]!;
    let next = await events.next();
    while (!next.done && next.value.kind !== 'step') next = await events.next();
    if (next.done) throw new Error(`${name} ended after ${step} of ${steps} steps`);
    seconds[name] = next.value as StepEvent;
  }
  const { adamw, sophia } = seconds as Record<OptimizerName, StepEvent>;
  costs.push({
    first: adamw.seconds,
    second: sophia.seconds,
    ...(sophia.curvature ? { estimate: sophia.curvature } : {}),
  });
}
for (const { events } of descents) await events.return(undefined as never);
model.release();

const { every } = completeCurvatureOptions({});
const stepsOfRun =
  defaultEpochs({ name: options.method }, Math.ceil(sets.target.length / batchSize)) *
  Math.ceil(sets.target.length / batchSize);
process.stdout.write(`${JSON.stringify({ steps, ...costOf(costs, every, stepsOfRun) }, undefined, 2)}\n`);

function descent(name: OptimizerName) {
  const settings = { ...completeOptimizerSettings(name, {}), learningRate };
  const optimizer = createOptimizer(name, model.parameters, settings, { seed: 0n });
  const curvature = name === 'sophia' ? { curvature: { source } } : {};
  return {
    name,
    events: descend({ model, optimizer, sets, seed: 0n }, methodOfRun(options.method), {
      steps,
      batchSize,
      ...curvature,
    }),
  };
}
