/**
 * What an optimizer remembers: moving averages, and counters that native code keeps.
 *
 * @module
 */

import { nativeAddon } from '../core/addon.ts';
import { allocateFloats } from '../core/allocate.ts';
import { SoulError } from '../core/errors.ts';
import { FlatBuffer, nativeMemory } from '../core/flat-buffer.ts';
import { openSafetensors, type SafetensorsFile, writeSafetensors } from '../core/safetensors.ts';
import type { OptimizerParameters } from './optimizer.ts';

/** Slots of the control block, as native/runtime/optimizer_jobs.h numbers them. */
export const slots = { step: 0, rho: 1, estimates: 2, partsTotal: 3, partsDone: 4 } as const;
const slotCount = 7;

/** Moving averages by their names in state files, beside the counters of native/runtime/optimizer_jobs.h. */
export class OptimizerState<Name extends string> {
  readonly #averages: Readonly<Record<Name, FlatBuffer>>;
  /** Read and written by jobs on the dispatcher, so that calls that nobody awaits find it right. */
  readonly control: Float64Array = new Float64Array(new SharedArrayBuffer(slotCount * Float64Array.BYTES_PER_ELEMENT));
  #released = false;

  constructor({ values }: OptimizerParameters, names: readonly Name[]) {
    const averages = names.map((name) => [
      name,
      FlatBuffer.alloc(values.length, { dtype: 'f32', device: values.device }),
    ]);
    this.#averages = Object.fromEntries(averages) as Record<Name, FlatBuffer>;
  }

  get step(): number {
    return this.control[slots.step]!;
  }

  average(name: Name): FlatBuffer {
    this.checkAlive();
    return this.#averages[name];
  }

  /** @throws SoulError SOUL_RELEASED */
  checkAlive(): void {
    if (this.#released) throw new SoulError('SOUL_RELEASED', 'the optimizer was released; make a new one');
  }

  async release(): Promise<void> {
    this.#released = true;
    await Promise.all(this.#buffers().map(([, buffer]) => buffer.release()));
  }

  /**
   * Writes a snapshot, taken in the order of the calls.
   *
   * @param metadata what to write beside the step, made from the snapshot of the control block
   * @throws SoulError SOUL_INVALID_ARGUMENT when an estimate in parts is unfinished at that point
   */
  async save(path: string, metadata: (control: Float64Array) => Record<string, string>): Promise<void> {
    this.checkAlive();
    const control = new Float64Array(slotCount);
    const names = this.#buffers().map(([name]) => name);
    // One job after the other, with no call of anybody's between them.
    const [, ...averages] = await Promise.all([
      nativeAddon().copy(new Float32Array(control.buffer), new Float32Array(this.control.buffer)),
      ...this.#buffers().map(([, buffer]) => buffer.toFloat32Array()),
    ]);
    if (control[slots.partsTotal]! > 0) {
      throw new SoulError(
        'SOUL_INVALID_ARGUMENT',
        `an estimate in parts is unfinished (${control[slots.partsDone]} of ${control[slots.partsTotal]} parts); ` +
          'call updateHessian for the others first, or give it up with { part: [0, n], prime: true }',
      );
    }
    const step = control[slots.step]!;
    const words = { format: 'soul-unlearn', step: String(step), ...metadata(control) };
    const tensors = averages.map((data, i) => ({ name: names[i]!, dtype: 'F32' as const, shape: [data.length], data }));
    const count = { name: 'step', dtype: 'F32' as const, shape: [], data: Float32Array.of(step) };
    await writeSafetensors(path, [...tensors, count], words);
  }

  /**
   * Reads a file, hands its contents to `prepare` to be checked and changed, and only then replaces the state.
   */
  async load(
    path: string,
    prepare: (averages: Record<Name, Float32Array>, metadata: Readonly<Record<string, string>>) => () => void,
  ): Promise<void> {
    this.checkAlive();
    const file = await openSafetensors(path);
    let averages: Record<Name, Float32Array>;
    let step: number;
    try {
      averages = Object.fromEntries(
        await Promise.all(
          this.#buffers().map(async ([name, { length }]) => [name, await readAverage(file, name, length)]),
        ),
      ) as Record<Name, Float32Array>;
      step = await readStep(file);
    } finally {
      await file.close();
    }
    const finish = prepare(averages, file.metadata);
    this.checkAlive();
    // All are checked before the first is copied, so that a failure changes nothing.
    const memories = this.#buffers().map(([name, buffer]) => ({ name, memory: nativeMemory(buffer, name) }));
    await Promise.all(memories.map(({ name, memory }) => nativeAddon().copy(memory, averages[name])));
    this.control[slots.step] = step;
    this.control[slots.partsTotal] = 0;
    finish();
  }

  #buffers(): [Name, FlatBuffer][] {
    return Object.entries(this.#averages) as [Name, FlatBuffer][];
  }
}

async function readAverage(file: SafetensorsFile, name: string, length: number): Promise<Float32Array> {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) {
    const found = [...file.tensors.keys()].join(', ');
    throw new SoulError('SOUL_BAD_FILE', `${file.path} has no tensor ${name}; it has ${found}`, {
      path: file.path,
      name,
    });
  }
  const elements = tensor.shape.reduce((product, extent) => product * extent, 1);
  if (tensor.dtype !== 'F32') {
    throw new SoulError('SOUL_UNSUPPORTED', `${file.path}: ${name} is of dtype ${tensor.dtype}; F32 is needed`, {
      name,
    });
  }
  if (elements !== length) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${file.path}: ${name} has ${elements} elements, but the parameters have ${length}`,
      { path: file.path, expected: length, found: elements },
    );
  }
  const data = allocateFloats(length);
  await file.readInto(name, data);
  return data;
}

async function readStep(file: SafetensorsFile): Promise<number> {
  const exact = file.metadata.format === 'soul-unlearn' ? Number(file.metadata.step) : await readStepTensor(file);
  if (Number.isSafeInteger(exact) && exact >= 0) return exact;
  throw new SoulError('SOUL_BAD_FILE', `${file.path}: step is ${exact}, not a count`, { path: file.path });
}

/** Other libraries write the step as a tensor of one number. */
async function readStepTensor(file: SafetensorsFile): Promise<number> {
  const tensor = file.tensors.get('step');
  const bytes = tensor === undefined ? undefined : await file.read('step');
  if (tensor?.dtype === 'F32' && bytes?.length === 4) return new Float32Array(bytes.buffer)[0]!;
  if (tensor?.dtype === 'F64' && bytes?.length === 8) return new Float64Array(bytes.buffer)[0]!;
  if (tensor?.dtype === 'I64' && bytes?.length === 8) return Number(new BigInt64Array(bytes.buffer)[0]!);
  throw new SoulError('SOUL_BAD_FILE', `${file.path} has no tensor step of one F32, F64 or I64`, { path: file.path });
}
