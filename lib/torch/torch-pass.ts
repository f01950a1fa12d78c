/**
 * A forward pass of the engine that waits to be pulled back.
 *
 * @module
 */

import { types } from 'node:util';
import type { NativeExternal } from '../core/addon.ts';
import { checkBoolean, valueOr } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { checkOwn, type ownKey } from '../core/own-construction.ts';
import type { BackwardOptions, Pass } from '../model/contract.ts';
import { cancellableCall } from './cancellable-call.ts';
import { nativeEngine } from './engine.ts';

/** Frees its graph when pulled back for the last time, released or forgotten. */
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
    checkOwn(key, 'TorchPass', 'a call of a model, as nll');
    this.#handle = handle;
    this.values = values;
    this.offsets = offsets.slice();
    this.#checkModels = checkModels;
  }

  async backward(weights: Float32Array, options: BackwardOptions = {}): Promise<void> {
    const handle = this.#handle;
    if (!handle) {
      throw new SoulError('SOUL_RELEASED', 'the pass was released or pulled back before; run the model again', {
        argument: 'pass',
      });
    }
    if (!types.isFloat32Array(weights)) throw invalidArgument('weights', 'a Float32Array', weights);
    checkNames('options', options, ['labels', 'keep', 'signal']);
    const { labels, signal } = options;
    const keep = checkBoolean('keep', valueOr(options.keep, false));
    if (labels !== undefined && typeof labels?.sampledWith !== 'bigint') {
      throw invalidArgument('labels', '{ sampledWith: bigint }', labels);
    }
    const seed = labels === undefined ? undefined : BigInt.asUintN(64, labels.sampledWith);
    this.#checkModels();
    await cancellableCall(signal, 'a backward pass', (cancelled) => {
      const done = nativeEngine().backward(handle, weights, seed, keep, cancelled);
      if (!keep) this.#handle = undefined;
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
