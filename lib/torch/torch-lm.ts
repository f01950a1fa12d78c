/**
 * A language model run by libtorch on flat buffers.
 *
 * @module
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NativeExternal } from '../core/addon.ts';
import { type Cancellable, checkSignal } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { checkDevice, type Device, type DeviceName } from '../core/devices.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { FlatBuffer, nativeMemory } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { checkOwn, ownKey } from '../core/own-construction.ts';
import { usableProcessors } from '../core/processors.ts';
import { randomStream } from '../core/random.ts';
import { readCheckpoint, type WeightDType } from '../model/checkpoint.ts';
import { parseModelConfig, readModelConfig } from '../model/config.ts';
import type {
  AccumulateOptions,
  DifferentiableLM,
  GenerateOptions,
  Pass,
  ReferenceLM,
  TextGenerator,
  TokenScores,
} from '../model/contract.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { parameterLayout } from '../model/decoder-weights.ts';
import { writeModelFolder } from '../model/model-folder.ts';
import type { ParameterLayout } from '../model/parameter-layout.ts';
import { fillRandomWeights } from '../model/random-weights.ts';
import type { TokenBatch } from '../model/token-batch.ts';
import { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import { tokenizerFilesOf } from '../model/tokenizer-files.ts';
import { cancellableCall } from './cancellable-call.ts';
import { defaultLogitsMemory } from './defaults.ts';
import { nativeEngine, requireCudaEngine } from './engine.ts';
import { checkGenerateOptions, checkPrompts } from './generation.ts';
import type { NativeBatch } from './native-engine.ts';
import { nativeSpecification } from './native-specification.ts';
import { generateInGroups } from './prompt-groups.ts';
import { TorchPass } from './torch-pass.ts';

export interface LoadOptions<Kind extends WeightDType = WeightDType> {
  /** Where the model runs and its parameters lie, default `'cpu'`; `'cuda'` is `'cuda:0'`. */
  device?: DeviceName;
  /**
   * What parameters and gradients are held in, default `'f32'`; weights of a file are widened or rounded to it. With
   * `'bf16'` products are computed in it too, as transformers does; losses are float32.
   */
  dtype?: Kind;
  /** Threads of libtorch on the CPU. Default {@link engineThreads}. */
  threads?: number;
  /**
   * Bytes that the logits of one chunk may take; default 64 MiB on the CPU and 1 GiB on a GPU, where each chunk reads the
   * whole output matrix and adds to its whole gradient. The whole logit matrix is never held.
   */
  logitsMemory?: number;
  /**
   * A pass that can be pulled back keeps the inputs of layers alone, and computes each layer again when it is: less memory, for about
   * a third more time. Default false.
   */
  checkpointActivations?: boolean;
  /** Ends the loading with SOUL_CANCELLED, between two tensors. */
  signal?: AbortSignal;
  /** Told of what in a folder's weights is unusual and what was made of it: names of a wrapper, tensors that are not read. */
  onNote?: (note: string) => void;
}

const loadOptionNames = [
  'device',
  'dtype',
  'threads',
  'logitsMemory',
  'checkpointActivations',
  'signal',
  'onNote',
] as const satisfies readonly (keyof LoadOptions)[];

export interface SaveOptions {
  /** Whose files go along, in place of the tokenizer of the folder that the model was loaded from. */
  tokenizer?: HuggingFaceTokenizer;
  /** Replaces a model that is in the folder. Default false: it is an error. */
  overwrite?: boolean;
}

/** The folder that a model was loaded from, and what of it only passes through. */
interface Source {
  /** Undefined where the folder had no tokenizer. */
  readonly tokenizer: string | undefined;
  readonly generationConfig: string | undefined;
}

/** Options with defaults filled in. */
interface CheckedOptions<Kind extends WeightDType> {
  readonly device: Device;
  readonly dtype: Kind;
  readonly threads: number;
  readonly logitsMemory: number;
  readonly checkpointActivations: boolean;
  readonly signal?: AbortSignal;
  readonly onNote?: (note: string) => void;
}

