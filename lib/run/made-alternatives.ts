/**
 * Other answers that a run lets its model make before the first step, and keeps in a file.
 *
 * @module
 */

import { withoutUndefined } from '../core/optional.ts';
import type { TextGenerator } from '../model/contract.ts';
import type { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import type { RunEvent } from '../unlearn/events.ts';
import { type RunSets, withAlternatives } from './data-sets.ts';
import {
  type AlternativePlan,
  alternativeRecords,
  answerLengths,
  type GeneratedAlternatives,
  generateAlternatives,
  parrotNote,
  planAlternatives,
} from './generate-alternatives.ts';
import type { CompleteRunSettings } from './settings.ts';

/** What the model is to be asked; undefined where it makes no answers. */
export function planOfRun(
  tokenizer: HuggingFaceTokenizer,
  { target, encoding }: RunSets,
  { generateAlternatives: count }: CompleteRunSettings,
): AlternativePlan | undefined {
  if (count === undefined) return undefined;
  return planAlternatives(tokenizer, target.items, answerLengths(target.encoded), encoding);
}

export interface MadeAlternatives {
  /** With what was read back from the file: a run from that file is the same. */
  readonly sets: RunSets;
  readonly generated: GenerationSummary;
}

/** How other answers were made. */
export interface GenerationSummary extends Pick<GeneratedAlternatives, 'parroted' | 'drawn'> {
  readonly questions: number;
  /** What the model was asked in place of a question; absent where it was the question. */
  readonly request?: string;
}

/**
 * Generates, writes and reads back.
 *
 * @param open makes the file; gives its path, and what adds a line
 * @throws SoulError of {@link generateAlternatives}
 */
export async function makeAlternatives(
  model: TextGenerator,
  tokenizer: HuggingFaceTokenizer,
  plan: AlternativePlan,
  sets: RunSets,
  { generateAlternatives: count = 1, seed, microBatchSize: batchSize, batchTokens }: CompleteRunSettings,
  open: () => { readonly path: string; readonly add: (record: object) => void },
  {
    signal,
    onEvent,
  }: { readonly signal?: AbortSignal | undefined; readonly onEvent?: ((event: RunEvent) => void) | undefined },
): Promise<MadeAlternatives> {
  const generated = await generateAlternatives(model, tokenizer, plan, {
    count,
    seed,
    batchSize,
    onProgress: (done, total) => onEvent?.({ kind: 'progress', what: 'generating other answers', done, total }),
    ...withoutUndefined({ batchTokens, signal }),
  });
  const { path, add } = open();
  for (const record of alternativeRecords(plan.examples, generated.answers)) add(record);
  const onNote = (text: string) => onEvent?.({ kind: 'note', text });
  const note = parrotNote(generated);
  if (note !== undefined) onNote(note);
  return {
    sets: await withAlternatives(sets, path, tokenizer, onNote),
    generated: {
      questions: generated.answers.length,
      parroted: generated.parroted,
      drawn: generated.drawn,
      ...withoutUndefined({ request: plan.request }),
    },
  };
}
