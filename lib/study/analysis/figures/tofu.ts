/**
 * TOFU's figures at the end, as SOUL's table 2 has them, where a study asks for them: all but its accuracy and membership inference, which
 * need an embedder and a holdout set. `soul compare --table soul` has those of models.
 *
 * @module
 */

import type { StudyFigure } from '../summary.ts';
import { type FigureDefinition, ofEnd } from './figure.ts';

/** By the name that `soul eval --tofu` gives them. */
const names: readonly [metric: string, label: string, better: StudyFigure['better'], unit: StudyFigure['unit']][] = [
  ['forgetQuality', 'forget quality', 'higher', 'probability'],
  ['rougeLRecall/forget', 'ROUGE-L, forget', 'lower', 'share'],
  ['modelUtility', 'model utility', 'higher', 'share'],
  ['rougeLRecall/retain', 'ROUGE-L, retain', 'higher', 'share'],
  ['containsAnswer/realAuthors', 'accuracy, authors', 'higher', 'share'],
  ['rougeLRecall/realAuthors', 'ROUGE-L, authors', 'higher', 'share'],
  ['containsAnswer/worldFacts', 'accuracy, facts', 'higher', 'share'],
  ['rougeLRecall/worldFacts', 'ROUGE-L, facts', 'higher', 'share'],
];

export const tofuFigures: readonly FigureDefinition[] = names.map(([metric, label, better, unit]) => ({
  name: `tofu/${metric}`,
  label,
  text: `${metric} of TOFU's evaluation at the end, as soul eval --tofu computes it.`,
  better,
  unit,
  of: ofEnd(({ tofu }) => tofu?.[metric]),
  ofReference: ({ name, record: { referenceTofu } }) => referenceTofu?.[name]?.[metric],
}));
