/**
 * Arithmetic on every element of flat buffers in JavaScript, for what is done once and has no kernel.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from './cancellation.ts';
import { checkInteger } from './checks.ts';
import { checkSameLength, FlatBuffer, nativeMemory, otherDtype } from './flat-buffer.ts';
import { cast } from './vector-operations.ts';

/** Elements in host memory at a time, of each buffer. */
const chunkLength = 2 ** 20;

export interface WalkOptions extends Cancellable {
  /** Which buffers take back what `visit` leaves in its arrays; none by default. */
  writes?: readonly number[];
}

/**
 * Walks through buffers of one length side by side, whatever their dtype (`f32` or `bf16`) and device; work on them that was called
 * before comes first.
 *
 * @param visit gets the elements of each buffer from `start` on, as float32; it may change those of buffers that are written
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_CANCELLED by `options.signal`, between two chunks
 */
export async function walkElements(
  buffers: readonly FlatBuffer[],
  visit: (elements: Float32Array[], start: number) => void,
  options: WalkOptions = {},
): Promise<void> {
  if (buffers.length === 0) return;
  for (const [i, buffer] of buffers.entries()) {
    nativeMemory(buffer, `buffers[${i}]`);
    if (buffer.dtype === 'u8') throw otherDtype(`buffers[${i}]`, 'f32 or bf16', buffer.dtype);
    checkSameLength(`buffers[${i}]`, buffer.length, buffers[0]!.length);
  }
  const { length: whole } = buffers[0]!;
  for (const i of options.writes ?? []) checkInteger('writes', i, { low: 0, high: buffers.length - 1 });
  const staging = buffers.map(() => FlatBuffer.alloc(Math.min(chunkLength, whole)));
  for (let start = 0; start < whole; start += chunkLength) {
    throwIfCancelled(options.signal, `a walk over the weights was cancelled after ${start} of ${whole}`);
    const length = Math.min(chunkLength, whole - start);
    const staged = staging.map((buffer) => buffer.view(0, length));
    const parts = buffers.map((buffer) => buffer.view(start, length));
    await Promise.all(parts.map((part, i) => cast(part, staged[i]!)));
    visit(
      staged.map(({ array }) => array),
      start,
    );
    for (const i of options.writes ?? []) await cast(staged[i]!, parts[i]!);
  }
}
