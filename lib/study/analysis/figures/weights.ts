/**
 * What became of the weights.
 *
 * @module
 */

import { meanOf } from '../student-t.ts';
import { type FigureDefinition, ofEnd } from './figure.ts';

export const movedFigure: FigureDefinition = {
  name: 'moved',
  label: 'weights moved',
  text: "Share of the weights whose value at the end differs from the start's.",
  better: 'neither',
  unit: 'share',
  of: ofEnd(({ moved }) => moved),
};

export const distanceOfWeightsFigure: FigureDefinition = {
  name: 'distance',
  label: 'distance',
  text: "Euclidean distance of the weights at the end to the start's.",
  better: 'neither',
  unit: 'number',
  of: ofEnd(({ distance }) => distance),
};

export const clippedFigure: FigureDefinition = {
  name: 'clipped',
  label: 'weights clipped',
  text: 'Share of the weights whose step the optimizer clipped, mean over the run, outside of the embeddings where that is known.',
  better: 'neither',
  unit: 'share',
  of: ofEnd(({ clipped = [] }) =>
    clipped.length > 0 ? meanOf(clipped.map(({ share, outsideEmbeddings }) => outsideEmbeddings ?? share)) : undefined,
  ),
};
