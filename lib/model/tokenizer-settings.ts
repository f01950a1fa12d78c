/**
 * What transformers 5 makes of a tokenizer's files: the class that tokenizer_config.json names may build other parts than
 * tokenizer.json describes, and special tokens may be named anywhere.
 *
 * @see https://huggingface.co/docs/transformers/main_classes/tokenizer
 * @module
 */

import { isObject, type JsonObject } from '../core/json.ts';
import { wrongAddedToken } from './tokenizer-library.ts';

/** The JSON files of a model folder that say something of its tokenizer; an empty object for one that isn't there. */
export interface TokenizerSources {
  /** tokenizer.json */
  readonly description: JsonObject;
  /** tokenizer_config.json */
  readonly config: JsonObject;
  /** special_tokens_map.json, of older versions */
  readonly specialTokens: JsonObject;
  /** added_tokens.json, of older versions */
  readonly addedTokens: JsonObject;
  /** config.json */
  readonly model: JsonObject;
}

/** A tokenizer as it acts. */
export interface TokenizerSettings {
  /** tokenizer.json with the parts that its class builds, and every added token. */
  readonly description: JsonObject;
  /** tokenizer_config.json with the special tokens that its class and older files name. */
  readonly config: JsonObject;
}

interface TokenizerClass {
  /** Special tokens where the configuration names none. */
  readonly defaults: JsonObject;
  /** The description that the class builds in place of `description`, of which vocabulary and merges stay. */
  build(description: JsonObject, config: JsonObject): JsonObject;
}

const ofGpt2: JsonObject = { unk_token: '<|endoftext|>', bos_token: '<|endoftext|>', eos_token: '<|endoftext|>' };

const qwenWords =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** Classes that build their parts themselves; every other takes tokenizer.json as it stands. */
const classes: Readonly<Record<string, TokenizerClass>> = {
  LlamaTokenizer: {
    defaults: { unk_token: '<unk>', bos_token: '<s>', eos_token: '</s>' },
    build(description, { legacy = false, add_prefix_space: given }) {
      const prefixed = (given ?? true) !== false;
      return {
        ...description,
        model: { ...mergesOf(description), fuse_unk: true, byte_fallback: true },
        normalizer: null,
        pre_tokenizer: metaspace(!prefixed ? 'never' : legacy ? 'always' : 'first'),
        decoder: spaceDecoder({ strips: prefixed }),
      };
    },
  },
  CodeLlamaTokenizer: {
    defaults: {
      ...{ unk_token: '<unk>', bos_token: '<s>', eos_token: '</s>' },
      ...{
        prefix_token: '\u2581<PRE>',
        middle_token: '\u2581<MID>',
        suffix_token: '\u2581<SUF>',
        eot_token: '\u2581<EOT>',
      },
      fill_token: '<FILL_ME>',
    },
    build: (description, config) => ({
      ...description,
      model: { ...mergesOf(description), unk_token: textOf(config.unk_token), fuse_unk: true, byte_fallback: true },
      normalizer: null,
      pre_tokenizer: metaspace((config.add_prefix_space ?? true) ? 'first' : 'never'),
      decoder: spaceDecoder({ strips: true }),
      post_processor: beginsWith(textOf(config.bos_token)),
    }),
  },
  CodeGenTokenizer: { defaults: ofGpt2, build: gpt2 },
  CohereTokenizer: {
    defaults: {
      ...{ unk_token: '<UNK>', bos_token: '<BOS_TOKEN>', eos_token: '<|END_OF_TURN_TOKEN|>', pad_token: '<PAD>' },
      ...{ cls_token: '<CLS>', sep_token: '<SEP>', mask_token: '<MASK_TOKEN>' },
    },
    build: (description, config) => ({
      ...gpt2(description, config),
      normalizer: { type: 'NFC' },
      pre_tokenizer: sequence({ type: 'Digits', individual_digits: true }, byteLevel(config)),
    }),
  },
  GPT2Tokenizer: { defaults: ofGpt2, build: gpt2 },
  GPTNeoXTokenizer: {
    defaults: { ...ofGpt2, pad_token: '<|padding|>' },
    // Its post-processor is built anew, without a token of the beginning.
    build: (description, config) => ({
      ...gpt2(description, config),
      normalizer: { type: 'NFC' },
      post_processor: null,
    }),
  },
  GemmaTokenizer: {
    defaults: { unk_token: '<unk>', bos_token: '<bos>', eos_token: '<eos>', pad_token: '<pad>', mask_token: '<mask>' },
    build: (description, config) => ({
      ...description,
      model: { ...mergesOf(description), unk_token: textOf(config.unk_token), fuse_unk: true, byte_fallback: true },
      normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
      pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
      decoder: spaceDecoder({ strips: false }),
    }),
  },
  Qwen2Tokenizer: {
    defaults: { unk_token: '<|endoftext|>', eos_token: '<|endoftext|>', pad_token: '<|endoftext|>' },
    build: (description, config) => ({
      ...gpt2(description, config),
      normalizer: { type: 'NFC' },
      pre_tokenizer: sequence(
        { type: 'Split', pattern: { Regex: qwenWords }, behavior: 'Isolated', invert: false },
        { ...byteLevel(config), use_regex: false },
      ),
    }),
  },
};

