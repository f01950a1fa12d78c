/**
 * How the commands that take a model folder load it.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { type Device, recordDevice } from '../core/devices.ts';
import { withoutUndefined } from '../core/optional.ts';
import { isAdapterFolder } from '../model/adapter/adapter-folder.ts';
import { adapterLayout } from '../model/adapter/adapter-layout.ts';
import { plannedModel } from '../model/adapter/planned-model.ts';
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
  /** Of commands that look at models: the folder of the model that a folder of adapters belongs to. */
  base?: string;
}

/** How models are loaded in one run of a command. */
export interface Loading extends DeviceChoice {
  readonly load: ModelLoader;
  /** A model with its adapters folded in, as {@link load} else. */
  readonly loadMerged: ModelLoader;
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
        'memory that the logits of a part of a batch may take (default: 67108864 on the CPU, 1073741824 on a GPU, half of it with adapters)',
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
  const { base } = options;
  const choice = chooseDevice(wanted);
  const { device, reason } = choice;
  nativeEngine();
  const used = threads ?? engineThreads();
  const held = { device, dtype, checkpointActivations, ...withoutUndefined({ logitsMemory }) };
  const load = async (folder: string, options?: ModelLoaderOptions) => {
    // Of several models those with adapters have it.
    const ofAdapters = base !== undefined && (await isAdapterFolder(folder)) ? { base } : {};
    return TorchLM.load(folder, { ...ofAdapters, ...options, ...held, ...withoutUndefined({ threads }) });
  };
  return {
    ...choice,
    threads: used,
    load: Object.assign(load, { memory: modelMemory(held) }),
    loadMerged: async (folder, options) => {
      const model = await load(folder, options);
      if (model.adapter === undefined) return model;
      try {
        return await model.merged();
      } finally {
        model.release();
      }
    },
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
  return async (folder, passes, adapters = {}) => {
    const { config, adapter, isFresh } = await plannedModel(folder, adapters);
    const pass = passes
      .map((each) => passMemory(config, each, { ...options, adapter }))
      .reduce((most, each) => (each.activations + each.work > most.activations + most.work ? each : most));
    const { device, dtype } = options;
    const { length } = parameterLayout(config);
    const facts = { device, dtype, layers: config.layers, pass };
    if (adapter === undefined) return { ...facts, elements: length };
    const layout = adapterLayout(config, adapter);
    return { ...facts, elements: layout.length, frozen: length, adapters: { isFresh, layout } };
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
