/**
 * What else of a run could tell of what was deleted, and what became of it.
 *
 * @module
 */

/** Where it is: never written to a disk, removed from it before the folder was published, or kept in the out folder. */
export type TraceFate = 'not-written' | 'removed' | 'kept';

/** Of a run that deletes; each is worth as much as what was deleted to whoever can compute with it. */
export interface Traces {
  /** Moving averages and second moments: sums of the gradients of what was deleted. */
  readonly optimizerStates: TraceFate;
  /** Copies of the weights in higher precision than the model's, beside which bf16 weights can be compared. */
  readonly masterWeights: TraceFate;
  /** States of the run at earlier steps, in which less is forgotten. */
  readonly checkpoints: TraceFate;
  /** Answers that the model itself made in place of those to forget, beside their questions. */
  readonly alternatives: TraceFate;
  /** Texts of what was deleted, which `--with-text` asks for. */
  readonly texts: TraceFate;
}

/** The traces of a run that wrote nothing but what is told here. */
export function tracesOf(told: Partial<Traces>): Traces {
  return {
    optimizerStates: 'not-written',
    masterWeights: 'not-written',
    checkpoints: 'not-written',
    alternatives: 'not-written',
    texts: 'not-written',
    ...told,
  };
}
