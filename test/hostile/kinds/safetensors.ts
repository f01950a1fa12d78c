/**
 * Safetensors files: every tensor that the header names is read and compared with the file's bytes.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSafetensors } from '../../../lib/core/safetensors.ts';
import type { Draw } from '../draw.ts';
import { type HostileKind, holds } from '../property.ts';
import { type HeaderEntry, hostileSafetensors, tensorsIn } from '../safetensors-mutations.ts';

const bytesOf = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;
type DType = keyof typeof bytesOf;
const dtypes = Object.keys(bytesOf) as DType[];

/** A few tensors of any shape, one after the other. */
function someTensors(draw: Draw): { entries: HeaderEntry[]; metadata: unknown; data: Uint8Array } {
  let end = 0;
  const entries = Array.from({ length: draw.integer(5) }, (_, i): HeaderEntry => {
    const dtype = draw.of(dtypes);
    const shape = Array.from({ length: draw.integer(4) }, () => draw.integer(4));
    const begin = end;
    end += bytesOf[dtype] * shape.reduce((a, b) => a * b, 1);
    return { name: `layer.${i}.weight`, dtype, shape: shape.map(String), offsets: [String(begin), String(end)] };
  });
  return { entries, metadata: draw.once(2) ? { format: 'pt', step: '3' } : undefined, data: draw.bytes(end) };
}

export const safetensors: HostileKind = {
  name: 'safetensors',
  async prepare(folder) {
    const path = join(folder, 'file.safetensors');
    return async (draw) => {
      const { bytes, isWhole } = hostileSafetensors(someTensors(draw), draw);
      writeFileSync(path, bytes);
      const file = await openSafetensors(path).catch((error) => {
        holds(!isWhole, `a whole file is refused: ${error}`);
        throw error;
      });
      try {
        const expected = tensorsIn(bytes);
        holds(file.tensors.size === expected.tensors.size, 'another number of tensors');
        let total = 0;
        for (const [name, { dtype, shape, data }] of expected.tensors) {
          const tensor = file.tensors.get(name);
          holds(tensor !== undefined, `${name} is not there`);
          holds(tensor.dtype === dtype && `${tensor.shape}` === `${shape}`, `${name} is another`);
          const read = await file.read(name);
          holds(Buffer.compare(read, data) === 0, `${name} has other bytes`);
          total += data.length;
        }
        const headerBytes = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
        holds(total + 8 + Number(headerBytes) === bytes.length, 'bytes of no tensor, or of two');
        const metadata = Object.entries(expected.metadata);
        holds(metadata.length === Object.keys(file.metadata).length, 'other metadata');
        for (const [key, text] of metadata)
          holds(Object.getOwnPropertyDescriptor(file.metadata, key)?.value === text, key);
      } finally {
        await file.close();
      }
    };
  },
};
