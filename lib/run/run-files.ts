/**
 * Names of what runs write beside the model's own files.
 *
 * @module
 */

/** Marks a folder that this package made, and is locked while a run writes there. */
export const markerName = '.soul-run.json';

export const recordName = 'run.json';

/** The signature of the record. */
export const signatureName = 'run.json.sig';

/** The model card. */
export const cardName = 'README.md';

/** A line a step. */
export const metricsName = 'metrics.jsonl';

/** A line for each set of each evaluation on the way. */
export const evaluationsName = 'evaluations.jsonl';

/** Other answers that the model made. */
export const alternativesName = 'alternatives.jsonl';

/** The folder of checkpoints. */
export const checkpointsName = 'checkpoints';

/** All of them. */
export const runFiles: readonly string[] = [
  recordName,
  signatureName,
  cardName,
  metricsName,
  evaluationsName,
  alternativesName,
  checkpointsName,
  markerName,
];
