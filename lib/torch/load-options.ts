/**
 * How a model is loaded: the options, their defaults, and the engine for them.
 *
 * @module
 */

import { checkSignal } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { checkDevice, type Device, type DeviceName } from '../core/devices.ts';
import { invalidArgument } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { usableProcessors } from '../core/processors.ts';
import type { AdapterOptions } from '../model/adapter/adapter-config.ts';
import type { WeightDType } from '../model/checkpoint.ts';
import { nativeEngine, requireCudaEngine } from './engine.ts';

export interface LoadOptions<Kind extends WeightDType = WeightDType> {
  /** Where the model runs and its parameters lie, default `'cpu'`; `'cuda'` is `'cuda:0'`. */
  device?: DeviceName;
  /**
   * What parameters and gradients are held in, default `'f32'`; weights of a file are widened or rounded to it. With
   * `'bf16'` products are computed in it too, as transformers does; losses are float32.
   */
  dtype?: Kind;
  /** Threads of libtorch on the CPU. Default {@link engineThreads}. */
  threads?: number;
  /**
   * Bytes that the logits of one chunk may take; default 64 MiB on the CPU and 1 GiB on a GPU, where each chunk reads the
   * whole output matrix and adds to its whole gradient, and half of it with adapters. The whole logit matrix is never held.
   */
  logitsMemory?: number;
  /**
   * A pass that can be pulled back keeps the inputs of layers alone, and computes each layer again when it is: less memory, for about
   * a third more time. Default false.
   */
  checkpointActivations?: boolean;
  /**
   * Fresh adapters, which train in place of the model's weights: those are frozen and have no gradients. Of a model that has none; a folder
   * of adapters is loaded with its own.
   */
  adapter?: AdapterOptions;
  /** The folder of the model that a folder of adapters belongs to; default what its adapter_config.json names. */
  base?: string;
  /** Ends the loading with SOUL_CANCELLED, between two tensors. */
  signal?: AbortSignal;
  /** Told of what in a folder's weights is unusual and what was made of it: names of a wrapper, tensors that are not read. */
  onNote?: (note: string) => void;
}

const loadOptionNames = [
  'device',
  'dtype',
  'threads',
  'logitsMemory',
  'checkpointActivations',
  'adapter',
  'base',
  'signal',
  'onNote',
] as const satisfies readonly (keyof LoadOptions)[];

/** Options with defaults filled in. */
export interface CheckedOptions<Kind extends WeightDType> {
  readonly device: Device;
  readonly dtype: Kind;
  readonly threads: number;
  /** Absent: the default for what the model turns out to be. */
  readonly logitsMemory?: number;
  readonly checkpointActivations: boolean;
  readonly adapter?: AdapterOptions;
  readonly base?: string;
  readonly signal?: AbortSignal;
  readonly onNote?: (note: string) => void;
}

/** Threads of libtorch by default: OMP_NUM_THREADS, as everywhere in libtorch, else the processors that this process may use. */
export function engineThreads(): number {
  const wanted = Number(process.env.OMP_NUM_THREADS);
  return Number.isInteger(wanted) && wanted >= 1 && wanted <= 4096 ? wanted : usableProcessors();
}

/**
 * Checks options and loads the engine.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_ENGINE_MISSING, SOUL_UNSUPPORTED
 */
export function prepareLoading<Kind extends WeightDType>(options: LoadOptions<Kind>): CheckedOptions<Kind> {
  checkNames('options', options, loadOptionNames);
  const device = checkDevice('device', options.device ?? 'cpu');
  const { dtype = 'f32' as Kind, threads = engineThreads(), checkpointActivations = false } = options;
  if (dtype !== 'f32' && dtype !== 'bf16') throw invalidArgument('dtype', "'f32' or 'bf16'", dtype);
  if (options.threads !== undefined) checkInteger('threads', threads, { high: 4096 });
  if (options.logitsMemory !== undefined) checkInteger('logitsMemory', options.logitsMemory, { why: 'in bytes' });
  if (typeof checkpointActivations !== 'boolean') {
    throw invalidArgument('checkpointActivations', 'true or false', checkpointActivations);
  }
  const signal = checkSignal('signal', options.signal);
  const { logitsMemory, onNote, adapter, base } = options;
  if (base !== undefined && (typeof base !== 'string' || base === '')) throw invalidArgument('base', 'a path', base);
  if (onNote !== undefined && typeof onNote !== 'function') throw invalidArgument('onNote', 'a function', onNote);
  if (device === 'cpu') nativeEngine();
  else requireCudaEngine(device);
  return {
    ...{ device, dtype, threads, checkpointActivations },
    ...withoutUndefined({ logitsMemory, adapter, base, signal, onNote }),
  };
}
