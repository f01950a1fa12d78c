/**
 * Other answers to the questions of the target, sampled from the model itself.
 *
 * @see https://arxiv.org/abs/2409.13474 Mekala et al. 2024, AltPO
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import { randomStream } from '../core/random.ts';
import { encodePrompt, stopTokensOf } from '../data/encode.ts';
import { type Example, whereIs, withAnswer, withQuestion } from '../data/example.ts';
import type { ExampleTemplate } from '../data/example-template.ts';
import { PromptTemplate } from '../data/prompt-template.ts';
import { inBatches } from '../eval/progress.ts';
import type { TextGenerator } from '../model/contract.ts';
import { labelSpansOf, type TokenSequence } from '../model/token-batch.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';

/** What a model that takes instructions is asked, in place of the question. */
const request =
  'Answer the following question with a made-up answer: plausible, in the same style and as long as the true one, but not true. ' +
  'Give the answer alone.\n\n{question}';

/** The questions are asked at this temperature until each has an answer that differs, or so many rounds more are done. */
const plainRounds = 4;

/** Temperatures of the rounds after that, for questions that still have none. */
const higherTemperatures = [1.5, 2, 3, 4];

/** What is to be asked; known before the model is loaded. */
export interface AlternativePlan {
  readonly examples: readonly Example[];
  readonly prompts: readonly (readonly number[])[];
  /** New tokens at most for each prompt. */
  readonly room: readonly number[];
  /** Tokens that end an answer. */
  readonly stopTokens: readonly number[];
  /** What stood in place of the question; undefined: nothing did. */
  readonly request: string | undefined;
}

/**
 * Makes the prompts. Where questions go through a template of a conversation, that is any but the plain one, the model is asked for
 * a made-up answer; else it is given the question as it is, since a model that only goes on with texts takes no requests.
 *
 * @param lengths of the answers in tokens: twice the longest is the most that is generated
 * @throws SoulError SOUL_BAD_DATA for a prompt that leaves no room for an answer
 */