/**
 * Puts the files of a tokenizer together.
 *
 * Where the configuration lists the added tokens (`added_tokens_decoder`), special_tokens_map.json and added_tokens.json are
 * not looked at, as in transformers. `add_bos_token` and `add_eos_token` have no say beside a tokenizer.json.
 */
export function tokenizerSettings(sources: TokenizerSources): TokenizerSettings {
  const { description, model } = sources;
  const listed = isObject(sources.config.added_tokens_decoder);
  const given: JsonObject = listed ? sources.config : { ...sources.config, ...sources.specialTokens };
  const known = classOf(given.tokenizer_class ?? model.tokenizer_class, description);
  const config: JsonObject = { ...known?.defaults, ...given };
  const built = known ? known.build(description, config) : description;

  const { added_tokens: ofFile = [] } = description;
  // What is wrong with them is for the checks of the whole description to say.
  if (wrongAddedToken(ofFile)) return { description: built, config };
  const added = new AddedTokens(built.model);
  // A class that builds its parts takes the added tokens of the configuration in place of the file's.
  if (!(known && listed)) for (const token of ofFile as JsonObject[]) added.add(token);
  const special = specialTokens(config);
  if (listed) for (const token of listedTokens(config, special)) added.add(token);
  else for (const token of olderTokens(sources.addedTokens, special)) added.addNew(token);
  for (const token of special) added.addNew(token);
  return { description: { ...built, added_tokens: added.all() }, config };
}

function classOf(given: unknown, description: JsonObject): TokenizerClass | undefined {
  const name = typeof given === 'string' ? given.replace(/Fast$/, '') : '';
  // A Llama 3 folder names this class and means its file.
  if (name === 'LlamaTokenizer' && JSON.stringify(description).includes('"ByteLevel"')) return undefined;
  return Object.hasOwn(classes, name) ? classes[name] : undefined;
}

/** The added tokens that tokenizer_config.json lists, by their numbers. */
function listedTokens(config: JsonObject, special: readonly JsonObject[]): JsonObject[] {
  const named = new Set(special.map(({ content }) => content));
  return Object.entries(config.added_tokens_decoder as JsonObject)
    .filter((entry): entry is [string, JsonObject] => isObject(entry[1]))
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, token]) => ({ ...token, special: token.special === true || named.has(token.content) }));
}

/** The added tokens of added_tokens.json. */
function olderTokens(addedTokens: JsonObject, special: readonly JsonObject[]): JsonObject[] {
  const named = new Set(special.map(({ content }) => content));
  return Object.keys(addedTokens)
    .sort((a, b) => Number(addedTokens[a]) - Number(addedTokens[b]))
    .map((content) => ({ content, special: named.has(content), normalized: !named.has(content) }));
}

