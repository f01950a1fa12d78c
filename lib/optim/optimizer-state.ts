/**
 * What an optimizer remembers: moving averages, and counters that native code keeps.
 *
 * @module
 */

import { type NativeArray, type NativeMemory, nativeAddon } from '../core/addon.ts';
import { checkNumber } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { type DType, FlatBuffer, nativeMemory } from '../core/flat-buffer.ts';
import { takingMemory } from '../core/out-of-memory.ts';
import type { OptimizerOptions, OptimizerParameters, OptimizerProgress } from './optimizer.ts';
import { checkFrozen } from './options.ts';
import { checkPrecision } from './precision.ts';
import { readStateFile, writeStateFile } from './state-file.ts';

/** Slots of the counters, as native code numbers them. */
export const slots = {
  step: 0,
  rho: 1,
  estimates: 2,
  partsTotal: 3,
  partsDone: 4,
  partsKept: 5,
  partsPrime: 6,
} as const;
const slotCount = Object.keys(slots).length;

/** The master's name in state files. */
const masterName = 'master';

/**
 * Moving averages by their names in state files, a float32 master where the values are bf16, and the counters that native
 * code keeps; all on the parameters' device.
 */
export class OptimizerState<Name extends string> {
  readonly #parameters: OptimizerParameters;
  readonly #frozen: FlatBuffer | undefined;
  readonly #averages: Readonly<Record<Name, FlatBuffer>>;
  readonly #master: FlatBuffer<'f32'> | undefined;
  /** Why the values could not be copied to the master: no step may act on it then. */
  #masterFailure: unknown;
  /** The same of the counters. */
  #countersFailure: unknown;
  readonly stochasticRounding: boolean;
  /** The counters after the calls whose promises have settled: a copy that nothing but this thread touches. */
  readonly control: Float64Array = new Float64Array(new SharedArrayBuffer(slotCount * Float64Array.BYTES_PER_ELEMENT));
  /** The counters that jobs go by, so that calls that nobody awaits find them right: nothing but jobs touches them. */
  readonly #counters: FlatBuffer<'u8'>;
  #released = false;

