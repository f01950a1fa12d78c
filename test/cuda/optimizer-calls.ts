import { expect } from '@jest/globals';
import fc from 'fast-check';
import { nativeAddon } from '../../lib/core/addon.ts';
import { nativeMemory } from '../../lib/core/flat-buffer.ts';
import { type DType, FlatBuffer } from '../../lib/index.ts';
import { type NativeSettings, SettingsBlock } from '../../lib/optim/native-settings.ts';
import { hashed } from '../optim/hashed.ts';
import { launchShapes } from './launch-shapes.ts';
import { bitsOf, type Floating } from './twins.ts';

/** Native calls of an optimizer on one device, on memory that begins anywhere. */
export const places = ['cpu', 'cuda:0'] as const;
export type Place = (typeof places)[number];

/** What the buffers of a call hold and where they begin. */
export interface Memory {
  length: number;
  /** `master`: bf16 values with a float32 master. */
  values: 'f32' | 'bf16' | 'master';
  states: Floating;
  /** Whether a step reads an estimate, and from where. */
  estimate: 'none' | 'own' | Floating;
  /** Elements before the first of values, master, gradients, both states, estimate; bytes before the mask. */
  skews: readonly number[];
  /** Share of frozen weights in eighths; 0: no mask. */
  frozen: number;
  /** Numbers that are sprinkled over the gradients and the estimate. */
  odd: readonly number[];
  /** Ends of the segments, as shares of the length in 64ths. */
  ends: readonly number[];
  stream: number;
}

export type Outcome = number[] | string;

export class Call {
  readonly memory: Memory;
  readonly place: Place;
  /** Follows the counters when a call is done. */
  readonly control = new Float64Array(7);
  readonly #counters: FlatBuffer;
  readonly buffers: Readonly<Record<string, FlatBuffer>>;
  readonly segments: Float64Array;
  readonly #whole: FlatBuffer[] = [];

