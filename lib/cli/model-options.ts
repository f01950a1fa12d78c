/**
 * How the commands that take a model folder load it.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { type Device, recordDevice } from '../core/devices.ts';
import { withoutUndefined } from '../core/optional.ts';
import { readModelConfig } from '../model/config.ts';
import { parameterLayout } from '../model/decoder-weights.ts';
import type { ModelLoader, ModelLoaderOptions } from '../run/runnable-model.ts';
import { installedEngine, nativeEngine } from '../torch/engine.ts';
import { engineThreads } from '../torch/load-options.ts';
import { type PassMemoryOptions, passMemory } from '../torch/pass-memory.ts';
import { TorchLM } from '../torch/torch-lm.ts';
import { integer } from './arguments.ts';
import { chooseDevice, type DeviceChoice, deviceName, type WantedDevice } from './device-choice.ts';
import { choiceOption } from './options.ts';

export interface ModelOptions {
  /** Default 'auto'. */
  device?: WantedDevice;
  /** Default 'f32'. */
  dtype?: 'f32' | 'bf16';
  threads?: number;
  /** Bytes. */
  logitsMemory?: number;
  /** Of commands that compute gradients; default false. */
  checkpointActivations?: boolean;
}

/** How models are loaded in one run of a command. */
export interface Loading extends DeviceChoice {
  readonly load: ModelLoader;
  /** Of the engine on the CPU. */
  readonly threads: number;
  /** Device, the reason for it, what the GPU is where it is one, and dtype, as results name them. */
  readonly shown: Readonly<Record<string, unknown>>;
  /** For the record of the run. */
  readonly record: Record<string, unknown>;
}

export function threadsOption(description: string): Option {
  return new Option('--threads <number>', description).argParser(integer({ high: 4096 }));
}

/** Adds the options that say where and how a model is held. */
export function addLoadingOptions(command: Command): Command {
  return command
    .optionsGroup('Where the model runs:')
    .addOption(
      new Option(
        '--device <name>',
        'cpu, cuda (the first GPU), cuda:N (GPU number N), or auto: a GPU if one can be used, else the CPU (default: auto)',
      ).argParser(deviceName),
    )
    .addOption(
      choiceOption(
        '--dtype <name>',
        'number format of the weights; bf16 takes half the memory, on CPUs with AMX or AVX512-BF16 less time too, on others more (default: f32)',
        ['f32', 'bf16'],
      ),
    )
    .addOption(threadsOption('threads on the CPU (default: all that this process may use)'))
    .addOption(
      new Option(
        '--logits-memory <bytes>',
        'memory that the logits of a part of a batch may take (default: 67108864 on the CPU, 1073741824 on a GPU)',
      ).argParser(integer()),
    );
}

export function checkpointActivationsOption(): Option {
  return new Option(
    '--checkpoint-activations',
    'keep the inputs of layers alone and compute each layer again for its gradient: less memory, about a third more time',
  );
}

/**
 * Decides where models run, and loads the engine that runs them: without one nothing else needs to be read.
 *
 * @throws SoulError of {@link chooseDevice} and {@link nativeEngine}
 */
export function decideLoading(options: ModelOptions): Loading {
  const { device: wanted = 'auto', dtype = 'f32', threads, logitsMemory, checkpointActivations = false } = options;
  const choice = chooseDevice(wanted);
  const { device, reason } = choice;
  nativeEngine();
  const used = threads ?? engineThreads();
  const held = { device, dtype, checkpointActivations, ...withoutUndefined({ logitsMemory }) };
  return {
    ...choice,
    threads: used,
    load: Object.assign(
      (folder: string, options?: ModelLoaderOptions) =>
        TorchLM.load(folder, { ...options, ...held, ...withoutUndefined({ threads }) }),
      { memory: modelMemory(held) },
    ),
    shown: { ...shownDevice(choice), dtype },
    record: {
      device,
      deviceReason: reason,
      dtype,
      threads: used,
      ...withoutUndefined({ logitsMemory }),
      ...(checkpointActivations ? { checkpointActivations } : {}),
      engine: `libtorch ${installedEngine()?.torchVersion ?? 'not installed'}`,
    },
  };
}

/** What a model would take that is held so. */
export function modelMemory(options: PassMemoryOptions & { device: Device }): NonNullable<ModelLoader['memory']> {
  return async (folder, passes) => {
    const config = await readModelConfig(folder);
    const pass = passes
      .map((each) => passMemory(config, each, options))
      .reduce((most, each) => (each.activations + each.work > most.activations + most.work ? each : most));
    const { device, dtype } = options;
    return { device, dtype, layers: config.layers, elements: parameterLayout(config).length, pass };
  };
}

/** The device, the reason for it, and what the GPU is where it is one, as results name them. */
export function shownDevice({ device, reason }: DeviceChoice): Record<string, unknown> {
  const gpu = recordDevice(device);
  return { device, deviceReason: reason, ...(gpu ? { gpu } : {}) };
}

/** The line about the device that stands above a command's progress; it speaks of GPUs only where there is one. */
export function deviceLine(choice: DeviceChoice & { threads: number }): string {
  const { device, threads, reason, passedOver } = choice;
  const what = recordDevice(device)?.model ?? `${threads} thread${threads === 1 ? '' : 's'}`;
  return `device: ${device}, ${what}${passedOver ? ` (${reason})` : ''}`;
}
