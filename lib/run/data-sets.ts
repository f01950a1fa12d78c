/**
 * The data of a run: read, compared, and turned into tokens before any model is loaded.
 *
 * @module
 */

import { describe, SoulError } from '../core/errors.ts';
import { carriedTokenNotes } from '../data/carried-tokens.ts';
import { type EncodedExample, encodeExample, encodeExamples } from '../data/encode.ts';
import { type Example, whereIs } from '../data/example.ts';
import { countOverlap, type Overlap } from '../data/overlap.ts';
import type { PromptTemplate } from '../data/prompt-template.ts';
import { type DataFile, readExamples } from '../data/read-examples.ts';
import { readRefusals } from '../data/read-refusals.ts';
import { refusals as builtInRefusals } from '../data/refusals.ts';
import { checkVocabulary } from '../data/vocabulary.ts';
import { readModelLimits } from '../model/model-limits.ts';
import type { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import type { DataSets } from '../unlearn/source.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import { type CompleteRunSettings, neededSets } from './settings.ts';

/** A data file and its examples as tokens. */
export interface EncodedFile extends DataFile<Example> {
  readonly encoded: EncodedExample[];
  /** How many of them lost tokens at their end. */
  readonly truncated: number;
}

/** The data of a run. */
export interface RunSets {
  readonly target: EncodedFile;
  readonly retain?: EncodedFile;
  /** What both have in common. */
  readonly overlap?: Overlap;
  /** The file of refusals, where one was given. */
  readonly refusalFile?: DataFile<string>;
  readonly refusals: NonNullable<DataSets['refusals']>;
  /** The file of other answers, where one was given, and its answers to each target example. */
  readonly alternatives?: { readonly file: DataFile<Example>; readonly sequences: EncodedExample[][] };
  /** The value of the attribute that the algorithm splits the target by, of each target example. */
  readonly groups?: string[];
  /** Longest sequence that the model takes as its config.json says; undefined where it says nothing. */
  readonly modelLimit: number | undefined;
  /**
   * Refuses what has a token beyond a vocabulary of this size.
   *
   * @throws SoulError SOUL_BAD_DATA
   */
  checkTokens(vocabularySize: number): void;
}

/**
 * Reads the files that the settings name and encodes them.
 *
 * @param chosen what the data is for: the sets that it cannot do without are read
 * @throws SoulError SOUL_BAD_DATA for a target whose examples do not fit the longest sequence, unless `allowTruncation`; for one
 *   that the retain set holds too, unless `allowOverlap`; and all that reading and encoding throw
 */
export async function readRunSets(
  settings: CompleteRunSettings,
  tokenizer: HuggingFaceTokenizer,
  template: PromptTemplate,
  chosen: ChosenAlgorithm,
  onNote: (note: string) => void,
): Promise<RunSets> {
  const needs = neededSets(chosen);
  const teachesRefusals = needs.includes('refusals');
  const target = await readExamples(settings.target);
  const groups = needs.includes('groups') ? groupsOf(target, attributeOf(chosen)) : undefined;
  const retain = settings.retain === undefined ? undefined : await readExamples(settings.retain);
  const refusalFile = settings.refusals === undefined ? undefined : await readRefusals(settings.refusals);
  if (refusalFile) {
    const { file, items, origin } = refusalFile;
    onNote(`${file}: ${items.length} ${items.length === 1 ? 'refusal' : 'refusals'}, ${origin}`);
  }
  const overlap = retain && countOverlap(target.items, retain.items);
  if (overlap) checkOverlap(overlap, target, settings, onNote);

  const { maximumLength: modelLimit, vocabularySize } = await readModelLimits(settings.model);
  const encoding = { template, maximumLength: Math.min(settings.maximumLength, modelLimit ?? settings.maximumLength) };
  const encode = (file: DataFile<Example>): EncodedFile => ({
    ...file,
    ...encodeExamples(tokenizer, file.items, encoding),
  });
  const sets = { target: encode(target), ...(retain ? { retain: encode(retain) } : {}) };
  checkTruncation(sets, settings, encoding.maximumLength, modelLimit, onNote);
  const sentences = refusalFile?.items ?? builtInRefusals;
  const refusals = refusalSequences(tokenizer, target.items, sentences, encoding);
  if (teachesRefusals) checkRefusals(sets.target, refusals, longestOf(sentences, tokenizer), settings, onNote);
  const texts: Texts[] = sets.retain ? [sets.target, sets.retain] : [sets.target];
  if (teachesRefusals) {
    const file = refusalFile?.file ?? 'the built-in refusals';
    texts.push({
      items: sentences.map((completion, i) => {
        const line = refusalFile?.lines[i] ?? i + 1;
        return { ...target.items[0]!, completion, source: { file, line } };
      }),
      encoded: sentences.map((_, i) => refusals.of(0, i) as EncodedExample),
    });
  }
  const alternatives = needs.includes('alternatives') ? await readAlternatives(settings, target, encode) : undefined;
  if (alternatives) {
    checkAlternatives(alternatives.file, settings, onNote);
    texts.push(alternatives.file);
  }
  const notes = texts.flatMap(({ items, encoded }) => carriedTokenNotes(tokenizer, template, items, encoded));
  for (const note of new Set(notes)) onNote(note);
  const checkTokens = (size: number) => {
    for (const { items, encoded } of texts) checkVocabulary(tokenizer, items, encoded, size);
  };
  if (vocabularySize !== undefined) checkTokens(vocabularySize);
  return {
    ...sets,
    ...(overlap ? { overlap } : {}),
    ...(refusalFile ? { refusalFile } : {}),
    ...(alternatives ? { alternatives } : {}),
    ...(groups ? { groups } : {}),
    refusals,
    modelLimit,
    checkTokens,
  };
}

/** The field of the data that an algorithm's definition, and its settings, name. */
function attributeOf({ algorithm: { name, groupsBy }, settings }: ChosenAlgorithm): string {
  const attribute = groupsBy === undefined ? undefined : settings[groupsBy];
  if (typeof attribute === 'string') return attribute;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    groupsBy === undefined
      ? `${name} needs groups, but its definition does not say which of its settings names the field that makes them (groupsBy)`
      : `${name} needs groups; name the field of the data that makes them (--set ${groupsBy}=<field>)`,
    { argument: groupsBy ?? 'groupsBy' },
  );
}

