/**
 * A forward pass of the engine that waits to be pulled back.
 *
 * @module
 */

import { types } from 'node:util';
import type { NativeExternal } from '../core/addon.ts';
import type { Cancellable } from '../core/cancellation.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkOwn, type ownKey } from '../core/own-construction.ts';
import type { Pass } from '../model/contract.ts';
import { cancellableCall } from './cancellable-call.ts';
import { nativeEngine } from './engine.ts';

/** Frees its graph when pulled back, released or forgotten. */
export class TorchPass implements Pass {
  readonly values: Float32Array;
  readonly offsets: Uint32Array;
  readonly #checkModels: () => void;
  #handle: NativeExternal | undefined;

  constructor(
    key: typeof ownKey,
    handle: NativeExternal,
    values: Float32Array,
    offsets: Uint32Array,
    checkModels: () => void,
  ) {
    checkOwn(key, 'TorchPass', 'the nll or klTo of a model');
    this.#handle = handle;
    this.values = values;
    this.offsets = offsets.slice();
    this.#checkModels = checkModels;
  }

  async backward(weights: Float32Array, { signal }: Cancellable = {}): Promise<void> {
    const handle = this.#handle;
    if (!handle) {
      throw new SoulError('SOUL_RELEASED', 'the pass was released or pulled back before; run the model again', {
        argument: 'pass',
      });
    }
    if (!types.isFloat32Array(weights)) throw invalidArgument('weights', 'a Float32Array', weights);
    this.#checkModels();
    await cancellableCall(signal, 'a backward pass', (cancelled) => {
      const done = nativeEngine().backward(handle, weights, cancelled);
      this.#handle = undefined;
      return done;
    });
  }

  release(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    // It fails where the environment ends, or a device has: then there is nothing left to free.
    if (handle)
      nativeEngine()
        .releasePass(handle)
        ?.catch(() => {});
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
