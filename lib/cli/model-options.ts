/**
 * How the commands that take a model folder load it.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { recordDevice } from '../core/devices.ts';
import type { ModelLoader } from '../run/runnable-model.ts';
import { installedEngine } from '../torch/engine.ts';
import { engineThreads, TorchLM } from '../torch/torch-lm.ts';
import { integerAtLeast } from './arguments.ts';
import { chooseDevice, type DeviceChoice, deviceName, type WantedDevice } from './device-choice.ts';

export interface ModelOptions {
  device: WantedDevice;
  dtype: 'f32' | 'bf16';
  threads?: number;
}

/** How models are loaded in one run of a command. */
export interface Loading extends DeviceChoice {
  readonly load: ModelLoader;
  /** Device, the reason for it, what the GPU is where it is one, and dtype, as results name them. */
  readonly shown: Readonly<Record<string, unknown>>;
  /** For the record of the run. */
  readonly record: Record<string, unknown>;
}

export function addModelOptions(command: Command): Command {
  return command
    .requiredOption('--model <folder>', 'Hugging Face folder: config.json, safetensors, tokenizer.json')
    .addOption(
      new Option(
        '--device <name>',
        'where the model runs: cpu, cuda, cuda:N, or auto, the first GPU that can be used and else the CPU',
      )
        .argParser(deviceName)
        .default('auto' satisfies WantedDevice),
    )
    .addOption(new Option('--dtype <name>', 'what its weights are held in').choices(['f32', 'bf16']).default('f32'))
    .option('--threads <number>', 'threads of the engine on the CPU (default: all cores)', integerAtLeast(1));
}

/**
 * Decides where models run.
 *
 * @throws SoulError of {@link chooseDevice}
 */
export function decideLoading({ device: wanted, dtype, threads }: ModelOptions): Loading {
  const { device, reason } = chooseDevice(wanted);
  return {
    device,
    reason,
    load: (folder) => TorchLM.load(folder, { device, dtype, ...(threads === undefined ? {} : { threads }) }),
    shown: { ...shownDevice({ device, reason }), dtype },
    record: {
      device,
      deviceReason: reason,
      dtype,
      threads: threads ?? engineThreads(),
      engine: `libtorch ${installedEngine()?.torchVersion ?? 'not installed'}`,
    },
  };
}

/** The device, the reason for it, and what the GPU is where it is one, as results name them. */
export function shownDevice({ device, reason }: DeviceChoice): Record<string, unknown> {
  const gpu = recordDevice(device);
  return { device, deviceReason: reason, ...(gpu ? { gpu } : {}) };
}

/** The line about the device that stands above a command's progress. */
export function deviceLine({ device, reason }: DeviceChoice): string {
  return `device: ${device} (${reason})`;
}