/** The value of an attribute of each example, by which an algorithm splits them. */
function groupsOf({ items }: DataFile<Example>, attribute: string): string[] {
  return items.map((example) => {
    const { attributes = {}, source } = example;
    if (Object.hasOwn(attributes, attribute)) return attributes[attribute]!;
    const others = Object.keys(attributes);
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)} has no field ${describe(attribute)} with a text or a number to split the forget set by; ` +
        (others.length > 0 ? `it has ${others.join(', ')}` : 'it has no other fields'),
      { ...source, attribute },
    );
  });
}

/** Texts of one source, and their tokens. */
type Texts = Pick<EncodedFile, 'items' | 'encoded'>;

/**
 * Other answers to the target's questions, told by their questions.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT without a file, SOUL_BAD_DATA where an example of the target has no other answer
 */
async function readAlternatives(
  { alternatives: path }: CompleteRunSettings,
  target: DataFile<Example>,
  encode: (file: DataFile<Example>) => EncodedFile,
): Promise<{ file: EncodedFile; sequences: EncodedExample[][] }> {
  if (path === undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      'the method teaches other answers to the questions of the forget set; name their file (--alternatives)',
      { argument: 'alternatives' },
    );
  }
  const file = encode(await readExamples(path));
  const answers = new Set(
    target.items.map(({ prompt, completion }) => JSON.stringify([prompt.trim(), completion.trim()])),
  );
  for (const example of file.items) {
    if (!answers.has(JSON.stringify([example.prompt.trim(), example.completion.trim()]))) continue;
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)} is the very answer that is to be forgotten; give another`,
      {
        ...example.source,
      },
    );
  }
  const byQuestion = new Map<string, EncodedExample[]>();
  for (const [i, { prompt }] of file.items.entries()) {
    byQuestion.set(prompt.trim(), [...(byQuestion.get(prompt.trim()) ?? []), file.encoded[i]!]);
  }
  const sequences = target.items.map((example) => {
    const own = byQuestion.get(example.prompt.trim());
    if (own) return own;
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)} has no other answer in ${path}: each question of the forget set needs one there`,
      { ...example.source },
    );
  });
  return { file, sequences };
}

function checkOverlap(
  overlap: Overlap,
  target: DataFile<Example>,
  settings: CompleteRunSettings,
  onNote: (note: string) => void,
): void {
  const { exact, samePrompt, sameCompletion, first } = overlap;
  const of = `of ${target.items.length} examples of ${target.file}`;
  if (exact > 0) {
    const sentence = `${exact} ${of} stand in ${settings.retain} too (${first!.forget.file}:${first!.forget.line} at line ${first!.retain.line})`;
    if (!settings.allowOverlap) {
      throw new SoulError(
        'SOUL_BAD_DATA',
        `${sentence}: what is to be kept would undo what is to be forgotten; take them out of the retain set, or go on all the same (--allow-overlap)`,
        { ...overlap },
      );
    }
    onNote(sentence);
  }
  if (samePrompt > 0) onNote(`${samePrompt} ${of} have a prompt that ${settings.retain} answers otherwise`);
  if (sameCompletion > 0)
    onNote(`${sameCompletion} ${of} have an answer that ${settings.retain} gives to another prompt`);
}

function checkTruncation(
  sets: Pick<RunSets, 'target' | 'retain'>,
  settings: CompleteRunSettings,
  maximumLength: number,
  modelLimit: number | undefined,
  onNote: (note: string) => void,
): void {
  for (const set of [sets.target, sets.retain]) {
    if (set === undefined || set.truncated === 0) continue;
    const limit =
      maximumLength === modelLimit ? `${maximumLength} tokens, the model's own limit,` : `${maximumLength} tokens`;
    const sentence = `${set.truncated} of ${set.items.length} examples of ${set.file} are longer than ${limit} and lose their end`;
    const raise = maximumLength === modelLimit ? '' : 'raise the limit (--max-length), ';
    if (set === sets.target && !settings.allowTruncation) {
      throw new SoulError(
        'SOUL_BAD_DATA',
        `${sentence}: what is cut off is neither trained on nor measured; ${raise}shorten the examples, or go on all the same (--allow-truncation)`,
        { truncated: set.truncated, examples: set.items.length, maximumLength },
      );
    }
    onNote(sentence);
  }
}

