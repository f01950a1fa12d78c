/**
 * Memory by address and streams by handle: what cannot be checked, kept apart from what can.
 *
 * @module
 */

import { nativeAddon } from './core/addon.ts';
import { checkCudaDevice, type DeviceName, ordinalOf } from './core/devices.ts';
import { invalidArgument, SoulError } from './core/errors.ts';
import {
  adoptMemory,
  checkKind,
  checkLength,
  type DType,
  type FlatBuffer,
  type FlatBufferOptions,
  kindNames,
  nativeMemory,
} from './core/flat-buffer.ts';
import { checkNames } from './core/option-names.ts';

export interface PointerOptions<Kind extends DType = DType> extends FlatBufferOptions<Kind> {
  /** Address of the first element; not null, and aligned to the dtype's size. */
  pointer: bigint;
  /** Number of elements. */
  length: number;
  /** What owns the memory; kept alive as long as the buffer, its views or work on them are. */
  owner?: unknown;
}

const pointerNames = [...kindNames, 'pointer', 'length', 'owner'] as const satisfies readonly (keyof PointerOptions)[];

/**
 * A buffer on memory that another trainer owns, on the CPU or on a CUDA device.
 *
 * Null, misaligned and overflowing addresses are refused, and on a CUDA device memory of which the driver knows that it is
 * another's, not a device's, or shorter. That CPU memory is really there, of that length, and that all memory stays until the
 * buffer is released and the promise of `release()` resolved, is the caller's word: a wrong one breaks the process.
 *
 * Work on a device's memory goes to its default stream, or to the one of {@link useStream}: whoever writes to the memory on
 * another stream must let one wait for the other.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_UNSUPPORTED also where the device cannot be used
 *
 * @example
 * const values = fromPointer({ pointer: BigInt(tensorDataPtr), length: 4096, dtype: 'bf16', device: 'cuda:0', owner: tensor });
 */
export function fromPointer<Kind extends DType = 'f32'>(options: PointerOptions<Kind>): FlatBuffer<Kind> {
  checkNames('options', options, pointerNames);
  const { dtype, device } = checkKind(options);
  checkLength(options.length, 'length');
  if (typeof options.pointer !== 'bigint') throw invalidArgument('pointer', 'a bigint', options.pointer);
  const memory = nativeAddon().fromPointer(
    options.pointer,
    options.length,
    dtype as Exclude<Kind, 'f16'>,
    ordinalOf(device),
  );
  return adoptMemory(memory, options.length, dtype, device, options.owner);
}

/**
 * The address of a buffer's first element, for other libraries; of a CUDA device's memory one that only the device can read.
 *
 * It holds until the buffer is released, or the array that it stands on is taken away: keep the buffer. What is done with it
 * takes no turn in the order of the calls: await what was called before, and on a device use the same stream.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_RELEASED, SOUL_DETACHED
 */
export function pointerOf(buffer: FlatBuffer): bigint {
  return nativeAddon().describe(nativeMemory(buffer, 'buffer')).address;
}

/** CU_STREAM_PER_THREAD of the driver's interface. */
const perThreadStream = 2n;

export interface StreamOptions {
  /** A CUDA device. */
  device: DeviceName;
  /**
   * A `CUstream` (or `cudaStream_t`, which is the same) of that device's primary context; 0n: its default stream. The stream
   * that stands for another one on each thread (CU_STREAM_PER_THREAD) has no order between threads, and is refused.
   */
  stream: bigint;
}

/**
 * From here on this environment's work on a device goes to the caller's stream, after what went to the one before; so it
 * keeps the order with kernels that the caller launches there, and needs no event between them.
 *
 * That the stream is one, of this device, and stays until another has taken its place and the promise of that call has
 * resolved, is the caller's word: a wrong one breaks the process.
 *
 * @returns when work that was called before is done
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_UNSUPPORTED where the device cannot be used
 *
 * @example
 * await useStream({ device: 'cuda:0', stream: trainer.streamHandle });
 */
export async function useStream(options: StreamOptions): Promise<void> {
  checkNames('options', options, ['device', 'stream']);
  const device = checkCudaDevice('device', options.device);
  const { stream } = options;
  if (typeof stream !== 'bigint' || BigInt.asUintN(64, stream) !== stream) {
    throw invalidArgument('stream', 'a bigint, the handle of a CUDA stream, or 0n', stream);
  }
  if (stream === perThreadStream) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      'stream is CU_STREAM_PER_THREAD, which is another stream on each of the threads that enqueue work here; give a stream of its own handle, or 0n',
      { argument: 'stream', found: stream },
    );
  }
  return nativeAddon().useStream(ordinalOf(device), stream);
}