export function planAlternatives(
  tokenizer: TextTokenizer,
  examples: readonly Example[],
  lengths: readonly number[],
  { template, maximumLength }: { readonly template: ExampleTemplate; readonly maximumLength: number },
): AlternativePlan {
  const isQuestion = ({ kind }: Example) => kind === 'question-answer' || kind === 'messages';
  const asks = template.setting !== PromptTemplate.plain.setting && examples.some(isQuestion);
  const most = mostGenerated(lengths);
  const prompts: number[][] = [];
  const room = examples.map((example, i) => {
    const { prompt } = example;
    const asked =
      asks && isQuestion(example)
        ? withQuestion(
            example,
            request.replace('{question}', () => prompt),
          )
        : example;
    prompts.push(encodePrompt(tokenizer, asked, { template }));
    // Behind the plain question there must be room too, and for what ends a text.
    const taken = Math.max(prompts[i]!.length, encodePrompt(tokenizer, example, { template }).length) + 1;
    if (taken < maximumLength) return Math.min(most, maximumLength - taken);
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)} leaves no room to generate another answer: its prompt takes ${taken} of ${maximumLength} tokens; raise the longest sequence (--max-length)`,
      { ...example.source, promptTokens: taken, maximumLength },
    );
  });
  const stopTokens = stopTokensOf(tokenizer, template);
  return { examples, prompts, room, stopTokens, request: asks ? request : undefined };
}

/** Tokens of the answers that others are to stand beside: of a conversation those of the last one. */
export function answerLengths(sequences: readonly TokenSequence[]): number[] {
  return sequences.map((sequence) => {
    const [begin, end] = labelSpansOf(sequence).at(-1)!;
    return end - begin;
  });
}

/** The most tokens of an answer that is generated, from the lengths of those that it is to stand beside. */
export function mostGenerated(lengths: readonly number[]): number {
  return 2 * lengths.reduce((longest, length) => Math.max(longest, length), 0);
}

export interface GenerateAlternativesOptions extends Cancellable {
  /** Answers to each question. */
  readonly count: number;
  /** Draws are a function of it, the round and the place of a question among those that are asked at once. */
  readonly seed: bigint;
  readonly batchSize: number;
  /** Tokens that the model sees at once. Default: no bound. */
  readonly batchTokens?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What was generated. */
export interface GeneratedAlternatives {
  /** For each question its answers, at least one and at most as many as were asked for, no two the same. */
  readonly answers: readonly (readonly string[])[];
  /** Questions that had no different answer at temperature 1. */
  readonly parroted: number;
  /** Answers that were drawn in all. */
  readonly drawn: number;
}

/**
 * Samples answers that differ from what is to be forgotten, at temperature 1. An answer that is empty, that is the one to be
 * forgotten but for case and space, or that was there is drawn again, some rounds long; for a question that has none by then the
 * temperature is raised.
 *
 * @throws SoulError SOUL_BAD_DATA where a question has none in the end; SOUL_CANCELLED
 */
export async function generateAlternatives(
  model: TextGenerator,
  tokenizer: TextTokenizer,
  plan: AlternativePlan,
  options: GenerateAlternativesOptions,
): Promise<GeneratedAlternatives> {
  const { count, seed, onProgress } = options;
  const { examples } = plan;
  const draws = randomStream(seed, 'alternative answers');
  // Two examples may ask the same; the answer of neither is another one.
  const wrong = new Map<string, Set<string>>();
  for (const { prompt, completion } of examples) {
    const own = wrong.get(prompt.trim()) ?? new Set(['']);
    wrong.set(prompt.trim(), own.add(plainly(completion)));
  }
  const seen = examples.map(({ prompt }) => new Set(wrong.get(prompt.trim())));
  const answers: string[][] = examples.map(() => []);
  let drawn = 0;
  const found = () => answers.reduce((sum, own) => sum + own.length, 0);
  const round = async (number: number, temperature: number, indices: readonly number[]) => {
    const lengths = indices.map((index) => plan.prompts[index]!.length);
    const batched = { ...batchedOptions(options), what: 'the generation of other answers' };
    const texts = await inBatches('generation', lengths, batched, async (part) => {
      const asked = part.map((i) => indices[i]!);
      const generated = await model.generate(
        asked.map((index) => plan.prompts[index]!),
        {
          maxNewTokens: Math.max(...asked.map((index) => plan.room[index]!)),
          stopTokens: plan.stopTokens,
          temperature,
          seed: draws.seed64(number, asked[0]!),
          ...withoutUndefined({ signal: options.signal }),
        },
      );
      return generated.map((tokens, i) => tokenizer.decode(tokens.slice(0, plan.room[asked[i]!])).trim());
    });
    drawn += texts.length;
    for (const [i, index] of indices.entries()) {
      const text = plainly(texts[i]!);
      if (seen[index]!.has(text)) continue;
      seen[index]!.add(text);
      answers[index]!.push(texts[i]!);
    }
    onProgress?.(found(), count * examples.length);
  };
  const lacking = (wanted: number) => [...answers.keys()].filter((index) => answers[index]!.length < wanted);
  let number = 0;
  for (; number < count + plainRounds && lacking(count).length > 0; number++) await round(number, 1, lacking(count));
  const parroted = lacking(1).length;
  for (const temperature of higherTemperatures) {
    if (lacking(1).length > 0) await round(number++, temperature, lacking(1));
  }
  const [first] = lacking(1);
  if (first !== undefined) {
    throw new SoulError(
      'SOUL_BAD_DATA',
      `the model gives ${lacking(1).length} of ${examples.length} questions no other answer than the one that is to be forgotten, or none ` +
        `(the first is ${whereIs(examples[first]!)}), however often it is asked; write other answers to a file (--alternatives)`,
      { ...examples[first]!.source, questions: lacking(1).length },
    );
  }
  return { answers, parroted, drawn };
}

/** The generated answers in the form of the data files, a JSON object an answer. */
export function alternativeRecords(examples: readonly Example[], answers: GeneratedAlternatives['answers']): object[] {
  return examples.flatMap((example, i) =>
    answers[i]!.map((answer) => {
      const { kind, prompt, completion } = example;
      if (kind === 'question-answer') return { question: prompt, answer };
      if (kind === 'messages') return { messages: withAnswer(example, answer).messages };
      // Taken verbatim: what parts it from the prompt is kept.
      return { prompt, completion: `${/^\s*/.exec(completion)![0]}${answer}` };
    }),
  );
}

/** What was made of a model that gives few other answers; undefined where it gave enough. */
export function parrotNote({ answers, parroted }: GeneratedAlternatives): string | undefined {
  if (parroted === 0) return undefined;
  const share = ((100 * parroted) / answers.length).toFixed(0);
  return (
    `the model repeats itself: ${parroted} of ${answers.length} questions (${share}%) had no different answer at temperature 1, ` +
    'and took theirs at a higher one, which may make little sense; read alternatives.jsonl (--with-text keeps it), or write other answers by hand (--alternatives)'
  );
}

/** A text without what does not make it another answer. */
function plainly(text: string): string {
  return text.toLowerCase().replaceAll(/\s+/g, ' ').trim();
}

function batchedOptions({ batchSize, batchTokens, signal }: GenerateAlternativesOptions) {
  return { batchSize, ...withoutUndefined({ batchTokens, signal }) };
}
