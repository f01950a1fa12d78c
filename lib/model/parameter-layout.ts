/**
 * Where each named parameter of a model lies in its flat buffers.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { checkOwn, ownKey } from '../core/own-construction.ts';
import { elementCount } from '../core/shape.ts';

/**
 * What kind of weight a parameter is: an embedding (its rows see a gradient only when their token is met), a matrix, or a
 * vector (norm weights and biases, which take no weight decay).
 */
export type ParameterKind = 'embedding' | 'matrix' | 'vector';

/** What a parameter does in a decoder, whatever its family calls it; a bias has the role of its matrix. */
export type ParameterRole =
  | 'embedding'
  | 'positions'
  | 'attentionNorm'
  | 'attentionInput'
  | 'queryNorm'
  | 'keyNorm'
  | 'attentionOutput'
  | 'attentionPostNorm'
  | 'mlpNorm'
  | 'mlpInput'
  | 'mlpOutput'
  | 'mlpPostNorm'
  | 'finalNorm'
  | 'head';

/** What is told of a parameter beside its shape. */
export interface ParameterSlot {
  /** Absent where nobody says. */
  readonly role?: ParameterRole;
  /** Which layer's it is, from 0; absent where it is no layer's. */
  readonly layer?: number;
  /** Set where a linear layer's matrix is [inputs, outputs] in place of [outputs, inputs]. */
  readonly transposed?: true;
  /** Which of an adapter's two matrices it is: scale * B A stands beside the layer's own. A layout has all A before all B. */
  readonly factor?: 'A' | 'B';
}

export interface ParameterPlace extends ParameterSlot {
  /** First element in the flat buffer; a multiple of 256 elements, the block of quantised states. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly group: ParameterKind;
}

/** A parameter as a layout is made of it. */
export interface NamedParameter extends ParameterSlot {
  readonly name: string;
  readonly shape: readonly number[];
  readonly group: ParameterKind;
}

/** A range of a flat buffer that an optimizer treats alike; what `parameterGroups` of an optimizer takes. */
export interface ParameterRange {
  /** Of adapters, whose A and B are apart, the factor. */
  name: ParameterKind | 'A' | 'B';
  start: number;
  length: number;
  /** Given (as 0) where weight decay must not act; absent where the optimizer's own holds. */
  weightDecay?: number;
  /**
   * Set where a scale of the curvature is not to be found from the range: of A, whose curvature grows with B from next to nothing, so that
   * it would be A's alone, and B stand still.
   */
  embedding?: true;
}

/** In the order of the buffer. */
export const parameterKinds: readonly ParameterKind[] = ['embedding', 'matrix', 'vector'];
const alignment = 256;

/** Named parameters in the order of the buffer: embeddings, matrices, then vectors, each start at a multiple of 256 elements. */
export class ParameterLayout implements Iterable<[string, ParameterPlace]> {
  readonly #places: ReadonlyMap<string, ParameterPlace>;
  /** Elements that a buffer of this layout has, padding included. */
  readonly length: number;
  /** Elements that belong to a parameter. */
  readonly parameterCount: number;

  private constructor(key: typeof ownKey, places: Map<string, ParameterPlace>, length: number, parameterCount: number) {
    checkOwn(key, 'ParameterLayout', 'ParameterLayout.of');
    this.#places = places;
    this.length = length;
    this.parameterCount = parameterCount;
  }

  /** Lays parameters out, kind by kind, in the order given within each kind. */
  static of(parameters: Iterable<NamedParameter>): ParameterLayout {
    const given = [...parameters];
    const places = new Map<string, ParameterPlace>();
    let end = 0;
    let parameterCount = 0;
    for (const kind of parameterKinds) {
      for (const { name, shape, group, ...slot } of given) {
        if (group !== kind) continue;
        if (places.has(name))
          throw new SoulError('SOUL_INVALID_ARGUMENT', `the parameter ${name} is named twice`, { name });
        const size = elementCount(shape);
        if (!Number.isSafeInteger(size) || !Number.isSafeInteger(end + size + alignment)) {
          throw new SoulError(
            'SOUL_INVALID_ARGUMENT',
            `up to ${name} the parameters have more elements than can be counted`,
            {
              name,
            },
          );
        }
        places.set(name, { offset: end, shape: [...shape], group, ...slot });
        parameterCount += size;
        end += Math.ceil(size / alignment) * alignment;
      }
    }
    return new ParameterLayout(ownKey, places, end, parameterCount);
  }

  [Symbol.iterator](): IterableIterator<[string, ParameterPlace]> {
    return this.#places.entries();
  }

  /** The place of one parameter, undefined when there is none of that name. */
  get(name: string): ParameterPlace | undefined {
    return this.#places.get(name);
  }

  /** One range for each kind that occurs, of adapters for each factor, for an optimizer's `parameterGroups`. */
  ranges(): ParameterRange[] {
    const ranges: ParameterRange[] = [];
    const nameOf = ({ factor, group }: ParameterPlace) => factor ?? group;
    const all = [...this.#places.values()];
    for (const kind of [...parameterKinds, 'A', 'B'] as const) {
      const places = all.filter((place) => nameOf(place) === kind);
      const first = places[0];
      const last = places.at(-1);
      if (!first || !last) continue;
      const size = elementCount(last.shape);
      const length = last.offset + Math.ceil(size / alignment) * alignment - first.offset;
      ranges.push({
        name: kind,
        start: first.offset,
        length,
        ...(kind === 'vector' ? { weightDecay: 0 } : {}),
        ...(kind === 'A' ? { embedding: true } : {}),
      });
    }
    return ranges;
  }
}
