/**
 * Generation: what is asked for, checked, and how the engine does it in groups of prompts.
 *
 * @module
 */

import { checkSignal } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import { randomStream } from '../core/random.ts';
import type { GenerateOptions } from '../model/contract.ts';
import { cancellableCall } from './cancellable-call.ts';
import { nativeEngine } from './engine.ts';
import type { ModelMemory } from './model-memory.ts';
import { generateInGroups } from './prompt-groups.ts';

const largestToken = 2 ** 31 - 1;

interface CheckedGenerateOptions {
  readonly maxNewTokens: number;
  readonly stopTokens: Int32Array;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: bigint;
  readonly signal: AbortSignal | undefined;
}

/** @throws SoulError SOUL_INVALID_ARGUMENT */
function checkGenerateOptions(options: GenerateOptions): CheckedGenerateOptions {
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

/** As `TorchLM.generate`. */
export async function generateWith(
  memory: ModelMemory,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
): Promise<number[][]> {
  const handle = memory.use();
  const settings = checkGenerateOptions(options);
  const stream = randomStream(settings.seed, 'generation');
  checkPrompts(prompts);
  const { layers, keyValueHeads, headSize, maxPositions } = memory.shape.config;
  const bytesPerElement = memory.parameters.values.dtype === 'f32' ? 4 : 2;
  const bounds = { bytesPerToken: 2 * bytesPerElement * layers * keyValueHeads * headSize, maxPositions };
  return generateInGroups(prompts, settings.maxNewTokens, bounds, async (group, finished) => {
    const { tokens, offsets, indexes, maxNewTokens } = group;
    const seeds = BigUint64Array.from(indexes, (index) => stream.seed64(0, index));
    const { stopTokens, temperature, topP } = settings;
    const what = `generation, after ${finished} of ${prompts.length} prompts,`;
    const generated = await cancellableCall(settings.signal, what, (cancelled) =>
      nativeEngine().generate(
        handle,
        tokens,
        offsets,
        stopTokens,
        seeds,
        { maxNewTokens, temperature, topP },
        cancelled,
      ),
    );
    memory.use();
    return generated;
  });
}

/** @throws SoulError SOUL_INVALID_ARGUMENT */
function checkPrompts(prompts: readonly (readonly number[])[]): void {
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
