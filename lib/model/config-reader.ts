/**
 * The entries of a config.json, checked as they are read.
 *
 * @module
 */

import { describe, SoulError, type SoulErrorCode, shortName } from '../core/errors.ts';
import { isObject, type JsonObject } from '../core/json.ts';
import type { Activation } from './decoder-config.ts';

/** Far beyond any model. */
const mostLayers = 4096;

/** Of entries that are null, as of absent ones, the default is taken. */
export class ConfigReader {
  readonly source: JsonObject;
  readonly #where: string;
  readonly #code: SoulErrorCode;

  /**
   * @param where what the entries are called in errors
   * @param code of errors that a malformed entry ends in
   */
  constructor(source: JsonObject, where: string, code: SoulErrorCode) {
    this.source = source;
    this.#where = where;
    this.#code = code;
  }

  /** The same file as if it lacked some entries. */
  without(...keys: readonly string[]): ConfigReader {
    const kept = Object.entries(this.source).filter(([key]) => !keys.includes(key));
    return new ConfigReader(Object.fromEntries(kept), this.#where, this.#code);
  }

  /** An entry as it stands. */
  get(key: string, fallback?: unknown): unknown {
    return this.source[key] ?? fallback;
  }

  /** A positive integer below 2^31. */
  size(key: string, fallback?: number): number {
    const value = this.get(key, fallback);
    return Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31
      ? (value as number)
      : this.fail(key, 'a positive integer below 2^31', value);
  }

  /** A number of layers, bounded since each is listed before any of its weights is looked for. */
  layers(key: string, fallback?: number): number {
    const value = this.size(key, fallback);
    return value <= mostLayers ? value : this.fail(key, `at most ${mostLayers}`, value);
  }

  optionalSize(key: string): number | undefined {
    return this.get(key) === undefined ? undefined : this.size(key);
  }

  /** A positive number. */
  positive(key: string, fallback?: number): number {
    return this.checkPositive(key, this.get(key, fallback));
  }

  optionalPositive(key: string): number | undefined {
    return this.get(key) === undefined ? undefined : this.positive(key);
  }

  checkPositive(key: string, value: unknown): number {
    return typeof value === 'number' && Number.isFinite(value) && value > 0
      ? value
      : this.fail(key, 'a positive number', value);
  }

  flag(key: string, fallback = false): boolean {
    const value = this.get(key, fallback);
    return typeof value === 'boolean' ? value : this.fail(key, 'true or false', value);
  }

  /** An object; empty where the entry is absent. */
  object(key: string): JsonObject {
    const value = this.get(key, {});
    if (!isObject(value)) {
      throw new SoulError(this.#code, `${this.#where}: ${key} must be an object or null, but is ${describe(value)}`, {
        key,
      });
    }
    return value;
  }

  /** An activation, by the names that transformers has for it. */
  activation(key: string, fallback: string): Activation {
    const name = this.get(key, fallback);
    const known = activations.get(name);
    if (known === undefined) throw this.unsupported(key, name, [...activations.keys()].join(', '));
    return known;
  }

  /** Refuses an entry that is there with another value: what it asks for is not built. */
  refuseUnless(key: string, ...supported: readonly unknown[]): void {
    const value = this.get(key);
    if (value !== undefined && !supported.includes(value)) {
      const known = supported.map((each) => JSON.stringify(each)).join(' or ');
      throw this.unsupported(key, value, known === '' ? 'none, leave it out' : known);
    }
  }

  /** Whether each layer sees a window alone, by `layer_types`. */
  windowed(layers: number, fallback: (layer: number) => boolean): boolean[] {
    const types = this.get('layer_types');
    if (types === undefined) return Array.from({ length: layers }, (_, i) => fallback(i));
    if (!Array.isArray(types) || types.length !== layers) {
      return this.fail('layer_types', `an array of ${layers} names, one for each layer`, types);
    }
    return types.map((type, i) => {
      if (type !== 'sliding_attention' && type !== 'full_attention') {
        throw this.unsupported(`layer_types[${i}]`, type, 'sliding_attention or full_attention');
      }
      return type === 'sliding_attention';
    });
  }

  /** @throws SoulError always */
  fail(key: string, expected: string, found: unknown): never {
    const said = `${this.#where}: ${key} must be ${expected}, but is ${describe(found)}`;
    throw new SoulError(this.#code, said, { key, expected });
  }

  /** @throws SoulError always, of a file that contradicts itself or leaves something open */
  refuse(sentence: string, details: Record<string, unknown>): never {
    throw new SoulError(this.#code, `${this.#where}: ${sentence}`, details);
  }

  unsupported(key: string, found: unknown, supported: string): SoulError {
    const said = typeof found === 'string' ? shortName(found) : describe(found);
    return new SoulError(
      'SOUL_UNSUPPORTED',
      `${this.#where}: ${key} ${said} is not supported; supported: ${supported}`,
      { key, found: typeof found === 'object' ? describe(found) : found, supported },
    );
  }
}

const activations: ReadonlyMap<unknown, Activation> = new Map([
  ['silu', 'silu'],
  ['swish', 'silu'],
  ['gelu', 'gelu'],
  ['gelu_new', 'gelu_tanh'],
  ['gelu_fast', 'gelu_tanh'],
  ['gelu_pytorch_tanh', 'gelu_tanh'],
  ['relu', 'relu'],
]);
