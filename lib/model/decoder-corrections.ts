/**
 * Where the decoders of the tokenizer library and Python's part ways, put right.
 *
 * @module
 */

import * as library from '@huggingface/tokenizers';

type Class<T> = abstract new (...given: never[]) => T;

interface Decoder {
  decode_chain(tokens: string[]): string[];
}

const {
  ByteFallbackDecoder,
  ByteLevelDecoder,
  MetaspaceDecoder,
  ReplaceDecoder,
  SequenceDecoder,
}: {
  ByteFallbackDecoder: Class<{ text_decoder: typeof byteFallback }>;
  ByteLevelDecoder: Class<Decoder & { byte_decoder: Readonly<Record<string, number>> }>;
  MetaspaceDecoder: Class<Decoder & { replacement: string; config: { prepend_scheme?: string } }>;
  ReplaceDecoder: Class<Decoder & { pattern: RegExp | null; config: { content?: string } }>;
  SequenceDecoder: Class<{ decoders: unknown[] }>;
} = library as never;

/** Changes a decoder of the library in place. */
export function correctDecoder(part: unknown): void {
  if (part instanceof SequenceDecoder) {
    for (const inner of part.decoders) correctDecoder(inner);
  } else if (part instanceof ByteFallbackDecoder) {
    part.text_decoder = byteFallback;
  } else if (part instanceof ByteLevelDecoder) {
    const { byte_decoder: byteOf } = part;
    part.decode_chain = (tokens) => [
      new TextDecoder('utf-8', { ignoreBOM: true }).decode(
        Uint8Array.from(tokens.flatMap((token) => bytesOf(token, byteOf))),
      ),
    ];
  } else if (part instanceof MetaspaceDecoder) {
    const { replacement, config } = part;
    // The first token loses every space, not one, and none where no space was put before the text.
    const ofFirst = config.prepend_scheme === 'never' ? ' ' : '';
    part.decode_chain = (tokens) => tokens.map((token, i) => token.replaceAll(replacement, i === 0 ? ofFirst : ' '));
  } else if (part instanceof ReplaceDecoder) {
    const { pattern, config } = part;
    // A function, so that `$&` in the content is nothing but itself.
    if (pattern) {
      part.decode_chain = (tokens) => tokens.map((token) => token.replaceAll(pattern, () => config.content ?? ''));
    }
  }
}

/** The bytes that a token's characters stand for; where one stands for none, as in many added tokens, those of its text. */
function bytesOf(token: string, byteOf: Readonly<Record<string, number>>): number[] {
  const bytes = Array.from(token, (character) => byteOf[character]);
  return bytes.every((byte) => byte !== undefined) ? bytes : [...new TextEncoder().encode(token)];
}

/** A run of byte tokens is one text when it is valid UTF-8 (a byte-order mark included), else one U+FFFD for each byte. */
const byteFallback = {
  decode(bytes: Uint8Array): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return '\ufffd'.repeat(bytes.length);
    }
  },
};
