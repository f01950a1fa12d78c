/**
 * How the commands that take a model folder load it.
 *
 * @module
 */

import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import type { ModelLoader } from '../study/runnable-model.ts';
import { installedEngine } from '../torch/engine.ts';
import { TorchLM } from '../torch/torch-lm.ts';
import { integerAtLeast } from './arguments.ts';

export interface ModelOptions {
  device: 'cpu';
  dtype: 'f32';
  threads?: number;
}

export function addModelOptions(command: Command): Command {
  return command
    .requiredOption('--model <folder>', 'Hugging Face folder: config.json, safetensors, tokenizer.json')
    .addOption(new Option('--device <name>', 'where the model runs').choices(['cpu']).default('cpu'))
    .addOption(new Option('--dtype <name>', 'what its weights are held in').choices(['f32']).default('f32'))
    .option('--threads <number>', 'threads of the engine (default: all cores)', integerAtLeast(1));
}

export function modelLoader(options: ModelOptions): ModelLoader {
  const { device, dtype, threads } = options;
  return (folder) => TorchLM.load(folder, { device, dtype, ...(threads === undefined ? {} : { threads }) });
}

/** How a model is loaded and by what, for the record of a run. */
export function loadRecord({ device, dtype, threads }: ModelOptions): Record<string, unknown> {
  return {
    device,
    dtype,
    threads: threads ?? availableParallelism(),
    engine: `libtorch ${installedEngine()?.torchVersion ?? 'not installed'}`,
  };
}
