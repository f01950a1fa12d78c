/**
 * The memory of a checkpoint as a safetensors file: a tensor of one dimension a buffer, every bit of it.
 *
 * @module
 */

import { SoulError, shortName } from '../../core/errors.ts';
import type { DType, FlatBuffer } from '../../core/flat-buffer.ts';
import { fillFromHost, hostPieces } from '../../core/host-pieces.ts';
import { openSafetensors, type SafetensorsDType, writeSafetensors } from '../../core/safetensors.ts';
import { elementCount } from '../../core/shape.ts';
import type { KeptProgress, Progress } from '../../unlearn/journal.ts';

const tensorTypes: Readonly<Record<DType, SafetensorsDType>> = { f32: 'F32', bf16: 'BF16', f16: 'F16', u8: 'U8' };

/**
 * Writes buffers of any device and flushes them to the disk; no more than 16 MiB at a time are copied.
 *
 * @throws SoulError of {@link writeSafetensors}
 */
export async function writeBuffers(path: string, buffers: Progress['buffers']): Promise<void> {
  const tensors = Object.entries(buffers).map(([name, buffer]) => ({
    name,
    dtype: tensorTypes[dtypeOf(buffer)],
    shape: [buffer.length],
    data: isArray(buffer) ? buffer : () => hostPieces(buffer),
  }));
  await writeSafetensors(path, tensors, { format: 'soul-unlearn checkpoint' });
}

/**
 * Opens such a file, for {@link KeptProgress}.
 *
 * @throws SoulError of {@link openSafetensors}
 */
export async function readBuffers(path: string): Promise<Pick<KeptProgress, 'readInto' | 'lengthOf'>> {
  const file = await openSafetensors(path);
  const { tensors } = file;
  await file.close();
  return {
    lengthOf: (name) => {
      const tensor = tensors.get(name);
      return tensor && elementCount(tensor.shape);
    },
    async readInto(name, target) {
      const tensor = tensors.get(name);
      const type = tensorTypes[dtypeOf(target)];
      if (tensor?.dtype !== type || elementCount(tensor.shape) !== target.length) {
        const found = tensor ? `${tensor.dtype} of ${elementCount(tensor.shape)}` : 'not there';
        throw new SoulError(
          'SOUL_BAD_FILE',
          `${path}: ${shortName(name)} must be ${type} of ${target.length} elements, but is ${found}`,
          { path, name },
        );
      }
      const source = await openSafetensors(path);
      try {
        if (isArray(target)) await source.readInto(name, target);
        else
          await fillFromHost(target, (piece, start) => source.readPart(name, start * piece.BYTES_PER_ELEMENT, piece));
      } finally {
        await source.close();
      }
    },
  };
}

function isArray(buffer: FlatBuffer | Float32Array): buffer is Float32Array {
  return ArrayBuffer.isView(buffer);
}

function dtypeOf(buffer: FlatBuffer | Float32Array): DType {
  return isArray(buffer) ? 'f32' : buffer.dtype;
}
