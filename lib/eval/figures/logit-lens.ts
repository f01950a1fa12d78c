/**
 * Figures of the layers of a model.
 *
 * @module
 */

import { logitLensErasure } from '../metrics/logit-lens-erasure.ts';
import { type EvaluationLog, type EvaluationSet, lensSets } from '../tofu/log.ts';
import { itemsOf, meanOf, type Outcome, type Subject } from './figure.ts';

export interface LayerOutcome {
  readonly metric: 'logitLens' | 'logitLensErasure';
  readonly set: EvaluationSet;
  /** From 0; absent for a figure of all layers. */
  readonly layer?: number;
  readonly outcome: Outcome;
}

/** Readings of a set's items by layer; in words, why there are none. */
function readingsOf(subject: Subject, set: EvaluationSet, log: EvaluationLog): readonly (readonly number[])[] | string {
  const items = itemsOf(subject, set, log);
  if (typeof items === 'string') return items;
  const readings = items.flatMap(({ layerLogProbability }) => (layerLogProbability ? [layerLogProbability] : []));
  return readings.length === items.length ? readings : 'the log has no readings of layers (--logit-lens)';
}

/** The figures of a log that has readings of layers; of one that has not none, or why, where they were asked for. */
export function lensFigures(subject: Subject): LayerOutcome[] {
  return lensSets.flatMap((set): LayerOutcome[] => {
    const readings = readingsOf(subject, set, subject.log);
    if (typeof readings === 'string') {
      // Who names the original asks for it, and is told why there is none.
      return set === 'forget' && subject.original ? [{ metric: 'logitLensErasure', set, outcome: readings }] : [];
    }
    const groups = [{ name: set, size: readings.length }];
    const layers = readings[0]!.map((_, layer): LayerOutcome => {
      const values = readings.map((reading) => reading[layer]!);
      return { metric: 'logitLens', set, layer, outcome: { groups, figure: ([drawn]) => meanOf(values, drawn!) } };
    });
    const summary: LayerOutcome[] =
      set === 'forget' ? [{ metric: 'logitLensErasure', set, outcome: erasure(subject, readings) }] : [];
    return [...summary, ...layers];
  });
}

function erasure(subject: Subject, unlearned: readonly (readonly number[])[]): Outcome {
  const { original, reference } = subject;
  if (!original) return 'it needs the log of the model before unlearning, with readings of layers (--original-log)';
  if (!reference) return 'it needs the log of a retrained model, with readings of layers (--retain-log)';
  const [ofOriginal, retrained] = [readingsOf(subject, 'forget', original), readingsOf(subject, 'forget', reference)];
  if (typeof ofOriginal === 'string') return `the log of the original: ${ofOriginal}`;
  if (typeof retrained === 'string') return `the reference log: ${retrained}`;
  const layers = [ofOriginal, retrained, unlearned].map((readings) => readings[0]!.length);
  if (new Set(layers).size > 1) return `the models have ${layers.join(', ')} layers; it needs as many of each`;
  const all = unlearned.map((own, i) =>
    logitLensErasure({ original: ofOriginal[i]!, retrained: retrained[i]!, unlearned: own }),
  );
  const values = all.filter((value) => value !== undefined);
  if (values.length === 0) return 'the original is ahead of the retrained model at no layer';
  const left = all.length - values.length;
  return {
    groups: [{ name: left === 0 ? 'forget' : 'forget with a lead', size: values.length }],
    figure: ([drawn]) => meanOf(values, drawn!),
    ...(left === 0
      ? {}
      : { note: `of ${left} of ${all.length} answers the original is ahead of the retrained model at no layer` }),
  };
}
