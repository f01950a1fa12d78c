/**
 * What attacks bring back, in the field's figures (lib/attack/robustness.ts).
 *
 * @module
 */

import { overallRobustness, quantizationRobustness, relearningRobustness } from '../../../attack/robustness.ts';
import type { TrialRecord } from '../../trial/record.ts';
import type { Levels } from '../score.ts';
import { type FigureDefinition, ofEnd } from './figure.ts';

export const relearnFigure: FigureDefinition = {
  name: 'relearn',
  label: 'forget after relearning',
  text: 'Mean probability of the answers to forget that relearning was not shown, after it.',
  better: 'lower',
  unit: 'probability',
  of: ofEnd(({ attacks }) => attacks?.relearn?.forget.test),
  ofReference: ({ name, record }) => (name === 'retrained' ? record.retrainedAttacks?.relearn?.forget.test : undefined),
};

export const nf4Figure: FigureDefinition = {
  name: 'nf4',
  label: 'forget after NF4',
  text: 'Mean probability of the answers to forget after quantisation to four bits.',
  better: 'lower',
  unit: 'probability',
  of: ofEnd(({ attacks }) => attacks?.nf4?.forget.test),
  ofReference: ({ name, record }) => (name === 'retrained' ? record.retrainedAttacks?.nf4?.forget.test : undefined),
};

export const relearnRobustnessFigure: FigureDefinition = {
  name: 'relearnRobustness',
  label: 'R',
  text: "Robustness to relearning: what the retrained model gains by it over what the unlearned one gains, at most 1 (Dorna et al., 2025, equation 2, of the forget set's probability).",
  better: 'higher',
  unit: 'share',
  of: ofEnd(ofRelearning),
};

export const quantizationRobustnessFigure: FigureDefinition = {
  name: 'quantizationRobustness',
  label: 'Q',
  text: "Robustness to quantisation: the forget set's probability before it over that after it, at most 1 (Dorna et al., 2025, equation 3).",
  better: 'higher',
  unit: 'share',
  of: ofEnd(ofQuantization),
};

export const robustnessFigure: FigureDefinition = {
  name: 'robustness',
  label: 'HM(R, Q)',
  text: 'Harmonic mean of both (Dorna et al., 2025, equation 4).',
  better: 'higher',
  unit: 'share',
  of: ofEnd((record, test) => {
    const [relearning, quantization] = [ofRelearning(record, test), ofQuantization(record, test)];
    if (relearning === undefined || quantization === undefined) return undefined;
    return overallRobustness(relearning, quantization);
  }),
};

function ofRelearning({ attacks, retrained, retrainedAttacks }: TrialRecord, { forget }: Levels): number | undefined {
  const [after, retrainedAfter] = [attacks?.relearn, retrainedAttacks?.relearn];
  if (after === undefined || retrained === undefined || retrainedAfter === undefined) return undefined;
  return relearningRobustness(
    { before: forget, after: after.forget.test },
    { before: retrained.test.forget, after: retrainedAfter.forget.test },
  );
}

function ofQuantization({ attacks }: TrialRecord, { forget }: Levels): number | undefined {
  return attacks?.nf4 && quantizationRobustness({ before: forget, after: attacks.nf4.forget.test });
}
