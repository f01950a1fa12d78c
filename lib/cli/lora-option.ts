/**
 * `--lora`: adapters in one word, as `r=16,alpha=32,targets=q_proj+v_proj,rslora`.
 *
 * @module
 */

import { InvalidArgumentError } from 'commander';
import { SoulError } from '../core/errors.ts';
import type { LoraSettings } from '../run/lora-setting.ts';

const form = 'r=16,alpha=32,targets=q_proj+v_proj,rslora, each of which may be left out';

/**
 * @param text empty for the defaults of all
 * @param check refuses values that cannot be
 */
export function parseLora(text: string, check: (value: LoraSettings) => void): LoraSettings {
  const read: { -readonly [Name in keyof LoraSettings]: LoraSettings[Name] } = {};
  const seen = new Set<string>();
  for (const part of text === '' ? [] : text.split(',')) {
    const [name, value, ...more] = part.split('=').map((each) => each.trim());
    if (seen.has(name!)) throw new InvalidArgumentError(`${name} is given twice.`);
    seen.add(name!);
    const isWhole = (value === undefined) === (name === 'rslora') && value !== '' && more.length === 0;
    if (!isWhole || !['r', 'alpha', 'targets', 'rslora'].includes(name!)) {
      const what = part === '' ? 'an empty part' : part;
      throw new InvalidArgumentError(`Expected ${form}, found ${what}; the keys are r, alpha, targets and rslora.`);
    }
    if (name === 'r') read.rank = Number(value);
    else if (name === 'alpha') read.alpha = Number(value);
    else if (name === 'targets') read.targets = value === 'all-linear' ? value : value!.split('+');
    else read.rankStabilised = true;
  }
  try {
    check(read);
    return read;
  } catch (error) {
    if (!(error instanceof SoulError)) throw error;
    const { argument, expected } = error.details;
    const key = String(argument).replace(/^.*\./, '').replace('rank', 'r');
    throw new InvalidArgumentError(`Expected ${expected} for ${key}, as in ${form}.`);
  }
}