/**
 * A decoder of one of the {@link families}, whose parameters and gradients lie in flat buffers, on the CPU or a CUDA device.
 *
 * Calls run on the engine's thread in the order they were made, awaited or not, with those of buffers and optimizers. After
 * `release` every use throws SOUL_RELEASED. A pass must be pulled back before the parameters change: `backward` computes with
 * those of its own time. Dropout is never applied, whatever config.json says. When a call fails halfway, for want of memory for
 * instance, the gradients hold a part of what it would have added: zero them.
 *
 * @example
 * const model = await TorchLM.load('folder');
 * const batch = TokenBatch.of([{ tokens: [1, 5, 9, 2], labelsFrom: 2 }]);
 * const pass = await model.nll(batch);                                  // -log p(9), -log p(2)
 * await pass.backward(new Float32Array(batch.labelCount).fill(0.5));    // adds the gradient of their mean
 * await model.save('other');
 */
export class TorchLM<Kind extends WeightDType = WeightDType> implements DifferentiableLM, ReferenceLM, TextGenerator {
  readonly config: DecoderConfig;
  readonly parameters: {
    readonly values: FlatBuffer<Kind>;
    readonly gradients: FlatBuffer<Kind>;
    readonly layout: ParameterLayout;
  };
  readonly #handle: NativeExternal;
  readonly #source: Source | undefined;
  #released = false;

