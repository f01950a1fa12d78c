/**
 * What is used of the tokenizer library, whose own declarations do not resolve under Node's module rules.
 *
 * @module
 */

import type { AddedToken } from './added-tokens.ts';

/** A tokenizer of the library. */
export interface TokenizerLibrary {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[]; tokens: string[] };
  decode(tokens: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  get_vocab(): Map<string, number>;
  id_to_token(id: number): string | undefined;
  get_added_tokens_decoder(): Map<number, AddedToken & { special: boolean; normalized: boolean }>;
  readonly added_tokens_map: Map<string, AddedToken>;
  /** Each may be called; null where the description has none. */
  readonly normalizer: ((text: string) => string) | null;
  readonly pre_tokenizer: ((text: string, options: { section_index: number }) => string[]) | null;
  readonly model: ((words: string[]) => string[]) & { readonly vocab: string[] };
  readonly decoder: unknown;
  /** The tokens of a text, without what the tokenizer adds. */
  encode_text: (text: string | null) => string[] | null;
}