const roles = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/** The special tokens that the configuration names: of the usual roles, of roles of the model's own, and without one. */
function specialTokens(config: JsonObject): JsonObject[] {
  const {
    extra_special_tokens: extra,
    additional_special_tokens: additional,
    model_specific_special_tokens: ofModel,
  } = config;
  const ownRoles = Object.keys(config).filter((key) => key.endsWith('_token') && !roles.includes(key));
  const more = isObject(extra) ? Object.values(extra) : (extra ?? additional);
  const specific = isObject(ofModel) ? Object.values(ofModel) : [];
  return [...[...roles, ...ownRoles].map((role) => config[role]), ...specific, ...(Array.isArray(more) ? more : [])]
    .map((token) => (isObject(token) ? token : { content: token }))
    .filter(({ content }) => typeof content === 'string' && content !== '')
    .map((token) => ({ normalized: false, ...token, special: true }));
}

/** The added tokens of a tokenizer, numbered as the Rust library numbers them. */
class AddedTokens {
  readonly #tokens = new Map<unknown, JsonObject>();
  readonly #vocabulary: ReadonlyMap<string, unknown>;
  #largest = -1;

  constructor(model: unknown) {
    const { vocab } = isObject(model) ? model : { vocab: undefined };
    const entries = Array.isArray(vocab)
      ? vocab.map((entry, id): [string, unknown] => [Array.isArray(entry) ? entry[0] : entry, id])
      : Object.entries(isObject(vocab) ? vocab : {});
    this.#vocabulary = new Map(entries);
  }

  /** Adds a token, whatever number it gives itself, or gives one that is there other properties. */
  add(token: JsonObject): void {
    const { content } = token;
    const id = this.#tokens.get(content)?.id ?? this.#vocabulary.get(content as string) ?? this.#next();
    this.#tokens.set(content, { ...token, id });
    this.#largest = Math.max(this.#largest, typeof id === 'number' ? id : Number.NaN);
  }

  /** Adds a token unless there is one of its text. */
  addNew(token: JsonObject): void {
    if (!this.#tokens.has(token.content)) this.add(token);
  }

  all(): JsonObject[] {
    return [...this.#tokens.values()];
  }

  #next(): number {
    return Math.max(this.#largest + 1, this.#vocabulary.size);
  }
}

function gpt2(description: JsonObject, config: JsonObject): JsonObject {
  return {
    ...description,
    model: mergesOf(description),
    normalizer: null,
    pre_tokenizer: byteLevel(config),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  };
}

function byteLevel({ add_prefix_space: given }: JsonObject): JsonObject {
  return { type: 'ByteLevel', add_prefix_space: given ?? false, trim_offsets: true, use_regex: true };
}

function metaspace(prepend: 'always' | 'first' | 'never'): JsonObject {
  return { type: 'Metaspace', replacement: '\u2581', prepend_scheme: prepend, split: false };
}

function spaceDecoder({ strips }: { strips: boolean }): JsonObject {
  const decoders = [
    { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ];
  return {
    type: 'Sequence',
    decoders: strips ? [...decoders, { type: 'Strip', content: ' ', start: 1, stop: 0 }] : decoders,
  };
}

function sequence(...pretokenizers: JsonObject[]): JsonObject {
  return { type: 'Sequence', pretokenizers };
}

/** Puts one token before a text; none where it is undefined. */
function beginsWith(token: string | undefined): JsonObject | null {
  if (token === undefined) return null;
  const text = { Sequence: { id: 'A', type_id: 0 } };
  return { type: 'TemplateProcessing', single: [{ SpecialToken: { id: token, type_id: 0 } }, text], pair: [] };
}

/** The text of a token as configurations give it: plain, or with its properties. */
function textOf(token: unknown): string | undefined {
  const text = isObject(token) ? token.content : token;
  return typeof text === 'string' ? text : undefined;
}

/** Vocabulary and merges alone. */
function mergesOf(description: JsonObject): JsonObject {
  const { vocab, merges = [] } = (description.model ?? {}) as JsonObject;
  // A list is Unigram's, and says numbers by places; one that holds something else than tokens is refused as it stands.
  const isList =
    Array.isArray(vocab) && vocab.every((entry) => typeof (Array.isArray(entry) ? entry[0] : entry) === 'string');
  const table = isList
    ? Object.fromEntries(vocab.map((entry, id) => [Array.isArray(entry) ? entry[0] : entry, id]))
    : vocab;
  return { type: 'BPE', vocab: table, merges };
}