  /** @param rho where the counters begin; NaN: it has yet to be set */
  constructor(parameters: OptimizerParameters, options: OptimizerOptions, names: readonly Name[], rho = 0) {
    const { values } = parameters;
    this.#parameters = parameters;
    this.#frozen = checkFrozen(options.frozen, parameters);
    const { master, states, rounding } = checkPrecision(options.precision, values);
    this.stochasticRounding = rounding === 'stochastic';
    const { length, device } = values;
    const made: FlatBuffer[] = [];
    const alloc = <Kind extends DType>(count: number, dtype: Kind): FlatBuffer<Kind> => {
      const buffer = takingMemory('what the optimizer keeps', () => FlatBuffer.alloc(count, { dtype, device }));
      made.push(buffer);
      return buffer;
    };
    try {
      const averages = names.map((name) => [name, alloc(length, states)]);
      this.#averages = Object.fromEntries(averages) as Record<Name, FlatBuffer>;
      if (master === 'f32') this.#master = alloc(length, 'f32');
      this.#counters = alloc(this.control.byteLength, 'u8');
    } catch (error) {
      // Nobody else could: a device's memory would be gone until garbage is collected.
      for (const buffer of made) buffer.release().catch(() => {});
      throw error;
    }
    if (this.#master !== undefined) this.#copyToMaster(this.#master).catch(() => {});
    const control = new Float64Array(slotCount);
    control[slots.rho] = rho;
    this.control.set(control);
    this.#setCounters(control).catch(() => {});
  }

  get step(): number {
    return this.control[slots.step]!;
  }

  /** The float32 values that steps act on, where the values are their bf16 copy. */
  get master(): FlatBuffer<'f32'> | undefined {
    this.checkAlive();
    return this.#master;
  }

  get frozen(): NativeMemory | undefined {
    return this.#frozen && nativeMemory(this.#frozen, 'frozen');
  }

  /** What jobs count in, on the parameters' device. */
  get counters(): NativeMemory {
    if (this.#countersFailure !== undefined) throw this.#countersFailure;
    return nativeMemory(this.#counters, 'state');
  }

  /** Refuses to step where memory is gone, or was never filled; for steps that are no single call. */
  checkSteppable(): void {
    this.checkAlive();
    if (this.#masterFailure !== undefined) throw this.#masterFailure;
    if (this.#countersFailure !== undefined) throw this.#countersFailure;
    const { values, gradients } = this.#parameters;
    nativeMemory(values, 'values');
    nativeMemory(gradients, 'gradients');
    for (const [name, buffer] of this.#buffers()) nativeMemory(buffer, `state.${name}`);
    if (this.#frozen !== undefined) nativeMemory(this.#frozen, 'frozen');
  }

  /** What a step reads and writes, checked, in the order in which native code takes it. */
  stepBuffers(
    first: Name,
    second: Name,
  ): [
    values: NativeMemory,
    master: NativeMemory | undefined,
    gradients: NativeMemory,
    first: NativeMemory,
    second: NativeMemory,
    frozen: NativeMemory | undefined,
  ] {
    this.checkAlive();
    if (this.#masterFailure !== undefined) throw this.#masterFailure;
    const { values, gradients } = this.#parameters;
    return [
      nativeMemory(values, 'values'),
      this.#master && nativeMemory(this.#master, 'state.master'),
      nativeMemory(gradients, 'gradients'),
      nativeMemory(this.#averages[first], `state.${first}`),
      nativeMemory(this.#averages[second], `state.${second}`),
      this.frozen,
    ];
  }

  /** Copies the values to the master again. */
  async refreshMaster(): Promise<void> {
    this.checkAlive();
    if (this.#master !== undefined) await this.#copyToMaster(this.#master);
  }

  async #copyToMaster(master: FlatBuffer): Promise<void> {
    try {
      await master.copyFrom(this.#parameters.values);
      this.#masterFailure = undefined;
    } catch (error) {
      this.#masterFailure = error;
      throw error;
    }
  }

  /** Sets the counters, and the copy of them when that is done. */
  async #setCounters(values: Float64Array): Promise<void> {
    try {
      await nativeAddon().setCounters(values, this.control, nativeMemory(this.#counters, 'state'));
      this.#countersFailure = undefined;
    } catch (error) {
      this.#countersFailure = error;
      throw error;
    }
  }

  /** Counts a step that no job of its own counts; to be awaited before the next. */
  async countStep(): Promise<void> {
    const control = this.control.slice();
    control[slots.step]! += 1;
    await this.#setCounters(control);
  }

  average(name: Name): FlatBuffer {
    this.checkAlive();
    return this.#averages[name];
  }

  /** @throws SoulError SOUL_RELEASED */
  checkAlive(): void {
    if (this.#released) throw optimizerReleased();
  }

  async release(): Promise<void> {
    this.#released = true;
    await Promise.all([...this.#buffers().map(([, buffer]) => buffer.release()), this.#counters.release()]);
  }

  /**
   * Writes a snapshot, taken in the order of the calls.
   *
   * @param metadata what to write beside the step, made from the snapshot of the counters
   * @throws SoulError SOUL_INVALID_ARGUMENT when an estimate in parts is unfinished at that point
   */
  async save(path: string, metadata: (control: Float64Array) => Record<string, string>): Promise<void> {
    this.checkAlive();
    const buffers = this.#buffers();
    // One job after the other, with no call of anybody's between them.
    const [control, ...copies] = await Promise.all([
      this.#copyOfCounters(),
      ...buffers.map(([name, buffer]) => copyOf(buffer, name)),
    ]);
    if (control[slots.partsTotal]! > 0) {
      throw new SoulError(
        'SOUL_INVALID_ARGUMENT',
        `an estimate in parts is unfinished (${control[slots.partsDone]} of ${control[slots.partsTotal]} parts); ` +
          'call updateHessian for the others first, or give it up with { part: [0, n], prime: true }',
      );
    }
    const step = control[slots.step]!;
    const saved = buffers.map(([name, { dtype }], i) => ({ name, dtype, data: copies[i]! }));
    await writeStateFile(path, saved, this.#parameters.layout, step, metadata(control));
  }

  /**
   * Reads a file, hands the moving averages to `prepare` to be checked and changed, and only then replaces the state;
   * what `prepare` gives sets counters of its own. Where the file has no master, the values as they are now become it.
   */
  async load(
    path: string,
    prepare: (
      averages: Record<Name, FlatBuffer>,
      metadata: Readonly<Record<string, string>>,
    ) => Promise<(control: Float64Array) => void>,
  ): Promise<void> {
    this.checkAlive();
    const names = this.#buffers().map(([name]) => ({ name, optional: name === masterName }));
    const { values, layout } = this.#parameters;
    const file = await readStateFile(path, names, values.length, layout);
    const contents = Object.fromEntries(file.buffers) as Record<Name, FlatBuffer>;
    const finish = await prepare(contents, file.metadata);
    this.checkAlive();
    // All are checked before the first is copied, so that a failure changes nothing.
    const buffers = this.#buffers();
    for (const [name, buffer] of buffers) nativeMemory(buffer, name);
    const copies = buffers.map(([name, buffer]) => buffer.copyFrom(contents[name as Name] ?? this.#parameters.values));
    await Promise.all(copies);
    // Jobs before that nobody awaited have brought their counters back then.
    await nativeAddon().fence();
    const control = this.control.slice();
    control[slots.step] = file.step;
    control[slots.partsTotal] = 0;
    finish(control);
    await this.#setCounters(control);
  }

  /** The live memory, and the counters by their names. */
  progress(): OptimizerProgress {
    this.checkAlive();
    const counters = Object.entries(slots).map(([name, slot]) => [name, this.control[slot]!]);
    return { buffers: Object.fromEntries(this.#buffers()), counters: Object.fromEntries(counters) };
  }

  /** Sets the counters to those of {@link progress}. */
  async resumeAt(counters: OptimizerProgress['counters']): Promise<void> {
    this.checkAlive();
    const control = new Float64Array(slotCount);
    for (const [name, slot] of Object.entries(slots)) control[slot] = checkCounter(name, counters[name]);
    await this.#setCounters(control);
  }

  /** The counters as they are when the turn comes. */
  async #copyOfCounters(): Promise<Float64Array> {
    const control = new Float64Array(slotCount);
    await nativeAddon().copy(new Uint8Array(control.buffer), this.counters);
    return control;
  }

  #buffers(): [string, FlatBuffer][] {
    const buffers: [string, FlatBuffer][] = Object.entries(this.#averages);
    if (this.#master !== undefined) buffers.push([masterName, this.#master]);
    return buffers;
  }
}

/** A count; of rho, which has yet to be found, NaN. */
function checkCounter(name: string, value: unknown): number {
  if (name === 'rho' && Number.isNaN(value)) return Number.NaN;
  const checked = checkNumber(`counters.${name}`, value);
  if (name === 'rho' || Number.isSafeInteger(checked)) return checked;
  throw invalidArgument(`counters.${name}`, 'a count', value);
}

/** The error of every call after `release`. */
export function optimizerReleased(): SoulError {
  return new SoulError('SOUL_RELEASED', 'the optimizer was released; make a new one');
}

/** A copy of a buffer's elements as they lie, taken when its turn comes. */
async function copyOf(buffer: FlatBuffer, name: string): Promise<NativeArray> {
  const memory = nativeMemory(buffer, name);
  const copy = FlatBuffer.alloc(buffer.length, { dtype: buffer.dtype });
  await nativeAddon().copy(nativeMemory(copy, name), memory);
  return copy.array;
}
