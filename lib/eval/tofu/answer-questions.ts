/**
 * What a model answers to TOFU's questions.
 *
 * @module
 */

import { withoutUndefined } from '../../core/optional.ts';
import { encodePrompt } from '../../data/encode.ts';
import type { Example } from '../../data/example.ts';
import type { ExampleTemplate } from '../../data/example-template.ts';
import { tokensBefore } from '../../data/guardrail-template.ts';
import { batchParts } from '../../model/batch-parts.ts';
import type { TextGenerator } from '../../model/contract.ts';
import type { TextTokenizer } from '../../model/tokenizer.ts';
import { type GeneratedAnswer, generationRouge } from '../generation.ts';
import type { RecordingConventions } from '../profiles.ts';
import { inJournal, type PartOptions } from './in-journal.ts';
import type { LogItem } from './log.ts';
import type { Asked } from './questions.ts';

/** Who answers, and how it is asked. */
export interface Answering {
  readonly model: TextGenerator;
  readonly tokenizer: TextTokenizer;
  readonly template: ExampleTemplate;
  readonly recording: RecordingConventions;
}

export type Question = Pick<Asked, 'set' | 'index' | 'example'>;

/** What of an item generating gives. */
export type Generated = Pick<LogItem, 'texts' | 'rouge1Recall' | 'rougeLRecall'>;

/** Greedy answers, in batches of prompts of like length. */
export function answerQuestions(
  phase: 'generation' | 'paraphrasedGeneration',
  questions: readonly Question[],
  { model, tokenizer, template, recording }: Answering,
  options: PartOptions,
): Promise<Generated[]> {
  const { batchSize: examples = 16, batchTokens: tokens, signal } = options;
  const { maximumNewTokens: maxNewTokens, maximumTotalTokens } = recording;
  const maxTotalTokens = maximumTotalTokens && maximumTotalTokens + tokensBefore(tokenizer, template);
  const lengths = questions.map(({ example }) => [encodePrompt(tokenizer, example, { template }).length]);
  const parts = batchParts(lengths, { examples, tokens });
  return inJournal(phase, questions, parts, options, async (items) => {
    const answers = await generationRouge(
      model,
      tokenizer,
      items.map(({ example }) => example),
      { batchSize: items.length, maxNewTokens, template, ...withoutUndefined({ maxTotalTokens, signal }) },
    );
    return items.map(({ example }, i) => generatedOf(example, template, answers[i]!));
  });
}

/** An answer with its question, or a question that nobody answered. */
export function generatedOf(example: Example, template: ExampleTemplate, generated?: GeneratedAnswer): Generated {
  const { generation = '', ...rouge } = generated ?? {};
  // What a guardrail puts before every question stands in the record of the template.
  const { prompt } = (template.base ?? template).render(example);
  return { texts: { prompt, generation, answer: example.completion }, ...rouge };
}
