/**
 * Checks what is to be generated.
 *
 * @module
 */

import { checkSignal } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import type { GenerateOptions } from '../model/contract.ts';

const largestToken = 2 ** 31 - 1;

export interface CheckedGenerateOptions {
  readonly maxNewTokens: number;
  readonly stopTokens: Int32Array;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: bigint;
  readonly signal: AbortSignal | undefined;
}

/** @throws SoulError SOUL_INVALID_ARGUMENT */
export function checkGenerateOptions(options: GenerateOptions): CheckedGenerateOptions {
  if (typeof options !== 'object' || options === null) throw invalidArgument('options', 'an object', options);
  const { maxNewTokens, stopTokens = [], temperature = 0, topP = 1, seed = 0n } = options;
  checkInteger('maxNewTokens', maxNewTokens, { high: largestToken });
  if (!Array.isArray(stopTokens)) throw invalidArgument('stopTokens', 'an array of tokens', stopTokens);
  for (const [i, token] of stopTokens.entries()) checkToken(token, `stopTokens[${i}]`);
  if (typeof temperature !== 'number' || !(temperature >= 0 && temperature < 1e30)) {
    throw invalidArgument('temperature', '0 (greedy) or a positive number', temperature);
  }
  if (typeof topP !== 'number' || !(topP > 0 && topP <= 1)) {
    throw invalidArgument('topP', 'above 0 and at most 1', topP);
  }
  if (typeof seed !== 'bigint') throw invalidArgument('seed', 'a bigint', seed);
  const signal = checkSignal('signal', options.signal);
  return { maxNewTokens, stopTokens: Int32Array.from(stopTokens), temperature, topP, seed, signal };
}

/** @throws SoulError SOUL_INVALID_ARGUMENT */
export function checkPrompts(prompts: readonly (readonly number[])[]): void {
  if (!Array.isArray(prompts)) throw invalidArgument('prompts', 'an array of token arrays', prompts);
  for (const [i, prompt] of prompts.entries()) {
    if (!Array.isArray(prompt) || prompt.length === 0) {
      throw invalidArgument(`prompts[${i}]`, 'an array of at least one token', prompt);
    }
    for (const [t, token] of prompt.entries()) checkToken(token, `prompts[${i}][${t}]`);
  }
}

function checkToken(token: unknown, name: string): void {
  checkInteger(name, token, { low: 0, high: largestToken });
}
