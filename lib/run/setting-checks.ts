/**
 * Checks of a run's settings that need neither the data nor the model.
 *
 * @module
 */

import { checkBoolean, checkChoice, checkInteger, checkNumber, checkSeed } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import { checkAlgorithm } from '../unlearn/algorithm.ts';
import { patternOf } from '../unlearn/setting.ts';
import { optimizerNames } from './optimizer-choice.ts';

/** Throws where a value is not what a setting of that name must be. */
export type SettingCheck = (value: unknown, name: string) => unknown;

/** What each setting must be; those of optimizer, method and curvature are checked where their defaults are. */
export const settingChecks = {
  model: checkPath,
  target: checkPath,
  retain: checkPath,
  out: checkPath,
  refusals: checkPath,
  alternatives: checkPath,
  method: (value, name) => typeof value === 'string' || checkIsAlgorithm(value, name),
  algorithmFile: checkPath,
  methodSettings: () => {},
  optimizer: (value, name) => checkChoice(name, value, Object.keys(optimizerNames)),
  optimizerSettings: () => {},
  curvature: () => {},
  hessianData: () => {},
  epochs: (value, name) => checkNumber(name, value, { lowExclusive: true }),
  steps: (value, name) => checkInteger(name, value),
  trainable: (value, name) => patternOf(name, value),
  batchSize: (value, name) => checkInteger(name, value),
  microBatchSize: (value, name) => checkInteger(name, value),
  pairing: (value, name) => checkChoice(name, value, ['fresh', 'fixed']),
  schedule: (value, name) => checkChoice(name, value, ['constant', 'linear', 'cosine']),
  warmup: (value, name) => checkNumber(name, value, { high: 1 }),
  template: checkText,
  maximumLength: (value, name) => checkInteger(name, value, { low: 2 }),
  seed: (value, name) => checkSeed(name, value),
  evaluate: (value, name) => checkInteger(name, value, { low: 0 }),
  allowTruncation: (value, name) => checkBoolean(name, value),
  allowOverlap: (value, name) => checkBoolean(name, value),
  overwrite: (value, name) => checkBoolean(name, value),
  load: () => {},
} satisfies Record<string, SettingCheck>;

function checkIsAlgorithm(value: unknown, name: string): void {
  const found = typeof value === 'object' && value !== null ? value : {};
  if ('run' in found) checkAlgorithm(name, found);
  else if (!('terms' in found))
    throw invalidArgument(name, "the name of a method, one as method('npo') makes it, or an algorithm", value);
}

function checkText(value: unknown, name: string): void {
  if (typeof value !== 'string') throw invalidArgument(name, 'a text', value);
}

function checkPath(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) throw invalidArgument(name, 'a path', value);
}
