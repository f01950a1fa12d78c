/**
 * The data of a run: read, compared, and turned into tokens before any model is loaded.
 *
 * @module
 */

import { describe, SoulError } from '../core/errors.ts';
import { carriedTokenNotes } from '../data/carried-tokens.ts';
import { templateNotes } from '../data/choose-template.ts';
import { type EncodedExample, type EncodeOptions, encodeExample, encodeExamples } from '../data/encode.ts';
import { type Example, whereIs, withAnswer } from '../data/example.ts';
import type { ExampleSet } from '../data/example-set.ts';
import type { ExampleTemplate } from '../data/example-template.ts';
import { countOverlap, type Overlap } from '../data/overlap.ts';
import type { DataFile } from '../data/read-examples.ts';
import { readRefusals } from '../data/read-refusals.ts';
import { refusals as builtInRefusals } from '../data/refusals.ts';
import { checkVocabulary } from '../data/vocabulary.ts';
import { readModelLimits } from '../model/model-limits.ts';
import type { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import type { DataSets } from '../unlearn/source.ts';
import { type Alternatives, checkAlternatives, readAlternatives } from './alternatives.ts';
import { readChosenSets } from './chosen-sets.ts';
import { readHeldOut } from './evaluations/held-out.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import { type CompleteRunSettings, neededSets } from './settings.ts';

/** The examples of data files, and as tokens. */
export interface EncodedFile extends ExampleSet {
  readonly encoded: EncodedExample[];
  /** How many of them lost tokens at their end. */
  readonly truncated: number;
}

/** The data of a run. */
export interface RunSets {
  readonly target: EncodedFile;
  readonly retain?: EncodedFile;
  /** What is measured on the way and not trained on, by its names. */
  readonly heldOut: Readonly<Record<string, EncodedFile>>;
  /** What both have in common. */
  readonly overlap?: Overlap;
  /** The file of refusals, where one was given. */
  readonly refusalFile?: DataFile<string>;
  readonly refusals: NonNullable<DataSets['refusals']>;
  /** Other answers, where a file of them was given; {@link withAlternatives} adds those that a model made. */
  readonly alternatives?: Alternatives;
  /** The value of the attribute that the algorithm splits the target by, of each target example. */
  readonly groups?: string[];
  /** Longest sequence that the model takes as its config.json says; undefined where it says nothing. */
  readonly modelLimit: number | undefined;
  /** How texts become tokens. */
  readonly encoding: { readonly template: ExampleTemplate; readonly maximumLength: number };
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
  template: ExampleTemplate,
  chosen: ChosenAlgorithm,
  onNote: (note: string) => void,
): Promise<RunSets> {
  const needs = neededSets(chosen);
  const teachesRefusals = needs.includes('refusals');
  const { target, retain } = await readChosenSets(settings, onNote);
  if (teachesRefusals || needs.includes('alternatives')) checkQuestions(target, chosen);
  const groups = needs.includes('groups') ? groupsOf(target, attributeOf(chosen)) : undefined;
  const refusalFile = settings.refusals === undefined ? undefined : await readRefusals(settings.refusals);
  if (refusalFile) {
    const { file, items, origin } = refusalFile;
    onNote(`${file}: ${items.length} ${items.length === 1 ? 'refusal' : 'refusals'}, ${origin}`);
  }
  const overlap = retain && countOverlap(target.items, retain.items);
  if (overlap) checkOverlap(overlap, target, retain, settings, onNote);
  const heldOut = await readHeldOut(settings, { target, ...(retain ? { retain } : {}) }, onNote);

  const { maximumLength: modelLimit, vocabularySize } = await readModelLimits(settings.model);
  const encoding = { template, maximumLength: Math.min(settings.maximumLength, modelLimit ?? settings.maximumLength) };
  const encode = (set: ExampleSet): EncodedFile => ({
    ...set,
    ...encodeExamples(tokenizer, set.items, encoding),
  });
  const others = { ...encoding, lastAnswerAlone: true };
  const encodeOthers = (set: ExampleSet): EncodedFile => ({ ...set, ...encodeExamples(tokenizer, set.items, others) });
  const sets = {
    target: encode(target),
    ...(retain ? { retain: encode(retain) } : {}),
    heldOut: Object.fromEntries(Object.entries(heldOut).map(([name, set]) => [name, encode(set)])),
  };
  checkTruncation(sets, settings, encoding.maximumLength, modelLimit, onNote);
  const sentences = refusalFile?.items ?? builtInRefusals;
  const refusals = refusalSequences(tokenizer, target.items, sentences, others);
  if (teachesRefusals) checkRefusals(sets.target, refusals, longestOf(sentences, tokenizer), settings, onNote);
  for (const note of templateNotes(template, target.items)) onNote(note);
  const texts: Texts[] = [sets.target, ...(sets.retain ? [sets.retain] : []), ...Object.values(sets.heldOut)];
  if (teachesRefusals) {
    const file = refusalFile?.file ?? 'the built-in refusals';
    texts.push({
      items: sentences.map((completion, i) => {
        const line = refusalFile?.lines[i] ?? i + 1;
        return { ...withAnswer(target.items[0]!, completion), source: { file, line } };
      }),
      encoded: sentences.map((_, i) => refusals.of(0, i) as EncodedExample),
    });
  }
  const file = needs.includes('alternatives') ? alternativesFile(settings) : undefined;
  const alternatives = file === undefined ? undefined : await readAlternatives(file, target, encodeOthers);
  if (alternatives) {
    checkAlternatives(alternatives.file, settings.allowTruncation, onNote);
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
    encoding,
    checkTokens,
  };
}

/** Other answers need something that they are answers to. */
function checkQuestions({ items }: ExampleSet, { algorithm }: ChosenAlgorithm): void {
  const text = items.find(({ kind }) => kind === 'text');
  if (text === undefined) return;
  throw new SoulError(
    'SOUL_BAD_DATA',
    `${whereIs(text)} is a text without a question, to which ${algorithm.name} has no other answer to teach; take a method that teaches none, or give questions and answers`,
    { ...text.source },
  );
}

/** The files of other answers; undefined where the model is to make them. */
function alternativesFile({
  alternatives,
  generateAlternatives,
}: CompleteRunSettings): CompleteRunSettings['alternatives'] {
  if (alternatives !== undefined || generateAlternatives !== undefined) return alternatives;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    'the method teaches other answers to the questions of the forget set; name their file (--alternatives), or let the model make ' +
      'them (--generate-alternatives)',
    { argument: 'alternatives' },
  );
}

