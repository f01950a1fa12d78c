/**
 * What a run costs: the mean over the trials of a draw that did not diverge, chosen or not, since all take the same steps.
 *
 * @module
 */

import type { TrialRecord } from '../../trial/record.ts';
import { meanOf } from '../student-t.ts';
import type { DrawOutcome, FigureDefinition } from './figure.ts';

export const secondsFigure: FigureDefinition = {
  name: 'seconds',
  label: 'time a run',
  text: 'Seconds of the descent with its curvature estimates, without evaluations.',
  better: 'lower',
  unit: 'seconds',
  of: ofTrials(({ cost }) => cost.seconds),
};

export const secondsPerStepFigure: FigureDefinition = {
  name: 'secondsPerStep',
  label: 'time a step',
  text: 'The same over the number of steps.',
  better: 'lower',
  unit: 'seconds',
  of: ofTrials(({ cost, steps }) => (steps > 0 ? cost.seconds / steps : undefined)),
};

export const processorSecondsFigure: FigureDefinition = {
  name: 'processorSeconds',
  label: 'processor time a run',
  text: 'Seconds of all threads together, likewise.',
  better: 'lower',
  unit: 'seconds',
  of: ofTrials(({ cost }) => cost.processorSeconds),
};

export const peakMemoryFigure: FigureDefinition = {
  name: 'peakMemory',
  label: 'peak memory',
  text: 'Resident memory of the process at its height during the descent.',
  better: 'lower',
  unit: 'bytes',
  of: ofTrials(({ cost }) => cost.peakMemory),
};

export const estimateShareFigure: FigureDefinition = {
  name: 'estimateShare',
  label: 'time for estimates',
  text: 'Share of the time that curvature estimates take.',
  better: 'neither',
  unit: 'share',
  of: ofTrials(({ cost }) => cost.estimateShare),
};

function ofTrials(of: (record: TrialRecord) => number | undefined): (outcome: DrawOutcome) => number | undefined {
  return ({ trials }) => {
    const values = trials
      .filter(({ outcome }) => outcome === 'done')
      .map(of)
      .filter((value) => value !== undefined);
    return values.length > 0 ? meanOf(values) : undefined;
  };
}
