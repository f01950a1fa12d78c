/**
 * What a model will see of a data set: its texts with the label tokens marked, and what is to be known of it before a run.
 *
 * @module
 */

import { checkInteger } from '../core/checks.ts';
import { SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { labelSpansOf } from '../model/token-batch.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import { carriedTokenNotes } from './carried-tokens.ts';
import { type EncodedExample, encodeExample } from './encode.ts';
import type { Example } from './example.ts';
import type { ExampleTemplate, TemplateRecord } from './example-template.ts';
import { countDuplicates, countOverlap, type Duplicates, type Overlap } from './overlap.ts';

/** A part of a text: label tokens, or tokens between them. */
export interface TextPart {
  readonly text: string;
  readonly isLabel: boolean;
}

/** An example as a model sees it. */
export interface PreviewedExample {
  readonly source: Example['source'];
  readonly kind: Example['kind'];
  readonly tokens: number;
  readonly labels: number;
  /** Tokens that it loses at its end. */
  readonly truncated: number;
  /** One after the other they are the text of its tokens, special tokens in it. */
  readonly parts: readonly TextPart[];
}

/** Of several numbers. */
export interface Spread {
  readonly minimum: number;
  readonly median: number;
  /** At most 5 % are above it. */
  readonly percentile95: number;
  readonly maximum: number;
}

export interface DataPreview {
  readonly examples: number;
  /** How many there are of each kind. */
  readonly kinds: Readonly<Partial<Record<Example['kind'], number>>>;
  readonly template: TemplateRecord;
  /** Of the sequences; absent where no example can be used. */
  readonly tokens?: Spread;
  /** Of their label tokens. */
  readonly labels?: Spread;
  /** Longest sequence; undefined where there is no limit. */
  readonly maximumLength?: number;
  /** Examples that lose their end, and how many tokens in all. */
  readonly truncated: { readonly examples: number; readonly tokens: number; readonly first?: Example['source'] };
  /** Examples that a run would refuse, with the first reason. */
  readonly refused: { readonly examples: number; readonly first?: string };
  readonly duplicates: Duplicates;
  /** What the retain set has of it, where one was given. */
  readonly overlap?: Overlap;
  /** Sentences on what else is there: texts that have the token of their beginning or end themselves. */
  readonly notes: readonly string[];
  /** The first examples. */
  readonly shown: readonly PreviewedExample[];
}

export interface PreviewOptions {
  readonly template: ExampleTemplate;
  /** Longer sequences lose tokens at their end; no limit by default. */
  readonly maximumLength?: number;
  /** Examples of the retain set, to look for the set's own in. */
  readonly retain?: readonly Example[];
  /** How many examples are shown as text; 3 by default. */
  readonly show?: number;
}

/**
 * Encodes a data set as a run does and describes what came of it. What a run would refuse is counted, not thrown.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function previewData(
  tokenizer: TextTokenizer,
  examples: readonly Example[],
  options: PreviewOptions,
): DataPreview {
  checkNames('options', options, ['template', 'maximumLength', 'retain', 'show']);
  const { template, maximumLength, retain, show = 3 } = options;
  checkInteger('show', show, { low: 0 });
  const encoding = { template, ...(maximumLength === undefined ? {} : { maximumLength }) };
  const usable: Example[] = [];
  const encoded: EncodedExample[] = [];
  const reasons: string[] = [];
  for (const example of examples) {
    try {
      encoded.push(encodeExample(tokenizer, example, encoding));
      usable.push(example);
    } catch (error) {
      if (!(error instanceof SoulError) || error.code !== 'SOUL_BAD_DATA') throw error;
      reasons.push(error.message);
    }
  }
  const kinds: Partial<Record<Example['kind'], number>> = {};
  for (const { kind } of examples) kinds[kind] = (kinds[kind] ?? 0) + 1;
  const cut = usable.filter((_, i) => encoded[i]!.truncated > 0);
  return {
    examples: examples.length,
    kinds,
    template: template.record,
    ...(encoded.length > 0
      ? { tokens: spreadOf(encoded.map(({ tokens }) => tokens.length)), labels: spreadOf(encoded.map(labelCount)) }
      : {}),
    ...(maximumLength === undefined ? {} : { maximumLength }),
    truncated: {
      examples: cut.length,
      tokens: encoded.reduce((sum, { truncated }) => sum + truncated, 0),
      ...(cut[0] ? { first: cut[0].source } : {}),
    },
    refused: { examples: reasons.length, ...(reasons[0] === undefined ? {} : { first: reasons[0] }) },
    duplicates: countDuplicates(examples),
    ...(retain ? { overlap: countOverlap(examples, retain) } : {}),
    notes: carriedTokenNotes(tokenizer, template, usable, encoded),
    shown: usable.slice(0, show).map((example, i) => previewed(tokenizer, example, encoded[i]!)),
  };
}

function previewed(tokenizer: TextTokenizer, { source, kind }: Example, encoded: EncodedExample): PreviewedExample {
  const { tokens, truncated } = encoded;
  const textTo = (end: number) => tokenizer.decode(tokens.slice(0, end), { skipSpecialTokens: false });
  const parts: TextPart[] = [];
  let done = 0;
  const add = (end: number, isLabel: boolean) => {
    // Of the whole: a tokenizer may decode the first word of a text otherwise than the same word later on.
    const text = textTo(end).slice(textTo(done).length);
    if (text !== '') parts.push({ text, isLabel });
    done = end;
  };
  for (const [begin, end] of labelSpansOf(encoded)) {
    add(begin, false);
    add(end, true);
  }
  add(tokens.length, false);
  return { source, kind, tokens: tokens.length, labels: labelCount(encoded), truncated, parts };
}

function labelCount(encoded: EncodedExample): number {
  return labelSpansOf(encoded).reduce((count, [begin, end]) => count + end - begin, 0);
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return { minimum: sorted[0]!, median: at(0.5), percentile95: at(0.95), maximum: sorted.at(-1)! };
}
