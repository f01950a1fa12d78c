/**
 * What the trials of one model and split share: data as tokens, what is measured, and the models that they begin with.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import type { EncodedExample } from '../../data/encode.ts';
import type { ExampleTemplate } from '../../data/example-template.ts';
import type { TofuSets } from '../../eval/tofu/sets.ts';
import type { HuggingFaceTokenizer } from '../../model/tokenizer.ts';
import type { DataSets } from '../../unlearn/source.ts';
import type { StudyModel, StudySplit } from '../definition/study.ts';
import type { MeasuredItems } from './halves.ts';

/** A model and a split of a study. */
export interface StudyPair {
  readonly model: StudyModel;
  readonly split: StudySplit;
}

export interface StudyWorld extends StudyPair {
  /** Where models and figures that it made lie. */
  readonly folder: string;
  /** Folder of the model that trials begin with. */
  readonly original: string;
  /** Folder of the model that never saw the forget set. */
  readonly retrained?: string;
  readonly tokenizer: HuggingFaceTokenizer;
  readonly template: ExampleTemplate;
  /** Longest sequence, in tokens. */
  readonly maximumLength: number;
  readonly sets: DataSets & { readonly retain: readonly EncodedExample[] };
  readonly measured: Readonly<Record<'forget' | 'retain', MeasuredItems>>;
  /** Answers of sets that no step uses, by their names. */
  readonly utility: Readonly<Record<string, readonly EncodedExample[]>>;
  readonly tofu?: TofuSets;
  /** Digest of the bytes of data and models that everything here was made from. */
  readonly from: string;
  /**
   * Refuses data with a token beyond a vocabulary of this size.
   *
   * @throws SoulError SOUL_BAD_DATA
   */
  checkTokens(vocabularySize: number): void;
}

/** SHA-256 of a value's JSON, in hexadecimal; of bigints their decimal digits. */
export function digestOf(value: unknown): string {
  const text = JSON.stringify(value, (_key, entry) => (typeof entry === 'bigint' ? String(entry) : entry));
  return createHash('sha256').update(text).digest('hex');
}

/** What a model and split are called together, in names of files. */
export function pairName({ model, split }: StudyPair): string {
  return `${model.name}.${split.name}`;
}