  constructor(memory: Memory, place: Place, rho = 0.5) {
    this.memory = memory;
    this.place = place;
    const { length, values, states, estimate, skews, frozen } = memory;
    const narrow: Floating = values === 'f32' ? 'f32' : 'bf16';
    const [v = 0, m = 0, g = 0, a = 0, b = 0, e = 0, f = 0] = skews;
    this.buffers = {
      values: this.#make(narrow, v),
      gradients: this.#make(narrow, g),
      first: this.#make(states, a),
      second: this.#make(states, b),
      ...(values === 'master' ? { master: this.#make('f32', m) } : {}),
      ...(estimate === 'f32' || estimate === 'bf16' ? { estimate: this.#make(estimate, e) } : {}),
      ...(frozen > 0 ? { frozen: this.#make('u8', f, Math.ceil(length / 8)) } : {}),
    };
    this.segments = segmentsOf(memory);
    this.#counters = FlatBuffer.alloc(this.control.byteLength, { dtype: 'u8', device: place });
    this.setCounter(1, rho);
  }

  /** Sets a counter, in the order of the calls. */
  setCounter(slot: number, value: number): void {
    this.control[slot] = value;
    nativeAddon().setCounters(this.control, this.control, nativeMemory(this.#counters, 'counters'));
  }

  /** Fills all buffers, from the same numbers wherever they lie. */
  async fill(): Promise<this> {
    const { length, frozen, stream } = this.memory;
    const { values, master, second, first } = this.buffers;
    await this.#write('values', hashed(stream, length));
    if (master !== undefined) await master.copyFrom(values!);
    await this.#write('first', hashed(stream + 1, length));
    // Not negative, and sometimes 0.
    await second!.copyFrom(hashed(stream + 2, length).map((x) => (x > 0.9 ? 0 : x * x)));
    await this.newGradients(0);
    if (frozen > 0) {
      const bits = hashed(stream + 9, length).map((x) => (x < frozen / 4 - 1 ? 1 : 0));
      const mask = new Uint8Array(Math.ceil(length / 8));
      for (const [i, bit] of bits.entries()) mask[i >> 3]! |= bit << (i & 7);
      await this.buffers.frozen!.copyFrom(mask);
    }
    await first!.copyFrom(hashed(stream + 1, length));
    return this;
  }

  /** Gradients and estimate of the `turn`-th call. */
  async newGradients(turn: number): Promise<void> {
    const { length, odd, stream } = this.memory;
    const withOdd = (numbers: Float32Array) => {
      for (const [i, x] of odd.entries()) if (length > 0) numbers[(i * 37 + 11) % length] = x;
      return numbers;
    };
    await this.#write('gradients', withOdd(hashed(stream + 20 + turn, length)));
    if (this.buffers.estimate !== undefined) await this.#write('estimate', withOdd(hashed(stream + 40 + turn, length)));
  }

  sophia(settings: NativeSettings): Promise<Outcome> {
    const { estimate } = this.memory;
    return settled(
      nativeAddon().sophiaStep(
        ...this.#stepBuffers(),
        estimate === 'none' ? undefined : this.#native(estimate === 'own' ? 'gradients' : 'estimate'),
        this.control,
        this.segments,
        new SettingsBlock(settings).numbers,
        nativeMemory(this.#counters, 'counters'),
      ),
    );
  }

  adamw(settings: NativeSettings): Promise<Outcome> {
    return settled(
      nativeAddon().adamwStep(
        ...this.#stepBuffers(),
        this.control,
        this.segments,
        new SettingsBlock(settings).numbers,
        nativeMemory(this.#counters, 'counters'),
      ),
    );
  }

  hessian(settings: NativeSettings): Promise<Outcome> {
    return settled(
      nativeAddon().hessianUpdate(
        this.#native('second')!,
        this.#native(this.buffers.estimate === undefined ? 'gradients' : 'estimate')!,
        this.#native('frozen'),
        this.control,
        new SettingsBlock(settings).numbers,
        nativeMemory(this.#counters, 'counters'),
      ),
    );
  }

  /** The bits of every buffer, what lies before a skewed one too: nothing may be written there. */
  async bits(): Promise<Uint32Array[]> {
    return Promise.all(this.#whole.map(bitsOf));
  }

  async release(): Promise<void> {
    if (this.place === 'cpu') return;
    await Promise.all(this.#whole.map((buffer) => buffer.release()));
    await this.#counters.release();
  }

  #make(dtype: DType, skew: number, length = this.memory.length): FlatBuffer {
    const whole = FlatBuffer.alloc(length + skew + 3, { dtype, device: this.place });
    this.#whole.push(whole);
    return whole.view(skew, length);
  }

  async #write(name: string, numbers: Float32Array): Promise<void> {
    await this.buffers[name]!.copyFrom(numbers);
  }

  #native(name: string) {
    const buffer = this.buffers[name];
    return buffer && nativeMemory(buffer, name);
  }

  #stepBuffers() {
    return [
      this.#native('values')!,
      this.#native('master'),
      this.#native('gradients')!,
      this.#native('first')!,
      this.#native('second')!,
      this.#native('frozen'),
    ] as const;
  }
}

/** Numbers a call resolves to, or the sentence it is rejected with. */
async function settled(call: Promise<number[]>): Promise<Outcome> {
  try {
    return await call;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Segments with settings of their own; between some of them lie weights that no step touches. */
function segmentsOf({ length, ends }: Memory): Float64Array {
  const numbers: number[] = [];
  let start = 0;
  for (const [i, share] of [...ends, 64].sort((a, b) => a - b).entries()) {
    const end = Math.max(start, Math.floor((share * length) / 64));
    numbers.push(start, end - start, 1 + i / 4, i % 3 === 0 ? Number.NaN : i / 8, i % 2);
    start = i % 4 === 3 ? Math.min(end + 1, length) : end;
  }
  return Float64Array.from(numbers);
}

/** The same call on the CPU and on a device. */
export async function makeCalls(memory: Memory, rho?: number): Promise<[cpu: Call, cuda: Call]> {
  const [cpu, cuda] = await Promise.all(places.map((place) => new Call(memory, place, rho).fill()));
  return [cpu!, cuda!];
}

/** Every buffer and every counter has the same bits; a norm may differ in the last places of a double. */
export async function expectAlike(cpu: Call, cuda: Call, wanted: Outcome, found: Outcome, norm = 2): Promise<void> {
  if (typeof wanted === 'string' || typeof found === 'string') {
    expect(found).toBe(wanted);
  } else {
    const near = (index: number) => index === norm && Number.isFinite(wanted[index]);
    expect(found.map((x, i) => (near(i) ? 0 : x))).toEqual(wanted.map((x, i) => (near(i) ? 0 : x)));
    if (near(norm)) expect(Math.abs(found[norm]! - wanted[norm]!)).toBeLessThanOrEqual(1e-12 * wanted[norm]!);
  }
  expect([...cuda.control]).toEqual([...cpu.control]);
  const [left, right] = await Promise.all([cpu.bits(), cuda.bits()]);
  for (const [i, bits] of left.entries()) {
    const differing = bits.findIndex((x, at) => x !== right[i]![at]);
    expect([i, differing, right[i]![differing]]).toEqual([i, -1, bits[differing]]);
  }
}

const lengths = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 80 }) },
  { weight: 4, arbitrary: fc.integer({ min: 81, max: 900 }) },
  { weight: 1, arbitrary: fc.integer({ min: 901, max: 6000 }) },
);

/** All alike, so that groups are aligned somewhere, or each its own. */
const skews = fc.oneof(
  fc.constant([0, 0, 0, 0, 0, 0, 0]),
  fc.integer({ min: 0, max: 9 }).map((skew) => Array.from({ length: 7 }, () => skew)),
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 7, maxLength: 7 }),
);

/** Memory whose gradients are finite. */
export const memories = (odd: readonly number[] = [0, -0, 1e-40, -3e-45, 1e30, -1e19, 3e38]): fc.Arbitrary<Memory> =>
  fc.record({
    length: lengths,
    values: fc.constantFrom<Memory['values'][]>('f32', 'bf16', 'master'),
    states: fc.constantFrom<Floating>('f32', 'bf16'),
    estimate: fc.constantFrom<Memory['estimate'][]>('none', 'own', 'f32', 'bf16'),
    skews,
    frozen: fc.constantFrom(0, 0, 1, 4, 8),
    odd: fc.subarray([...odd]),
    ends: fc.array(fc.integer({ min: 0, max: 64 }), { maxLength: 5 }),
    stream: fc.integer({ min: 0, max: 999 }),
  });

export const shapes = fc.constantFrom(...launchShapes);

const unit = fc.constantFrom(0, 0.5, 0.9, 0.965, 0.999);

/** Settings that steps of both optimizers take. */
export const stepSettings = fc.record({
  learningRate: fc.constantFrom(0, 1e-4, 0.03),
  weightDecay: fc.constantFrom(0, 0.1),
  beta1: unit,
  beta2: unit,
  epsilon: fc.constantFrom(1e-15, 1e-8, 0.01),
  clipNorm: fc.constantFrom(0, 0.37, 1e30),
  maximize: fc.boolean(),
  zeroGradients: fc.boolean(),
  stochasticRounding: fc.boolean(),
  seedLower: fc.nat(0xffffffff),
  seedUpper: fc.nat(0xffffffff),
  skipNonFinite: fc.boolean(),
});