/**
 * The sets with other answers from a file that the run has made.
 *
 * @throws SoulError of {@link readAlternatives}
 */
export async function withAlternatives(
  sets: RunSets,
  path: string,
  tokenizer: HuggingFaceTokenizer,
  onNote: (note: string) => void,
): Promise<RunSets> {
  const encoding = { ...sets.encoding, lastAnswerAlone: true };
  const encode = (set: ExampleSet) => ({ ...set, ...encodeExamples(tokenizer, set.items, encoding) });
  const alternatives = await readAlternatives(path, sets.target, encode);
  // They were made to fit.
  checkAlternatives(alternatives.file, true, onNote);
  return { ...sets, alternatives };
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
function groupsOf({ items }: ExampleSet, attribute: string): string[] {
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

function checkOverlap(
  overlap: Overlap,
  target: ExampleSet,
  retain: ExampleSet,
  settings: CompleteRunSettings,
  onNote: (note: string) => void,
): void {
  const { exact, samePrompt, sameCompletion, first } = overlap;
  const of = `of ${target.items.length} examples of ${target.file}`;
  if (exact > 0) {
    const at = retain.files.length > 1 ? `${first!.retain.file}:${first!.retain.line}` : `line ${first!.retain.line}`;
    const sentence = `${exact} ${of} stand in ${retain.file} too (${first!.forget.file}:${first!.forget.line} at ${at})`;
    if (!settings.allowOverlap) {
      throw new SoulError(
        'SOUL_BAD_DATA',
        `${sentence}: what is to be kept would undo what is to be forgotten; take them out of the retain set, or go on all the same (--allow-overlap, but for studies)`,
        { ...overlap },
      );
    }
    onNote(sentence);
  }
  if (samePrompt > 0) onNote(`${samePrompt} ${of} have a prompt that ${retain.file} answers otherwise`);
  if (sameCompletion > 0) onNote(`${sameCompletion} ${of} have an answer that ${retain.file} gives to another prompt`);
}

function checkTruncation(
  sets: Pick<RunSets, 'target' | 'retain' | 'heldOut'>,
  settings: CompleteRunSettings,
  maximumLength: number,
  modelLimit: number | undefined,
  onNote: (note: string) => void,
): void {
  for (const set of [sets.target, sets.retain, ...Object.values(sets.heldOut)]) {
    if (set === undefined || set.truncated === 0) continue;
    const limit =
      maximumLength === modelLimit ? `${maximumLength} tokens, the model's own limit,` : `${maximumLength} tokens`;
    const sentence = `${set.truncated} of ${set.items.length} examples of ${set.file} are longer than ${limit} and lose their end`;
    const raise =
      maximumLength === modelLimit ? '' : 'raise the limit (--max-length, of a study training.maximumLength), ';
    // A document is cut to length by its nature.
    const onlyTexts = set.items.every(({ kind }, i) => kind === 'text' || set.encoded[i]!.truncated === 0);
    if (set === sets.target && !settings.allowTruncation && !onlyTexts) {
      throw new SoulError(
        'SOUL_BAD_DATA',
        `${sentence}: what is cut off is neither trained on nor measured; ${raise}shorten the examples, or go on all the same (--allow-truncation, but for studies)`,
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

/** Questions with refusals for answers, encoded when they are first drawn. */
function refusalSequences(
  tokenizer: HuggingFaceTokenizer,
  examples: readonly Example[],
  sentences: readonly string[],
  encoding: EncodeOptions,
): NonNullable<DataSets['refusals']> {
  const known = new Map<number, EncodedExample>();
  return {
    count: sentences.length,
    of(target, refusal) {
      const key = target * sentences.length + refusal;
      let encoded = known.get(key);
      if (!encoded) {
        encoded = encodeExample(tokenizer, withAnswer(examples[target]!, sentences[refusal]!), encoding);
        known.set(key, encoded);
      }
      return encoded;
    },
  };
}
