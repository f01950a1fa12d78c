/**
 * A journal for tests that keeps progress in memory, as copies of every bit.
 *
 * @module
 */

import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import type { Json } from '../../lib/core/json.ts';
import type { Journal, KeptProgress, Progress, RestPlace } from '../../lib/unlearn/journal.ts';

/** Progress as another process would find it. */
export interface Copied {
  state: Json;
  readonly buffers: Map<string, { readonly dtype: string; readonly bits: Uint8Array }>;
}

export class MemoryJournal implements Journal {
  readonly kept?: KeptProgress;
  readonly places: RestPlace[] = [];
  readonly copies: Copied[] = [];
  /** Names of the buffers that were read, in order. */
  readonly read: string[] = [];
  readonly #onRest: (index: number, place: RestPlace) => 'go on' | 'end';

  /** @param onRest called behind each rest with its number from 0, when its progress was copied; may throw */
  constructor(kept?: Copied, onRest: (index: number, place: RestPlace) => 'go on' | 'end' = () => 'go on') {
    if (kept) this.kept = this.#keptOf(kept);
    this.#onRest = onRest;
  }

  async rest(place: RestPlace, progress: () => Progress): Promise<'go on' | 'end'> {
    const index = this.places.length;
    this.places.push(place);
    this.copies.push(copyOf(progress()));
    return this.#onRest(index, place);
  }

  #keptOf({ state, buffers }: Copied): KeptProgress {
    return {
      state,
      lengthOf: (name) => {
        const found = buffers.get(name);
        return found && found.bits.length / bytesOf[found.dtype]!;
      },
      readInto: async (name, target) => {
        this.read.push(name);
        const { dtype, bits } = buffers.get(name)!;
        if (dtype !== dtypeOf(target)) throw new Error(`${name} was ${dtype}, and is read into ${dtypeOf(target)}`);
        bitsOf(target).set(bits);
      },
    };
  }
}

const bytesOf: Readonly<Record<string, number>> = { f32: 4, bf16: 2, u8: 1, array: 4 };

const dtypeOf = (memory: FlatBuffer | Float32Array) => (memory instanceof FlatBuffer ? memory.dtype : 'array');

/** The bytes themselves. */
export function bitsOf(memory: FlatBuffer | Float32Array): Uint8Array {
  const array = memory instanceof FlatBuffer ? memory.array : memory;
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function copyOf({ state, buffers }: Progress): Copied {
  const copies = Object.entries(buffers).map(
    ([name, memory]) => [name, { dtype: dtypeOf(memory), bits: Uint8Array.from(bitsOf(memory)) }] as const,
  );
  return { state: JSON.parse(JSON.stringify(state)), buffers: new Map(copies) };
}
