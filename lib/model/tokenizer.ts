/**
 * Text to tokens and back, from the tokenizer files of a Hugging Face model folder.
 *
 * @module
 */

import { join } from 'node:path';
import { describe, invalidArgument, SoulError, shortMessage } from '../core/errors.ts';
import { readJsonFile } from '../core/files.ts';
import { isObject, type JsonObject } from '../core/json.ts';
import { checkOwn, ownKey } from '../core/own-construction.ts';
import { checkFolder, missingFile } from './folder-kind.ts';
import { copyTokenizerFiles } from './tokenizer-files.ts';
import { buildTokenizer, wrongToken } from './tokenizer-library.ts';
import { tokenizerSettings } from './tokenizer-settings.ts';
import type { TokenizerLibrary } from './tokenizer-types.ts';

const forced = 'clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output';

/** What data preparation and generation need of a tokenizer. */
export interface TextTokenizer {
  /** @param options addSpecialTokens: put in what the tokenizer adds by itself, such as a first token; true by default */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  /**
   * The text of tokens; what has none (a model's embedding may have more rows than there are tokens) stands for nothing.
   *
   * @param options skipSpecialTokens: leave out special tokens; true by default
   */
  decode(tokens: readonly number[], options?: { skipSpecialTokens?: boolean }): string;
  /** The token that ends a text, undefined when the model has none. */
  readonly endOfText: number | undefined;
  /** Every token that ends a text, {@link endOfText} first. */
  readonly endOfTextTokens: readonly number[];
  /** The token that begins a text, undefined when the model has none. */
  readonly beginOfText: number | undefined;
  /** One more than the largest token. */
  readonly size: number;
}

/**
 * The tokenizer of a Hugging Face model folder (`tokenizer.json`, and what stands beside it).
 *
 * Text becomes the tokens that transformers 5 makes of it; docs/model-folders.md says where version 4 differs. The tokens of end
 * and beginning are those that tokenizer_config.json names (special_tokens_map.json in older folders), else the numbers in
 * generation_config.json and config.json.
 */
export class HuggingFaceTokenizer implements TextTokenizer {
  readonly folder: string;
  readonly endOfText: number | undefined;
  readonly endOfTextTokens: readonly number[];
  readonly beginOfText: number | undefined;
  readonly size: number;
  /** The texts of its special tokens by their roles (`bos_token`), as chat templates name them. */
  readonly roles: Readonly<Record<string, string>>;
  readonly #tokenizer: TokenizerLibrary;
  readonly #specialTokens: ReadonlySet<number>;
  readonly #cleansUp: boolean;

