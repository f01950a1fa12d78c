/**
 * TOFU's evaluation of models in folders, kept on the way and in a log at the end.
 *
 * @module
 */

import { withoutUndefined } from '../core/optional.ts';
import { packageVersion } from '../core/package.ts';
import { chooseTemplate, type TemplateChoice } from '../data/choose-template.ts';
import type { ExampleTemplate } from '../data/example-template.ts';
import { tokensBefore } from '../data/guardrail-template.ts';
import type { Embedder } from '../eval/embedding/embedder.ts';
import { evaluationProfile, type ProfileName } from '../eval/profiles.ts';
import type { EvaluationProgress } from '../eval/progress.ts';
import { evaluateTofu } from '../eval/tofu/evaluate-tofu.ts';
import { EvaluationJournal } from '../eval/tofu/journal.ts';
import type { EvaluationLog } from '../eval/tofu/log.ts';
import type { TofuSets } from '../eval/tofu/sets.ts';
import { writeEvaluationLog } from '../eval/tofu/write-log.ts';
import { readModelConfig } from '../model/config.ts';
import { openOneOf, tokenizerOf } from '../model/open-model-folder.ts';
import type { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import { checksumsWithBase } from '../run/checksums.ts';
import type { RunnableModel } from '../run/runnable-model.ts';
import type { Progress } from './progress.ts';

/** How models are asked. */
export interface AskingOptions extends TemplateChoice {
  readonly profile: ProfileName;
  readonly dtype?: 'f32' | 'bf16';
  /** Of adapters; default what they name. */
  readonly base?: string;
  readonly limit?: number;
  readonly batchSize: number;
  readonly batchTokens?: number;
  readonly maxLength: number;
  /** Of SOUL's accuracy. */
  readonly embedder?: Embedder | undefined;
  /** Whether answers are read from each layer, too. */
  readonly logitLens?: boolean;
  /** Puts what is to stand before each question over the template of a model that reads so many tokens. */
  readonly guard?: (
    template: ExampleTemplate,
    tokenizer: HuggingFaceTokenizer,
    maximumLength: number,
  ) => Promise<ExampleTemplate>;
}

/** What is needed of a model before it is loaded. */
export interface AskedModel {
  readonly tokenizer: HuggingFaceTokenizer;
  readonly template: ExampleTemplate;
  readonly maximumLength: number;
  /** What its log records beside what every log does. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** All that its figures depend on. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** How it is asked. */
  readonly asking: AskingOptions;
}

/** Reads what there is to know of a model, and hashes it. */
export async function readAskedModel(
  folder: string,
  sets: TofuSets,
  options: AskingOptions,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: Progress },
): Promise<AskedModel> {
  const { profile, dtype = 'f32', limit, batchSize, batchTokens, embedder, logitLens, guard } = options;
  const folders = await openOneOf(folder, options.base);
  const tokenizer = await tokenizerOf(folders);
  const { maxPositions } = await readModelConfig(folders.model);
  const chosen = await chooseTemplate(folders.tokenizer, tokenizer, options);
  const template = (await guard?.(chosen, tokenizer, maxPositions)) ?? chosen;
  progress.log(`template: ${template.name}`);
  const added = tokensBefore(tokenizer, template);
  if (added > 0) progress.log(`before each question: ${added} tokens`);
  progress.phase('hashing the model');
  const checksums = await checksumsWithBase(folder, folders.model, signal);
  const { maximumLength: ofProfile = Infinity } = evaluationProfile(profile).recording;
  const maximumLength = Math.min(maxPositions, added + Math.min(options.maxLength, ofProfile));
  const facts = {
    softwareVersion: `soul-unlearn ${packageVersion}`,
    model: checksums,
    data: sets.sha256,
    dtype,
    maximumLength,
    ...(limit === undefined ? {} : { limit }),
  };
  const settings = {
    ...{ ...facts, profile, split: sets.split, template: template.record, batchSize },
    ...(embedder ? { embedder: embedder.name } : {}),
    ...withoutUndefined({ batchTokens, logitLens }),
  };
  return { tokenizer, template, maximumLength, facts, settings, asking: options };
}

/** A model's log, and what it took. */
export interface Asked {
  readonly log: EvaluationLog;
  readonly seconds: number;
  /** How many were not found before. */
  readonly items: number;
}

/**
 * Asks a model all questions and writes the log; what was found before, and was cut off, is taken from `<file>.partial`.
 *
 * @param work.outcome what of the model is found out before it is asked, for the log
 * @param work.onOpen is done when no other process can make the log any more
 * @param work.phase what its parts are called in progress, in front of their names
 */
export async function askTofu(
  model: RunnableModel,
  asked: AskedModel,
  sets: TofuSets,
  file: string,
  work: {
    readonly signal: AbortSignal;
    readonly progress: Progress;
    readonly outcome?: Readonly<Record<string, unknown>>;
    readonly phase?: string;
    readonly onOpen?: () => Promise<void>;
  },
): Promise<Asked> {
  const { signal, progress, outcome = {}, phase = '' } = work;
  const { tokenizer, template, maximumLength, facts, settings, asking } = asked;
  const { profile, batchSize, batchTokens, embedder, logitLens } = asking;
  const journal = await EvaluationJournal.open(partialOf(file), settings);
  try {
    await work.onOpen?.();
    if (journal.size > 0) progress.log(`going on from ${journal.file}`);
    const begun = performance.now();
    const before = journal.size;
    const log = await evaluateTofu(model, tokenizer, sets, {
      profile,
      template,
      maximumLength,
      batchSize,
      ...withoutUndefined({ batchTokens, embedder, logitLens }),
      journal,
      facts: { ...facts, ...outcome },
      signal,
      onProgress: phases(progress, phase),
    }).catch((error: unknown) => {
      if (journal.size > 0)
        progress.note(`what was found is kept in ${journal.file}: the same command goes on from there`);
      throw error;
    });
    const seconds = (performance.now() - begun) / 1000;
    // As many as the share of the work that was not found done.
    const all = Object.values(log.sets).reduce((sum, ofSet) => sum + ofSet.length, 0);
    const items = (all * (journal.size - before)) / journal.size;
    const { truncated } = log.recorded!;
    if (truncated !== 0)
      progress.note(`${truncated} texts are longer than ${log.recorded!.maximumLength} tokens and lost their end`);
    await writeEvaluationLog(file, log);
    await journal.remove();
    return { log, seconds, items };
  } finally {
    // One without entries would only stand in the way of another evaluation.
    await (journal.size === 0 ? journal.remove() : journal.release());
  }
}

/** Where what is found is kept until the log is written. */
export function partialOf(file: string): string {
  return `${file}.partial`;
}

const phaseNames: Readonly<Record<EvaluationProgress['phase'], string>> = {
  probability: 'scoring answers',
  generation: 'generating answers',
  paraphrasedGeneration: 'answering paraphrased questions',
  embedding: 'comparing answers',
};

/** A phase of the terminal for each of the evaluation. */
function phases(progress: Progress, before: string) {
  let shown: string | undefined;
  return ({ phase, done, total }: EvaluationProgress): void => {
    if (phase !== shown) {
      progress.phase(before + phaseNames[phase]);
      shown = phase;
    }
    progress.update(done, total);
  };
}
