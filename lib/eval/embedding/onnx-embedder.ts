/**
 * An embedder in ONNX, run by `@huggingface/transformers`.
 *
 * @module
 */

import { type Cancellable, checkSignal, throwIfCancelled } from '../../core/cancellation.ts';
import { SoulError, shortMessage } from '../../core/errors.ts';
import type { Releasable } from '../../core/release.ts';
import type { Embedder } from './embedder.ts';
import { type OnnxFolder, readOnnxFolder } from './onnx-folder.ts';
import {
  importTransformers,
  type LibraryModel,
  type LibraryTensor,
  type LibraryTokenizer,
  type TransformersLibrary,
} from './transformers-library.ts';

/**
 * A sentence-transformers model such as paraphrase-MiniLM-L6-v2: the mean of the last layer over a text's tokens, divided by its L2 norm.
 * A text that is too long loses tokens at its end, the closing mark excepted.
 *
 * Reimers and Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", 2019, section 3.
 */
export class OnnxEmbedder implements Embedder, Releasable {
  readonly name: string;
  readonly #folder: OnnxFolder;
  readonly #library: TransformersLibrary;
  readonly #tokenizer: LibraryTokenizer;
  readonly #model: LibraryModel;
  #released = false;

  private constructor(
    folder: OnnxFolder,
    library: TransformersLibrary,
    tokenizer: LibraryTokenizer,
    model: LibraryModel,
  ) {
    this.name = folder.name;
    this.#folder = folder;
    this.#library = library;
    this.#tokenizer = tokenizer;
    this.#model = model;
  }

  /**
   * Loads a folder; nothing is fetched. Needs the package `@huggingface/transformers`, which this one does not bring along.
   *
   * @param folder of sentence-transformers, with `onnx/model.onnx`
   * @throws SoulError SOUL_NOT_FOUND for what the folder lacks; SOUL_BAD_FILE for files that cannot be loaded; SOUL_UNSUPPORTED for another
   *   pooling than the mean, and without the package, with the command that installs it
   */
  static async load(folder: string): Promise<OnnxEmbedder> {
    const found = await readOnnxFolder(folder);
    return OnnxEmbedder.by(await importTransformers(), found);
  }

  /** @internal */
  static async by(library: TransformersLibrary, folder: OnnxFolder): Promise<OnnxEmbedder> {
    const { path, subfolder, model: name } = folder;
    try {
      // An absolute path is no name of the Hub's: no file is looked for there.
      const tokenizer = await library.AutoTokenizer.from_pretrained(path, { local_files_only: true });
      const model = await library.AutoModel.from_pretrained(path, {
        local_files_only: true,
        subfolder,
        model_file_name: name,
        // The kind whose files have no suffix, whatever is in them.
        dtype: 'fp32',
        device: 'cpu',
        // Single texts are too short for more, and sums keep their order on any machine.
        session_options: { intraOpNumThreads: 1 },
      });
      return new OnnxEmbedder(folder, library, tokenizer, model);
    } catch (cause) {
      throw new SoulError(
        'SOUL_BAD_FILE',
        `${path} cannot be loaded as a sentence embedding model: ${shortMessage(cause)}`,
        { folder: path },
        { cause },
      );
    }
  }

  /**
   * Embeds texts one by one: scales of a quantised model are of a whole batch, so that a text's vector would depend on those beside it.
   *
   * @returns a vector of norm 1 for each text
   * @throws SoulError SOUL_UNSUPPORTED for a model without hidden states; SOUL_CANCELLED; SOUL_RELEASED
   */
  async embed(texts: readonly string[], options: Cancellable = {}): Promise<Float32Array[]> {
    const signal = checkSignal('signal', options.signal);
    const vectors: Float32Array[] = [];
    for (const text of texts) {
      if (this.#released) throw new SoulError('SOUL_RELEASED', `the embedder ${this.name} was released`);
      throwIfCancelled(signal, `embedding was cancelled after ${vectors.length} of ${texts.length} texts`);
      vectors.push(await this.#embed(text));
    }
    return vectors;
  }

  /** Gives up the model's memory. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    await this.#model.dispose();
  }

  async #embed(text: string): Promise<Float32Array> {
    const inputs = this.#inputsOf(text);
    const { Tensor } = this.#library;
    const tensors = Object.entries(inputs).map(([name, values]): [string, LibraryTensor] => [
      name,
      new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]),
    ]);
    const outputs = await this.#model(Object.fromEntries(tensors));
    const mask = inputs.attention_mask ?? inputs.input_ids!.map(() => 1);
    const hidden = outputs.last_hidden_state ?? outputs.token_embeddings;
    const [batch, tokens, width] = hidden?.dims ?? [];
    const isHidden = batch === 1 && tokens === mask.length && hidden?.data instanceof Float32Array;
    if (isHidden) return meanOfTokens(hidden.data as Float32Array, mask, width!);
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `${this.name} gives ${Object.keys(outputs).join(', ')}; expected last_hidden_state, float32 [batch, tokens, width]`,
      { outputs: Object.keys(outputs) },
    );
  }

  /** The inputs of a text by their names, no longer than the model's texts may be. */
  #inputsOf(text: string): Readonly<Record<string, readonly number[]>> {
    const { maximumLength } = this.#folder;
    const inputs = this.#tokenizer(text, { return_tensor: false });
    const tokens = inputs.input_ids!;
    if (tokens.length <= maximumLength) return inputs;
    // Marks at the end of every text stay, as sentence-transformers has it and the library does not.
    const end = commonEnd(tokens, this.#tokenizer('', { return_tensor: false }).input_ids!);
    const kept = (values: readonly number[]) => [
      ...values.slice(0, maximumLength - end),
      ...values.slice(values.length - end),
    ];
    return Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, kept(values)]));
  }
}

/** How many values two arrays have in common at their ends. */
function commonEnd(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < b.length && a.at(-1 - length) === b.at(-1 - length)) length++;
  return length;
}

/** The mean over the tokens that the mask has, divided by its norm. */
function meanOfTokens(hidden: Float32Array, mask: readonly number[], width: number): Float32Array {
  const sum = new Float64Array(width);
  for (const [token, counts] of mask.entries()) {
    if (counts) for (let i = 0; i < width; i++) sum[i]! += hidden[token * width + i]!;
  }
  // The number of tokens divides norm and sum alike.
  const norm = Math.sqrt(sum.reduce((squares, value) => squares + value * value, 0));
  return Float32Array.from(sum, (value) => value / norm);
}
