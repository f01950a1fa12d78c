/**
 * Where a benchmark runs: the processor, or a CUDA device; and how time is taken there.
 *
 * @module
 */

import { nativeAddon } from '../lib/core/addon.ts';
import { type CudaDevice, type Device, describeDevices, ordinalOf } from '../lib/core/devices.ts';
import { SoulError } from '../lib/core/errors.ts';
import { nativeMemory } from '../lib/core/flat-buffer.ts';
import { filledBuffer } from './cases/memory.ts';
import { nanosecondsOf, type TurnOptions } from './measure.ts';

export interface Place {
  readonly device: Device;
  /** Nanoseconds of what `run` calls: until it has resolved, or of the device's own time between begin and end. */
  measure(run: () => Promise<unknown>): Promise<number>;
  /** Bytes that the buffers of a case may take at present. */
  usableMemory(): number;
  release(): Promise<void>;
}

/** Of the memory that is free, what buffers may take. */
const usableShare = 0.85;

/** The processor, with the caches as they are. */
export function hostPlace(): Place {
  return {
    device: 'cpu',
    measure: nanosecondsOf,
    usableMemory: () => process.availableMemory() * usableShare,
    release: async () => {},
  };
}

/**
 * A CUDA device. Before each timed call `flushBytes` of other memory are read, so that caches hold nothing of the call's,
 * nor anything that is still to be written back; meanwhile the host enqueues the call, whose own cost does not count.
 *
 * @param flushBytes several times the device's largest cache; 0: caches stay as they are
 * @throws SoulError SOUL_UNSUPPORTED where the device cannot be used, SOUL_OUT_OF_MEMORY
 */
export async function devicePlace(device: Device, flushBytes: number): Promise<Place> {
  const addon = nativeAddon();
  const { memory } = usableDevice(device);
  const ordinal = ordinalOf(device);
  const flush = flushBytes === 0 ? undefined : await filledBuffer(Math.ceil(flushBytes / 4), 'f32', 1, device);
  const flushMemory = flush && nativeMemory(flush, 'flush');
  return {
    device,
    async measure(run) {
      const flushed = flushMemory && addon.streamPattern([flushMemory], []);
      const begin = addon.deviceTime(ordinal);
      const done = run();
      const end = addon.deviceTime(ordinal);
      const [[begun], [ended]] = await Promise.all([begin, end, done, flushed]);
      return (ended! - begun!) * 1e6;
    },
    usableMemory: () => memory * usableShare - flushBytes,
    release: async () => flush?.release(),
  };
}

/** A device that was asked for and can be used. */
export function usableDevice(device: Device): CudaDevice {
  const { problem, devices } = describeDevices().cuda;
  const found = devices.find(({ name }) => name === device);
  if (problem === undefined && found) return found;
  const shown = devices.map(({ name }) => name).join(', ') || 'no CUDA device';
  throw new SoulError('SOUL_UNSUPPORTED', problem ?? `--device ${device}: this machine has ${shown}`, {
    argument: '--device',
    found: device,
  });
}

/** Turns on a device are short and alike: few are enough. */
export function turnOptions(device: Device, seconds: number): TurnOptions {
  return device === 'cpu' ? { seconds } : { seconds, fewestRounds: 7, mostRounds: 30 };
}