  private constructor(
    key: typeof ownKey,
    config: DecoderConfig,
    values: FlatBuffer<Kind>,
    options: CheckedOptions<Kind>,
    source?: Source,
  ) {
    checkOwn(key, 'TorchLM', 'TorchLM.load or TorchLM.create');
    const layout = parameterLayout(config);
    const { device, dtype, threads, logitsMemory, checkpointActivations } = options;
    const gradients = FlatBuffer.alloc(layout.length, { device, dtype });
    this.config = config;
    this.parameters = { values, gradients, layout };
    this.#source = source;
    const specification = nativeSpecification(config, {
      portableAttention: false,
      checkpointActivations,
      threads,
      logitsMemory,
    });
    this.#handle = nativeEngine().createModel(
      specification,
      nativeMemory(values, 'values'),
      nativeMemory(gradients, 'gradients'),
    );
  }

  /**
   * Loads a Hugging Face folder: config.json and model.safetensors or its shards.
   *
   * @throws SoulError of {@link readModelConfig} and {@link readCheckpoint}; SOUL_ENGINE_MISSING, also where a CUDA device is
   *   asked for and libtorch is no CUDA build; SOUL_UNSUPPORTED where the machine lacks the device; SOUL_OUT_OF_MEMORY;
   *   SOUL_CANCELLED
   */
  static async load<Kind extends WeightDType = 'f32'>(
    folder: string,
    options: LoadOptions<Kind> = {},
  ): Promise<TorchLM<Kind>> {
    if (typeof folder !== 'string') throw invalidArgument('folder', 'the path of a Hugging Face folder', folder);
    const checked = prepare(options);
    const config = await readModelConfig(folder);
    const generationConfig = await readFile(join(folder, 'generation_config.json'), 'utf8').catch(() => undefined);
    const tokenizer = (await tokenizerFilesOf(folder)).length > 0 ? folder : undefined;
    const layout = parameterLayout(config);
    return TorchLM.#fill(layout, checked, async (values) => {
      await readCheckpoint(folder, config, values, checked);
      return new TorchLM(ownKey, config, values, checked, { tokenizer, generationConfig });
    });
  }

  /**
   * Loads a Hugging Face folder and its tokenizer.
   *
   * @throws SoulError of {@link TorchLM.load} and {@link HuggingFaceTokenizer.load}
   */
  static async loadWithTokenizer<Kind extends WeightDType = 'f32'>(
    folder: string,
    options: LoadOptions<Kind> = {},
  ): Promise<{ model: TorchLM<Kind>; tokenizer: HuggingFaceTokenizer }> {
    const tokenizer = await HuggingFaceTokenizer.load(folder);
    return { model: await TorchLM.load(folder, options), tokenizer };
  }

  /**
   * A model with random weights: normal with the configuration's standard deviation, norms that scale by 1, biases 0. Each draw is a
   * function of (seed, parameter, element).
   *
   * @param config the content of a config.json
   * @throws SoulError of {@link parseModelConfig}; SOUL_ENGINE_MISSING, SOUL_UNSUPPORTED, SOUL_OUT_OF_MEMORY as `load`
   */
  static async create<Kind extends WeightDType = 'f32'>(
    config: object,
    seed: bigint,
    options: LoadOptions<Kind> = {},
  ): Promise<TorchLM<Kind>> {
    if (typeof seed !== 'bigint') throw invalidArgument('seed', 'a bigint', seed);
    const checked = prepare(options);
    const parsed = parseModelConfig(config);
    const layout = parameterLayout(parsed);
    return TorchLM.#fill(layout, checked, async (values) => {
      await fillRandomWeights(values, parsed, seed, checked);
      return new TorchLM(ownKey, parsed, values, checked);
    });
  }

  /** Memory of a device is given back when what fills it fails. */
  static async #fill<Kind extends WeightDType>(
    layout: ParameterLayout,
    { device, dtype }: CheckedOptions<Kind>,
    make: (values: FlatBuffer<Kind>) => Promise<TorchLM<Kind>>,
  ): Promise<TorchLM<Kind>> {
    const values = FlatBuffer.alloc(layout.length, { device, dtype });
    try {
      return await make(values);
    } catch (error) {
      await values.release().catch(() => {});
      throw error;
    }
  }

  get vocabularySize(): number {
    return this.config.vocabularySize;
  }

  /** Longest sequence, in tokens. */
  get maximumLength(): number {
    return this.config.maxPositions;
  }

  /** Whether `release` was called. */
  get released(): boolean {
    return this.#released;
  }

  async nll(batch: TokenBatch, { signal }: Cancellable = {}): Promise<Pass> {
    const { pass, values } = await cancellableCall(signal, 'a forward pass', (cancelled) =>
      nativeEngine().nll(this.#use(), ...batchArrays(batch), cancelled),
    );
    return new TorchPass(ownKey, pass, values, batch.labelOffsets, () => this.#use());
  }

  /**
   * @param reference another TorchLM of the same vocabulary on the same device; it must not change before the pass is pulled
   *   back
   */
  async klTo(reference: ReferenceLM, batch: TokenBatch, { signal }: Cancellable = {}): Promise<Pass> {
    if (!(reference instanceof TorchLM)) throw invalidArgument('reference', 'a TorchLM', reference);
    const { pass, values } = await cancellableCall(signal, 'a forward pass', (cancelled) =>
      nativeEngine().divergence(this.#use(), reference.#use('reference'), ...batchArrays(batch), cancelled),
    );
    return new TorchPass(ownKey, pass, values, batch.labelOffsets, () => {
      this.#use();
      reference.#use('reference');
    });
  }

  async accumulate(batch: TokenBatch, weights: Float32Array, options: AccumulateOptions = {}): Promise<Float32Array> {
    const { labels = 'given', signal } = options;
    const sampled = typeof labels === 'object' && labels !== null && typeof labels.sampledWith === 'bigint';
    if (labels !== 'given' && !sampled) {
      throw invalidArgument('labels', "'given' or { sampledWith: bigint }", labels);
    }
    const seed = sampled ? BigInt.asUintN(64, labels.sampledWith) : undefined;
    return cancellableCall(signal, 'a gradient', (cancelled) =>
      nativeEngine().accumulate(this.#use(), ...batchArrays(batch), weights, seed, cancelled),
    );
  }

  async score(batch: TokenBatch, { signal }: Cancellable = {}): Promise<TokenScores> {
    const scores = await cancellableCall(signal, 'scoring', (cancelled) =>
      nativeEngine().score(this.#use(), ...batchArrays(batch), cancelled),
    );
    return { ...scores, offsets: batch.labelOffsets.slice() };
  }

  /**
   * Continues each prompt until a stop token, `maxNewTokens`, or the model's last position. Results are those of each prompt
   * alone, to rounding.
   */
  async generate(prompts: readonly (readonly number[])[], options: GenerateOptions): Promise<number[][]> {
    const handle = this.#use();
    const settings = checkGenerateOptions(options);
    const stream = randomStream(settings.seed, 'generation');
    checkPrompts(prompts);
    const { layers, keyValueHeads, headSize, maxPositions } = this.config;
    const bytesPerElement = this.parameters.values.dtype === 'f32' ? 4 : 2;
    const bounds = { bytesPerToken: 2 * bytesPerElement * layers * keyValueHeads * headSize, maxPositions };
    return generateInGroups(prompts, settings.maxNewTokens, bounds, async (group, finished) => {
      const { tokens, offsets, indexes, maxNewTokens } = group;
      const seeds = BigUint64Array.from(indexes, (index) => stream.seed64(0, index));
      const { stopTokens, temperature, topP } = settings;
      const options = { maxNewTokens, temperature, topP };
      const what = `generation, after ${finished} of ${prompts.length} prompts,`;
      const generated = await cancellableCall(settings.signal, what, (cancelled) =>
        nativeEngine().generate(handle, tokens, offsets, stopTokens, seeds, options, cancelled),
      );
      this.#use();
      return generated;
    });
  }

  /**
   * Writes a Hugging Face folder that transformers and every command load: config.json, model.safetensors in the model's own
   * dtype, and, where the model came with them, generation_config.json and the tokenizer's files. Calls made before come
   * first; don't change parameters until it is done.
   *
   * @throws SoulError SOUL_EXISTS where the folder holds a model and `overwrite` is not set; SOUL_NOT_FOUND where the tokenizer is
   *   gone; SOUL_FILE_SYSTEM
   */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    if (typeof folder !== 'string' || folder === '') throw invalidArgument('folder', 'a path', folder);
    checkNames('options', options, ['tokenizer', 'overwrite']);
    this.#use();
    const { values } = this.parameters;
    const { tokenizer, overwrite } = options;
    await writeModelFolder(folder, this.config, values, {
      ...withoutUndefined({ generationConfig: this.#source?.generationConfig, overwrite }),
      ...withoutUndefined({ tokenizer: tokenizer?.folder ?? this.#source?.tokenizer }),
    });
  }

  /** Gives the memory up once the calls made before are done; harmless when done twice. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    const { values, gradients } = this.parameters;
    // They fail where the environment ends, or a device has, and the memory with it.
    for (const released of [nativeEngine().releaseModel(this.#handle), values.release(), gradients.release()]) {
      released?.catch(() => {});
    }
  }

  [Symbol.dispose](): void {
    this.release();
  }

  #use(argument = 'model'): NativeExternal {
    if (this.#released) {
      throw new SoulError('SOUL_RELEASED', `the ${argument} was released; load it again`, { argument });
    }
    nativeMemory(this.parameters.values, 'values');
    nativeMemory(this.parameters.gradients, 'gradients');
    return this.#handle;
  }
}

function batchArrays(batch: TokenBatch): NativeBatch {
  if (typeof batch !== 'object' || batch === null || !('labelsFrom' in batch)) {
    throw invalidArgument('batch', 'a TokenBatch', batch);
  }
  return [batch.tokens, batch.offsets, batch.labelsFrom];
}

/** Threads of libtorch by default: OMP_NUM_THREADS, as everywhere in libtorch, else the processors that this process may use. */
export function engineThreads(): number {
  const wanted = Number(process.env.OMP_NUM_THREADS);
  return Number.isInteger(wanted) && wanted >= 1 && wanted <= 4096 ? wanted : usableProcessors();
}

/** Checks options and loads the engine. */
function prepare<Kind extends WeightDType>(options: LoadOptions<Kind>): CheckedOptions<Kind> {
  checkNames('options', options, loadOptionNames);
  const device = checkDevice('device', options.device ?? 'cpu');
  const {
    dtype = 'f32' as Kind,
    threads = engineThreads(),
    logitsMemory = defaultLogitsMemory(device),
    checkpointActivations = false,
  } = options;
  if (dtype !== 'f32' && dtype !== 'bf16') throw invalidArgument('dtype', "'f32' or 'bf16'", dtype);
  if (options.threads !== undefined) checkInteger('threads', threads, { high: 4096 });
  checkInteger('logitsMemory', logitsMemory, { why: 'in bytes' });
  if (typeof checkpointActivations !== 'boolean') {
    throw invalidArgument('checkpointActivations', 'true or false', checkpointActivations);
  }
  const signal = checkSignal('signal', options.signal);
  const { onNote } = options;
  if (onNote !== undefined && typeof onNote !== 'function') throw invalidArgument('onNote', 'a function', onNote);
  if (device === 'cpu') nativeEngine();
  else requireCudaEngine(device);
  return { device, dtype, threads, logitsMemory, checkpointActivations, ...withoutUndefined({ signal, onNote }) };
}
