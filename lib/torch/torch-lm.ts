/**
 * A language model run by libtorch on flat buffers.
 *
 * @module
 */

import { types } from 'node:util';
import type { NativeExternal } from '../core/addon.ts';
import type { Cancellable } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { type FlatBuffer, nativeMemory } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { checkOwn, ownKey } from '../core/own-construction.ts';
import type { AdapterConfig } from '../model/adapter/adapter-config.ts';
import { modelFolders } from '../model/adapter/adapter-folder.ts';
import type { WeightDType } from '../model/checkpoint.ts';
import type {
  AccumulateOptions,
  ActivationTarget,
  BottleneckInputs,
  CurvatureProductOptions,
  CurvatureProducts,
  DifferentiableLM,
  GenerateOptions,
  Pass,
  ReferenceLM,
  ScoreOptions,
  TextGenerator,
  TokenScores,
  TokenTarget,
} from '../model/contract.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import type { ParameterLayout } from '../model/parameter-layout.ts';
import type { TokenBatch } from '../model/token-batch.ts';
import { checkTarget } from '../model/token-target.ts';
import { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import { cancellableCall } from './cancellable-call.ts';
import { hiddenStateChange } from './defaults.ts';
import { nativeEngine } from './engine.ts';
import { generateWith } from './generation.ts';
import { type LoadOptions, prepareLoading } from './load-options.ts';
import { createRandom, loadFolder } from './loading.ts';
import type { ModelMemory } from './model-memory.ts';
import type { NativeBatch } from './native-engine.ts';
import { type SaveMergedOptions, type SaveOptions, saveMergedModel, saveModel } from './saving.ts';
import { TorchPass } from './torch-pass.ts';

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
export class TorchLM<Kind extends WeightDType = WeightDType>
  implements DifferentiableLM, CurvatureProducts, ReferenceLM, TextGenerator
{
  readonly keepsPasses = true;
  readonly #memory: ModelMemory<Kind>;

  private constructor(key: typeof ownKey, memory: ModelMemory<Kind>) {
    checkOwn(key, 'TorchLM', 'TorchLM.load or TorchLM.create');
    this.#memory = memory;
  }

  /**
   * Loads a Hugging Face folder: config.json and model.safetensors or its shards; or a folder of adapters as PEFT writes it, with its base.
   *
   * @throws SoulError of {@link readModelConfig} and {@link openCheckpoint}, before memory is taken; SOUL_ENGINE_MISSING, also where a CUDA device is
   *   asked for and libtorch is no CUDA build; SOUL_UNSUPPORTED where the machine lacks the device, or for adapters of another kind;
   *   SOUL_OUT_OF_MEMORY; SOUL_CANCELLED
   */
  static async load<Kind extends WeightDType = 'f32'>(
    folder: string,
    options: LoadOptions<Kind> = {},
  ): Promise<TorchLM<Kind>> {
    if (typeof folder !== 'string') throw invalidArgument('folder', 'the path of a Hugging Face folder', folder);
    return new TorchLM(ownKey, await loadFolder(folder, prepareLoading(options)));
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
    const checked = prepareLoading(options);
    const { tokenizer: from } =
      typeof folder === 'string' ? await modelFolders(folder, checked.base) : { tokenizer: folder };
    const tokenizer = await HuggingFaceTokenizer.load(from);
    return { model: new TorchLM(ownKey, await loadFolder(folder, checked)), tokenizer };
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
    return new TorchLM(ownKey, await createRandom(config, seed, prepareLoading(options)));
  }

  get config(): DecoderConfig {
    return this.#memory.shape.config;
  }

  /** What trains: all weights, or with adapters those of the adapters alone. */
  get parameters(): ModelMemory<Kind>['parameters'] {
    return this.#memory.parameters;
  }

  /** The kind of adapters that the model has; undefined where its own weights train. */
  get adapter(): AdapterConfig | undefined {
    return this.#memory.shape.frozen?.adapter;
  }

  /** The frozen weights beside which the adapters stand; undefined where there are none. Nobody writes to them. */
  get base(): { readonly values: FlatBuffer<Kind>; readonly layout: ParameterLayout } | undefined {
    return this.#memory.shape.frozen?.base;
  }

  get vocabularySize(): number {
    return this.config.vocabularySize;
  }

  /** Longest sequence, in tokens. */
  get maximumLength(): number {
    return this.config.maxPositions;
  }

  /** The outputs of its layers, that is the residual stream after each. */
  get hiddenStates(): { readonly layers: number; readonly width: number } {
    return { layers: this.config.layers, width: this.config.hiddenSize };
  }

  /** Whether `release` was called. */
  get released(): boolean {
    return this.#memory.released;
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

  /**
   * |h - target|^2 / d, in float32 whatever the weights are held in, of the residual stream h after a layer, before the final norm also
   * of the last one. Only the layers up to it are run, forward and backward (RMU: Li et al. 2024, arXiv 2403.03218, equations 1 and 2).
   *
   * @param target its vector has `hiddenStates.width` finite numbers; a reference is another TorchLM of that width and on the same
   *   device, which must not change before the pass is pulled back, and must know the batch's tokens
   * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_RELEASED, SOUL_CANCELLED
   */
  async activationDistance(target: ActivationTarget, batch: TokenBatch, { signal }: Cancellable = {}): Promise<Pass> {
    checkNames('target', target, ['layer', 'toward']);
    const { layer, toward } = target;
    const { layers } = this.hiddenStates;
    checkInteger('layer', layer, { low: 0, high: layers - 1, why: `the model has ${layers} layers` });
    const reference = toward instanceof TorchLM ? toward : undefined;
    if (reference === undefined && !types.isFloat32Array(toward)) {
      throw invalidArgument('toward', 'a Float32Array or a TorchLM', toward);
    }
    const { pass, values } = await cancellableCall(signal, 'a forward pass', (cancelled) => {
      const aim = reference === undefined ? (toward as Float32Array) : reference.#use('reference');
      return nativeEngine().activation(this.#use(), layer, aim, ...batchArrays(batch), cancelled);
    });
    return new TorchPass(ownKey, pass, values, batch.labelOffsets, () => {
      this.#use();
      if (reference !== undefined) reference.#use('reference');
    });
  }

  /**
   * @param target the model's own logits are those of the time of the call; a reference is one as for `klTo`
   * @throws SoulError SOUL_INVALID_ARGUMENT for a shift that is neither -Infinity nor a number that float32 can hold
   */
  async targetCrossEntropy(target: TokenTarget, batch: TokenBatch, { signal }: Cancellable = {}): Promise<Pass> {
    const { from, shift } = checkTarget(target);
    if (from !== 'self' && !(from instanceof TorchLM)) throw invalidArgument('from', "'self' or a TorchLM", from);
    const reference = () => (from === 'self' ? undefined : from.#use('reference'));
    const { pass, values } = await cancellableCall(signal, 'a forward pass', (cancelled) =>
      nativeEngine().targetCrossEntropy(this.#use(), reference(), shift, ...batchArrays(batch), cancelled),
    );
    return new TorchPass(ownKey, pass, values, batch.labelOffsets, () => {
      this.#use();
      reference();
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

  /**
   * Of float32 weights; three forward passes and one backward pass. The derivative of the hidden states is a central difference, whose
   * error is about 1e-3 of the product ({@link hiddenStateChange}); everything after them is exact to rounding.
   *
   * @throws SoulError SOUL_UNSUPPORTED for bf16 weights; SOUL_ALIASED; SOUL_CANCELLED
   */
  async addGaussNewtonProduct(
    batch: TokenBatch,
    weights: Float32Array,
    direction: FlatBuffer<'f32'>,
    options: CurvatureProductOptions,
  ): Promise<void> {
    checkNames('options', options, ['scratch', 'signal']);
    const { scratch, signal } = options;
    const { dtype } = this.parameters.values;
    if (dtype !== 'f32') {
      throw new SoulError(
        'SOUL_UNSUPPORTED',
        `products with the Gauss-Newton matrix need float32 weights, for ${dtype} would round away the differences that they are made of; load the model with dtype 'f32'`,
        { dtype },
      );
    }
    const [along, memory] = [nativeMemory(direction, 'direction'), nativeMemory(scratch, 'scratch')];
    const change = hiddenStateChange[this.config.activation === 'relu' ? 'relu' : 'smooth'];
    await cancellableCall(signal, 'a curvature product', (cancelled) =>
      nativeEngine().gaussNewton(this.#use(), ...batchArrays(batch), weights, along, memory, change, cancelled),
    );
  }

  /**
   * Of a model with unlearning layers: what enters each of them over the tokens that a pass runs, which in the last layer are those that predict
   * labels.
   *
   * @throws SoulError SOUL_UNSUPPORTED for another model; SOUL_INVALID_ARGUMENT, SOUL_RELEASED, SOUL_CANCELLED
   */
  async bottleneckInputs(batch: TokenBatch, { signal }: Cancellable = {}): Promise<BottleneckInputs[]> {
    const handle = this.#use();
    if (this.adapter?.kind !== 'unlearning-layers') {
      throw new SoulError('SOUL_UNSUPPORTED', 'the model has no unlearning layers, whose inputs are asked for');
    }
    const matrices = await cancellableCall(signal, 'a pass over the inputs of unlearning layers', (cancelled) =>
      nativeEngine().bottleneckInputs(handle, ...batchArrays(batch), cancelled),
    );
    return Array.from({ length: matrices.length / 2 }, (_, layer) => ({
      down: matrices[2 * layer]!,
      up: matrices[2 * layer + 1]!,
    }));
  }

  /**
   * With `layer` by the residual stream after that layer; only the layers up to it are run.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_RELEASED, SOUL_CANCELLED
   */
  async score(batch: TokenBatch, options: ScoreOptions = {}): Promise<TokenScores> {
    checkNames('options', options, ['layer', 'signal']);
    const { layers } = this.hiddenStates;
    const { layer = layers - 1, signal } = options;
    checkInteger('layer', layer, { low: 0, high: layers - 1, why: `the model has ${layers} layers` });
    const scores = await cancellableCall(signal, 'scoring', (cancelled) =>
      nativeEngine().score(this.#use(), ...batchArrays(batch), layer, cancelled),
    );
    return { ...scores, offsets: batch.labelOffsets.slice() };
  }

  /**
   * Continues each prompt until a stop token, `maxNewTokens`, or the model's last position. Results are those of each prompt
   * alone, to rounding.
   */
  async generate(prompts: readonly (readonly number[])[], options: GenerateOptions): Promise<number[][]> {
    return generateWith(this.#memory, prompts, options);
  }

  /**
   * Writes a Hugging Face folder that transformers and every command load: config.json, model.safetensors in the model's own
   * dtype, and, where the model came with them, generation_config.json and the tokenizer's files. Of a model with adapters those alone, as
   * PEFT loads them: adapter_config.json, adapter_model.safetensors and the tokenizer's files. Calls made before come first; don't change
   * parameters until it is done.
   *
   * @throws SoulError SOUL_EXISTS where the folder holds a model and `overwrite` is not set, also where it holds adapters and
   *   the model has none, or the other way round; SOUL_NOT_FOUND where the tokenizer is
   *   gone; SOUL_FILE_SYSTEM
   */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    await saveModel(this.#memory, folder, options);
  }

  /**
   * Another model on the same frozen weights, with a copy of the adapters as they are when its turn comes: a reference that costs no second
   * base. The base's memory is given up with the last of them.
   *
   * @throws SoulError SOUL_UNSUPPORTED for a model without adapters; SOUL_RELEASED; SOUL_OUT_OF_MEMORY
   */
  async fork(): Promise<TorchLM<Kind>> {
    this.#requireAdapter('a fork shares frozen weights; load the model a second time');
    return new TorchLM(ownKey, await this.#memory.fork());
  }

  /**
   * A whole model in which the adapters are folded into the weights, W + scale * B A: summed in float32, and rounded once where weights are bf16.
   * This one stays as it is.
   *
   * @throws SoulError SOUL_UNSUPPORTED for a model without adapters; SOUL_RELEASED; SOUL_OUT_OF_MEMORY; SOUL_CANCELLED
   */
  async merged({ signal }: Cancellable = {}): Promise<TorchLM<Kind>> {
    this.#requireMergeable('there is nothing to merge');
    return new TorchLM(ownKey, await this.#memory.merged(signal));
  }

  /**
   * Writes the whole model that `merged` makes, without taking memory for its gradients.
   *
   * @throws SoulError of `merged` and `save`; SOUL_INVALID_ARGUMENT for the folder of the base
   */
  async saveMerged(folder: string, options: SaveMergedOptions = {}): Promise<void> {
    this.#requireMergeable('there is nothing to merge; save it');
    await saveMergedModel(this.#memory, folder, options);
  }

  /** Gives the memory up once the calls made before are done; harmless when done twice. */
  release(): void {
    void this.#memory.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** At the end of a block with `await using`: waits until the memory is given up. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#memory.release();
  }

  #use(argument?: string): NativeExternal {
    return this.#memory.use(argument);
  }

  #requireMergeable(otherwise: string): void {
    this.#requireAdapter(otherwise);
    if (this.adapter?.kind === 'lora') return;
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      'unlearning layers cannot be merged: what they add is no product with a weight of the model; keep them beside it',
    );
  }

  #requireAdapter(otherwise: string): void {
    this.#use();
    if (this.adapter) return;
    throw new SoulError('SOUL_UNSUPPORTED', `the model has no adapters: ${otherwise}`);
  }
}

function batchArrays(batch: TokenBatch): NativeBatch {
  if (typeof batch !== 'object' || batch === null || !('labelPositions' in batch)) {
    throw invalidArgument('batch', 'a TokenBatch', batch);
  }
  return [batch.tokens, batch.offsets, batch.labelPositions];
}
