/**
 * The figures of one model on one data set.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { encodeExamples } from '../data/encode.ts';
import type { Example } from '../data/example.ts';
import { checkVocabulary } from '../data/vocabulary.ts';
import type { DifferentiableLM, TextGenerator } from '../model/contract.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import { type GeneratedAnswer, type GenerationOptions, generationOptionNames, generationRouge } from './generation.ts';
import { type ExampleLikelihood, mean, probability } from './probability.ts';
import { rougeSight } from './rouge.ts';

export interface EvaluateOptions extends GenerationOptions {
  /** Longer examples lose tokens at their end; no limit by default. */
  maximumLength?: number;
  /** Whether the model answers too, which takes most of the time; true by default. */
  generate?: boolean;
}

/** The figures of one example; those of generation only where the model answered. */
export interface EvaluatedExample extends ExampleLikelihood, Partial<GeneratedAnswer> {
  readonly prompt: string;
  readonly completion: string;
  readonly source: Example['source'];
}

export interface Evaluation {
  /** How many examples there are. */
  readonly examples: number;
  /** How many of them were cut at `maximumLength`. */
  readonly truncated: number;
  /** Mean over examples of the length-normalised probability. */
  readonly probability: number;
  /** Mean over examples of the mean -log p of their label tokens, in nats. */
  readonly meanNegativeLogLikelihood: number;
  /** Mean over examples of the ROUGE-L recall of greedy answers; absent where the model did not answer. */
  readonly rougeLRecall?: number;
  /**
   * How many examples have a completion without a word of a-z or digits, which counts as 0 in `rougeLRecall` whatever the model
   * answers; present where that is.
   */
  readonly withoutRougeWords?: number;
  /** How many more have fewer than half of their letters and digits in such words; present where `rougeLRecall` is. */
  readonly mostlyWithoutRougeWords?: number;
  /** In the order of the examples. */
  readonly items: readonly EvaluatedExample[];
}

/**
 * Probability and ROUGE-L of a model on a data set, in TOFU's conventions.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT without examples, SOUL_BAD_DATA for one that cannot be encoded or has a token beyond
 *   the model's vocabulary, SOUL_NON_FINITE for a broken model, SOUL_CANCELLED by `options.signal`
 */
export async function evaluate(
  model: Pick<DifferentiableLM, 'score' | 'vocabularySize'> & TextGenerator,
  tokenizer: TextTokenizer,
  examples: readonly Example[],
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  if (examples.length === 0) throw invalidArgument('examples', 'at least one example', examples);
  checkNames('options', options, [...generationOptionNames, 'maximumLength', 'generate']);
  const { maximumLength, generate = true, ...generation } = options;
  const { template, maxNewTokens: _, maxTotalTokens: __, ...batched } = generation;
  const { encoded, truncated } = encodeExamples(tokenizer, examples, {
    ...(template ? { template } : {}),
    ...(maximumLength === undefined ? {} : { maximumLength }),
  });
  if (model.vocabularySize !== undefined) checkVocabulary(tokenizer, examples, encoded, model.vocabularySize);
  const likelihoods = await probability(model, encoded, batched);
  const answers = generate ? await generationRouge(model, tokenizer, examples, generation) : undefined;
  return {
    examples: examples.length,
    truncated,
    probability: mean(likelihoods.map((item) => item.probability)),
    meanNegativeLogLikelihood: mean(likelihoods.map((item) => item.meanNegativeLogLikelihood)),
    ...(answers ? { rougeLRecall: mean(answers.map((answer) => answer.rougeLRecall)), ...countUnseen(examples) } : {}),
    items: examples.map(({ prompt, completion, source }, i) => ({
      prompt,
      completion,
      source,
      ...likelihoods[i]!,
      ...answers?.[i],
    })),
  };
}

function countUnseen(
  examples: readonly Example[],
): Required<Pick<Evaluation, 'withoutRougeWords' | 'mostlyWithoutRougeWords'>> {
  const sights = examples.map(({ completion }) => rougeSight(completion));
  return {
    withoutRougeWords: sights.filter((sight) => sight === 'none').length,
    mostlyWithoutRougeWords: sights.filter((sight) => sight === 'part').length,
  };
}