/** Index of the sentence of the most tokens. */
function longestOf(sentences: readonly string[], tokenizer: HuggingFaceTokenizer): number {
  const lengths = sentences.map((sentence) => tokenizer.encode(sentence, { addSpecialTokens: false }).length);
  return lengths.indexOf(Math.max(...lengths));
}

/** A refusal that is cut is not the one that was to be taught. */
function checkRefusals(
  target: EncodedFile,
  refusals: RunSets['refusals'],
  longest: number,
  settings: CompleteRunSettings,
  onNote: (note: string) => void,
): void {
  const cut = target.items.filter((_, i) => (refusals.of(i, longest) as EncodedExample).truncated > 0).length;
  if (cut === 0) return;
  const sentence = `behind the prompts of ${cut} of ${target.items.length} examples of ${target.file} not every refusal has room`;
  if (!settings.allowTruncation) {
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${sentence}; raise the longest sequence (--max-length), shorten the refusals, or go on all the same (--allow-truncation)`,
      { truncated: cut, examples: target.items.length },
    );
  }
  onNote(sentence);
}

/** Nor is another answer that is cut. */
function checkAlternatives(
  { file, items, truncated }: EncodedFile,
  settings: CompleteRunSettings,
  onNote: (note: string) => void,
): void {
  if (truncated === 0) return;
  const sentence = `${truncated} of ${items.length} other answers of ${file} do not fit the longest sequence and lose their end`;
  if (!settings.allowTruncation) {
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${sentence}; raise it (--max-length), shorten the answers, or go on all the same (--allow-truncation)`,
      { truncated, examples: items.length },
    );
  }
  onNote(sentence);
}

/** Questions with refusals for answers, encoded when they are first drawn. */
function refusalSequences(
  tokenizer: HuggingFaceTokenizer,
  examples: readonly Example[],
  sentences: readonly string[],
  encoding: { template: PromptTemplate; maximumLength: number },
): NonNullable<DataSets['refusals']> {
  const known = new Map<number, EncodedExample>();
  return {
    count: sentences.length,
    of(target, refusal) {
      const key = target * sentences.length + refusal;
      let encoded = known.get(key);
      if (!encoded) {
        encoded = encodeExample(tokenizer, { ...examples[target]!, completion: sentences[refusal]! }, encoding);
        known.set(key, encoded);
      }
      return encoded;
    },
  };
}
