/**
 * What a device's memory can do: a copy between two large buffers.
 *
 * @module
 */

import { nativeAddon } from '../lib/core/addon.ts';
import { nativeMemory } from '../lib/core/flat-buffer.ts';
import { filledBuffer } from './cases/memory.ts';
import { type Contestant, inTurn, spreadOf, type TurnOptions } from './measure.ts';
import type { Place } from './place.ts';
import type { CopyMeasurement } from './results.ts';

export interface DeviceCopy {
  readonly measurement: CopyMeasurement;
  /** Bytes of both buffers. */
  readonly residentBytes: number;
  /** The better copy, whose turn gives the nanoseconds that it would take to move so many bytes. */
  contestant(bytes: number): Contestant;
  release(): Promise<void>;
}

/** Bytes that a copy moves for each float32: one read and one write. */
const bytesPerElement = 8;

/**
 * Measures a copy in two ways: with the addon's plain loop, and with the driver's own copy. The faster one is "the copy".
 *
 * @param elements of float32 in each of two buffers, which stay until `release`
 */
export async function deviceCopy(place: Place, elements: number, options: TurnOptions): Promise<DeviceCopy> {
  const addon = nativeAddon();
  const buffers = [
    await filledBuffer(elements, 'f32', 1, place.device),
    await filledBuffer(elements, 'f32', 1, place.device),
  ];
  const [source, target] = buffers.map((buffer) => nativeMemory(buffer, 'buffer'));
  const loop: Contestant = { turn: () => place.measure(() => addon.streamPattern([source!], [target!])) };
  const driver: Contestant = { turn: () => place.measure(() => addon.copy(target!, source!)) };
  const [loopTimes, driverTimes] = await inTurn([loop, driver], options);
  const measurement = {
    bytes: bytesPerElement * elements,
    loop: spreadOf(loopTimes!),
    driver: spreadOf(driverTimes!),
  };
  const better = measurement.loop.median <= measurement.driver.median ? loop : driver;
  return {
    measurement,
    residentBytes: measurement.bytes,
    contestant: (bytes) => ({ turn: async () => (await better.turn()) * (bytes / measurement.bytes) }),
    async release() {
      await Promise.all(buffers.map((buffer) => buffer.release()));
    },
  };
}
