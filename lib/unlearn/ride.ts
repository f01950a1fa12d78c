/**
 * A curvature estimate that rides on a term's own passes: forward once, pulled back by sampled labels for the estimate, then for the
 * term.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { DifferentiableLM, Pass } from '../model/contract.ts';
import { TokenBatch, type TokenSequence } from '../model/token-batch.ts';
import { estimateHessian } from '../optim/estimate-hessian.ts';
import type { SecondOrderOptimizer } from '../optim/optimizer.ts';
import type { CurvatureEstimate } from './curvature.ts';

export interface RideOptions extends Cancellable {
  /** Sequences of a chunk; the last one may have fewer. */
  chunkSize: number;
  /** The seed of a chunk's label draws; absent, the given labels are taken. */
  labelSeed?: (chunk: number) => bigint;
}

export interface Ride {
  readonly estimate: CurvatureEstimate;
  /** A pass for each chunk, in order, to be pulled back once more before the weights change, or released. */
  readonly passes: readonly Pass[];
}

/**
 * Runs a term's sequences forward, chunk by chunk, and folds an estimate from these passes into the optimizer's state, as
 * `estimateCurvature` does from passes of its own. The model's gradients are 0 after it; what was in them is lost. When it fails, no
 * pass is left.
 *
 * @param model one whose passes can be kept
 * @throws SoulError SOUL_NON_FINITE where no chunk has a finite gradient; SOUL_CANCELLED
 */
export async function rideOn(
  model: DifferentiableLM,
  optimizer: SecondOrderOptimizer,
  sequences: readonly TokenSequence[],
  { chunkSize, labelSeed, signal }: RideOptions,
): Promise<Ride> {
  checkInteger('chunkSize', chunkSize);
  const cancellable = withoutUndefined({ signal });
  const chunks = Math.ceil(sequences.length / chunkSize);
  const pause = (done: number, what: string) =>
    throwIfCancelled(signal, `a curvature estimate was cancelled after ${done} of ${chunks} ${what}`, {
      done,
      total: chunks,
    });
  const passes: Pass[] = [];
  try {
    for (let chunk = 0; chunk < chunks; chunk++) {
      pause(chunk, 'forward passes');
      const batch = TokenBatch.of(sequences.slice(chunk * chunkSize, (chunk + 1) * chunkSize));
      passes.push(await model.nll(batch, cancellable));
    }
    const begun = performance.now();
    const { skippedParts, labels } = await estimateHessian(optimizer, {
      parts: chunks,
      prime: false,
      gradient: async (chunk) => {
        pause(chunk, 'chunks');
        const { length } = passes[chunk]!.values;
        await passes[chunk]!.backward(new Float32Array(length).fill(1 / length), {
          keep: true,
          ...(labelSeed ? { labels: { sampledWith: labelSeed(chunk) } } : {}),
          ...cancellable,
        });
        return length;
      },
    });
    const seconds = (performance.now() - begun) / 1000;
    const estimate = {
      riding: true,
      sequences: sequences.length,
      tokens: labels,
      skippedChunks: skippedParts,
      seconds,
    };
    return { estimate, passes };
  } catch (error) {
    for (const pass of passes) pass.release();
    throw error;
  }
}
