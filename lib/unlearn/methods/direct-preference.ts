/**
 * DPO and its kin: another answer is to be preferred to the one that is to be forgotten.
 *
 * @module
 */

import { defineMethod, type LearningRates } from '../algorithm.ts';
import { directPreference } from '../objectives/direct-preference.ts';
import { numberSetting } from '../setting.ts';
import { alternativePairs, refusalPairs, type SourceOf } from '../source.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

const beta = numberSetting('how far the preference may move the model', 0.1, { lowExclusive: true });

function preference<const Name extends string>(text: {
  name: Name;
  summary: string;
  paper: string;
  departures: string;
  source: SourceOf;
  preferred: string;
  learningRates: LearningRates;
}) {
  const { source, preferred, ...told } = text;
  return defineMethod({
    ...told,
    formula:
      'L = -forgetCoefficient * (2 / beta) * mean over questions of log sigmoid(beta * ((nll - nll_0)(answer) ' +
      `- (nll - nll_0)(${preferred}))) + retainCoefficient * CE(retain), nll_0 of the starting model`,
    settings: { forgetCoefficient, ...retainSettings, beta },
    runDefaults,
    advice,
    promises: { forget: 0.7, retain: 0.8 },
    terms: (settings) => [
      {
        name: 'forget',
        source,
        objective: directPreference({ beta: settings.beta }),
        coefficient: settings.forgetCoefficient,
      },
      ...retainTerms(settings),
    ],
  });
}

export const idkdpo = preference({
  name: 'idkdpo',
  summary: 'direct preference optimization: refusals preferred to the answers of the forget set',
  paper: 'Rafailov et al. 2023, arXiv 2305.18290; TOFU, arXiv 2401.06121; open-unlearning (IdkDPO)',
  departures: "TOFU's own dpo branch does not run (it uses undefined labels) and lacks the factor 2 / beta.",
  learningRates: { adamw: 9e-6, sophia: 1.7e-5, 'soul-repo': 6e-6 },
  source: refusalPairs,
  preferred: 'refusal',
});

export const dpo = preference({
  name: 'dpo',
  summary: 'direct preference optimization: other answers, from a file, preferred to those of the forget set',
  paper: 'Rafailov et al. 2023, arXiv 2305.18290',
  departures: "The factor 2 / beta, as in open-unlearning, makes the gradient one of NPO's size; the paper has 1.",
  learningRates: { adamw: 5e-6, sophia: 1.1e-5, 'soul-repo': 3.5e-6 },
  source: alternativePairs,
  preferred: 'other answer',
});
