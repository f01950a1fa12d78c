/**
 * What is used of `@huggingface/transformers`, which is installed by those alone who need it.
 *
 * @module
 */

import { SoulError, shortMessage } from '../../core/errors.ts';

const packageName = '@huggingface/transformers';
const command = `npm install ${packageName}@4`;

/** A tensor of the library. */
export interface LibraryTensor {
  readonly dims: readonly number[];
  readonly data: unknown;
}

interface LocalOptions {
  readonly local_files_only: true;
}

/** Names and shapes are the library's. */
export interface TransformersLibrary {
  readonly AutoTokenizer: {
    from_pretrained(folder: string, options: LocalOptions): Promise<LibraryTokenizer>;
  };
  readonly AutoModel: {
    from_pretrained(
      folder: string,
      options: LocalOptions & {
        readonly subfolder: string;
        readonly model_file_name: string;
        readonly dtype: string;
        readonly device: string;
        readonly session_options: { readonly intraOpNumThreads: number };
      },
    ): Promise<LibraryModel>;
  };
  readonly Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => LibraryTensor;
}

/** Gives the model's inputs by their names, `input_ids` and `attention_mask` among them, a number for each token. */
export type LibraryTokenizer = (
  text: string,
  options: { readonly return_tensor: false },
) => Readonly<Record<string, readonly number[]>>;

export interface LibraryModel {
  (inputs: Readonly<Record<string, LibraryTensor>>): Promise<Readonly<Record<string, LibraryTensor>>>;
  dispose(): Promise<unknown>;
}

/**
 * Loads the library.
 *
 * @throws SoulError SOUL_UNSUPPORTED, with `command` in the details, where it is not installed or cannot be loaded
 */
export async function importTransformers(): Promise<TransformersLibrary> {
  // Not a literal: the compiler would look for the package, which need not be there.
  const name: string = packageName;
  try {
    return (await import(name)) as TransformersLibrary;
  } catch (cause) {
    const message = shortMessage(cause);
    const isMissing =
      message.includes(`Cannot find package '${name}'`) || message.includes(`Cannot find module '${name}'`);
    const problem = isMissing ? 'is not installed' : `cannot be loaded: ${message}`;
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `sentence embeddings need the package ${name}, which ${problem}. Install it beside soul-unlearn: ${command}`,
      { package: name, command },
      { cause },
    );
  }
}