  private constructor(key: typeof ownKey, folder: string, tokenizer: TokenizerLibrary, files: FolderFiles) {
    checkOwn(key, 'HuggingFaceTokenizer', 'HuggingFaceTokenizer.load');
    this.folder = folder;
    this.#tokenizer = tokenizer;
    this.roles = rolesOf(files.config);
    const special = [...tokenizer.get_added_tokens_decoder()].filter(([, token]) => token.special);
    // One that is normalized to another text is decoded as that, and then is not known as special.
    this.#specialTokens = new Set(
      special.filter(([id, token]) => tokenizer.id_to_token(id) === token.content).map(([id]) => id),
    );
    // Python leaves spaces as they are unless the configuration asks for the clean-up, and where words are joined by merges.
    const { clean_up_tokenization_spaces: asked, [forced]: insists } = files.config;
    this.#cleansUp = asked === true && (!files.merges || insists === true);
    this.size = 1 + [...tokenizer.get_vocab().values()].reduce((a, b) => Math.max(a, b));
    const ends = this.#named(files, 'eos_token');
    this.endOfText = ends[0];
    this.endOfTextTokens = [
      ...new Set([...ends, ...ids(files.generation.eos_token_id), ...ids(files.model.eos_token_id)]),
    ];
    this.beginOfText = this.#named(files, 'bos_token')[0];
  }

  /**
   * @param folder a Hugging Face model folder
   * @param options.model the folder with config.json and generation_config.json, where that is another, as of adapters
   * @throws SoulError SOUL_NOT_FOUND without the folder or its tokenizer.json; SOUL_BAD_FILE for a file that is not JSON or
   *   not a tokenizer; SOUL_UNSUPPORTED for a kind of tokenizer that is not known
   */
  static async load(
    folder: string,
    { model: modelFolder = folder }: { readonly model?: string } = {},
  ): Promise<HuggingFaceTokenizer> {
    if (typeof folder !== 'string' || folder === '') throw invalidArgument('folder', 'a path', folder);
    await checkFolder(folder);
    const description = await readJson(folder, 'tokenizer.json');
    if (!description) {
      throw await missingFile(
        folder,
        'tokenizer.json',
        "copy the tokenizer's files from the model that it was made from; where that has no tokenizer.json either, save its tokenizer with a current version of transformers (AutoTokenizer.from_pretrained(...).save_pretrained(...))",
      );
    }
    const [config = {}, specialTokens = {}, addedTokens = {}, generation = {}, model = {}] = await Promise.all([
      readJson(folder, 'tokenizer_config.json'),
      readJson(folder, 'special_tokens_map.json'),
      readJson(folder, 'added_tokens.json'),
      readJson(modelFolder, 'generation_config.json'),
      readJson(modelFolder, 'config.json'),
    ]);
    const wrong = wrongToken(addedTokens);
    if (wrong !== undefined) {
      const file = 'added_tokens.json';
      throw new SoulError('SOUL_BAD_FILE', `${join(folder, file)} is not usable: ${wrong}`, { folder, file });
    }
    const settings = tokenizerSettings({ description, config, specialTokens, addedTokens, model });
    const tokenizer = buildTokenizer(folder, settings.description, settings.config);
    return new HuggingFaceTokenizer(ownKey, folder, tokenizer, {
      config: settings.config,
      generation,
      model,
      merges: Object.hasOwn((settings.description.model ?? {}) as JsonObject, 'merges'),
    });
  }

  encode(text: string, options: { addSpecialTokens?: boolean } = {}): number[] {
    if (typeof text !== 'string') throw invalidArgument('text', 'a string', text);
    if (text === '' && options.addSpecialTokens === false) return [];
    const { ids, tokens } = this.#asked(() =>
      this.#tokenizer.encode(text, { add_special_tokens: options.addSpecialTokens ?? true }),
    );
    const unknown = ids.findIndex((id) => !Number.isInteger(id));
    if (unknown !== -1) {
      throw new SoulError(
        'SOUL_BAD_DATA',
        `the tokenizer of ${this.folder} has no token for ${describe(tokens[unknown])} and no unknown token`,
        { folder: this.folder, piece: tokens[unknown] },
      );
    }
    return ids as number[];
  }

  decode(tokens: readonly number[], options: { skipSpecialTokens?: boolean } = {}): string {
    if (!Array.isArray(tokens)) throw invalidArgument('tokens', 'an array of tokens', tokens);
    for (const [i, token] of tokens.entries()) {
      if (!Number.isInteger(token) || token < 0 || token >= 2 ** 31) {
        throw invalidArgument(`tokens[${i}]`, 'an integer from 0 to 2147483647', token);
      }
    }
    const skip = options.skipSpecialTokens ?? true;
    const kept = tokens.filter(
      (token) => this.#tokenizer.id_to_token(token) !== undefined && !(skip && this.#specialTokens.has(token)),
    );
    return kept.length === 0
      ? ''
      : this.#asked(() =>
          this.#tokenizer.decode(kept, { skip_special_tokens: false, clean_up_tokenization_spaces: this.#cleansUp }),
        );
  }

  /**
   * Copies the tokenizer's files, bytes unchanged, into `folder`, which is made if need be.
   *
   * @returns the names of the files
   * @throws SoulError SOUL_EXISTS when one is there already, unless `overwrite` is set; SOUL_FILE_SYSTEM
   */
  async copyTo(folder: string, options: { overwrite?: boolean } = {}): Promise<string[]> {
    if (typeof folder !== 'string' || folder === '') throw invalidArgument('folder', 'a path', folder);
    return copyTokenizerFiles(this.folder, folder, options);
  }

  /** What the library answers; an exception of its own is the fault of the file that it was made from. */
  #asked<Answer>(work: () => Answer): Answer {
    try {
      return work();
    } catch (cause) {
      const path = join(this.folder, 'tokenizer.json');
      throw new SoulError(
        'SOUL_BAD_FILE',
        `${path} is not a usable tokenizer: ${shortMessage(cause)}`,
        { folder: this.folder, file: 'tokenizer.json' },
        { cause },
      );
    }
  }

  /** Tokens of a role (`eos_token`, `bos_token`): by name where a name is given, else by number. */
  #named(files: FolderFiles, role: string): number[] {
    const { [role]: given } = files.config;
    const names = (Array.isArray(given) ? given : [given]).map((token) => (isObject(token) ? token.content : token));
    const found = names.flatMap((name) => (typeof name === 'string' ? (this.#tokenizer.token_to_id(name) ?? []) : []));
    if (found.length > 0) return found;
    for (const { [`${role}_id`]: given } of [files.generation, files.model]) {
      const found = ids(given);
      if (found.length > 0) return found;
    }
    return [];
  }
}

interface FolderFiles {
  config: JsonObject;
  generation: JsonObject;
  model: JsonObject;
  /** Whether the tokenizer joins words by merges (byte-pair encoding). */
  merges: boolean;
}

function rolesOf(config: JsonObject): Record<string, string> {
  const { extra_special_tokens: extra, model_specific_special_tokens: ofModel } = config;
  const named = [config, ofModel, extra].flatMap((each) => (isObject(each) ? Object.entries(each) : []));
  const texts = named.map(([role, token]) => [role, isObject(token) ? token.content : token]);
  return Object.fromEntries(texts.filter(([role, text]) => `${role}`.endsWith('_token') && typeof text === 'string'));
}

function ids(given: unknown): number[] {
  return (Array.isArray(given) ? given : [given]).filter(
    (id): id is number => Number.isInteger(id) && id >= 0 && id < 2 ** 31,
  );
}

async function readJson(folder: string, name: string): Promise<JsonObject | undefined> {
  const path = join(folder, name);
  const value = await readJsonFile(path);
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SoulError('SOUL_BAD_FILE', `${path} must hold a JSON object`, { folder, file: name });
  }
  return value as JsonObject;
}
