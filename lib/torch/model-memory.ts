/**
 * What a model of the engine stands on: its weights in flat buffers, whole or frozen with adapters beside them, and the engine's handle.
 *
 * @module
 */

import type { NativeExternal } from '../core/addon.ts';
import { SoulError } from '../core/errors.ts';
import { FlatBuffer, nativeMemory } from '../core/flat-buffer.ts';
import { takingMemory } from '../core/out-of-memory.ts';
import type { AdapterConfig } from '../model/adapter/adapter-config.ts';
import { adapterLayout } from '../model/adapter/adapter-layout.ts';
import type { WeightDType } from '../model/checkpoint.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { parameterLayout } from '../model/decoder-weights.ts';
import type { ParameterLayout } from '../model/parameter-layout.ts';
import { attentionKind } from './attention-kind.ts';
import { cancellableCall } from './cancellable-call.ts';
import { defaultLogitsMemory } from './defaults.ts';
import { nativeEngine } from './engine.ts';
import type { CheckedOptions } from './load-options.ts';
import { nativeSpecification } from './native-specification.ts';
import { SharedWeights } from './shared-weights.ts';

/** Where a model came from, and what of it only passes through. */
export interface Source {
  /** The folder of the whole model. */
  readonly folder?: string;
  /** The folder that has the tokenizer. */
  readonly tokenizer?: string;
  /** The content of generation_config.json. */
  readonly generationConfig?: string;
}

/** What a model is made of, beside the values that train. */
export interface ModelShape<Kind extends WeightDType> {
  readonly config: DecoderConfig;
  readonly options: CheckedOptions<Kind>;
  readonly source: Source;
  /** Absent where all weights train. */
  readonly frozen?: { readonly adapter: AdapterConfig; readonly base: SharedWeights<Kind> };
}

export class ModelMemory<Kind extends WeightDType = WeightDType> {
  readonly shape: ModelShape<Kind>;
  /** Those that train: the adapters' alone where there are some. */
  readonly parameters: {
    readonly values: FlatBuffer<Kind>;
    readonly gradients: FlatBuffer<Kind>;
    readonly layout: ParameterLayout;
  };
  readonly #handle: NativeExternal;
  /** Set by `release`; settles when the memory is given up. */
  #released: Promise<unknown> | undefined;

  /** @param values of the weights that train; with frozen ones of the adapters */
  constructor(shape: ModelShape<Kind>, values: FlatBuffer<Kind>) {
    const { config, options, frozen } = shape;
    const { device, dtype, threads, checkpointActivations } = options;
    const { logitsMemory = defaultLogitsMemory(device, frozen !== undefined) } = options;
    const layout = trainedLayout(shape);
    const gradients = takingMemory(frozen ? "the adapters' gradients" : "the weights' gradients", () =>
      FlatBuffer.alloc(layout.length, { device, dtype }),
    );
    this.shape = shape;
    this.parameters = { values, gradients, layout };
    const settings = { attention: attentionKind(config, device, dtype), checkpointActivations, threads, logitsMemory };
    const trained = [nativeMemory(values, 'values'), nativeMemory(gradients, 'gradients')] as const;
    this.#handle = frozen
      ? nativeEngine().createModel(
          nativeSpecification(config, settings, frozen.adapter),
          nativeMemory(frozen.base.values, 'values'),
          undefined,
          ...trained,
        )
      : nativeEngine().createModel(nativeSpecification(config, settings), ...trained);
    frozen?.base.hold();
  }

  get released(): boolean {
    return this.#released !== undefined;
  }

  /**
   * The handle of a model that is not released.
   *
   * @param argument what the caller's documentation calls the model
   * @throws SoulError SOUL_RELEASED
   */
  use(argument = 'model'): NativeExternal {
    if (this.#released) {
      throw new SoulError('SOUL_RELEASED', `the ${argument} was released; load it again`, { argument });
    }
    nativeMemory(this.parameters.values, 'values');
    nativeMemory(this.parameters.gradients, 'gradients');
    if (this.shape.frozen) nativeMemory(this.shape.frozen.base.values, 'base.values');
    return this.#handle;
  }

  /** Gives the memory up once the calls made before are done; harmless when done twice. */
  release(): Promise<unknown> {
    const { values, gradients } = this.parameters;
    // They fail where the environment ends, or a device has, and the memory with it.
    this.#released ??= Promise.allSettled([
      nativeEngine().releaseModel(this.#handle),
      values.release(),
      gradients.release(),
      this.shape.frozen?.base.letGo(),
    ]);
    return this.#released;
  }

  /** Another model on the same frozen weights, with a copy of the adapters as they are when its turn comes. */
  async fork(): Promise<ModelMemory<Kind>> {
    this.use();
    const { base } = this.shape.frozen!;
    // This one may be released before the other stands.
    base.hold();
    try {
      return await fillMemory(this.shape, (copy) => copy.copyFrom(this.parameters.values));
    } finally {
      await base.letGo();
    }
  }

  /** The frozen weights with the adapters folded in, in memory of their own. */
  async mergedValues(signal?: AbortSignal): Promise<FlatBuffer<Kind>> {
    const { base } = this.shape.frozen!;
    const { device, dtype } = this.shape.options;
    const merged = takingMemory('the merged weights', () => FlatBuffer.alloc(base.values.length, { device, dtype }));
    try {
      await cancellableCall(signal, 'merging', (cancelled) =>
        nativeEngine().merge(this.use(), nativeMemory(merged, 'target'), cancelled),
      );
      return merged;
    } catch (error) {
      await merged.release().catch(() => {});
      throw error;
    }
  }

  /** A whole model with the adapters folded in. */
  async merged(signal?: AbortSignal): Promise<ModelMemory<Kind>> {
    const { frozen: _, ...whole } = this.shape;
    const values = await this.mergedValues(signal);
    return orRelease([values], () => new ModelMemory(whole, values));
  }
}

/** A model whose values are allocated and filled; memory of a device is given back when that fails. */
export async function fillMemory<Kind extends WeightDType>(
  shape: ModelShape<Kind>,
  fill: (values: FlatBuffer<Kind>) => Promise<void>,
): Promise<ModelMemory<Kind>> {
  const values = allocateValues(trainedLayout(shape), shape.options, shape.frozen ? 'the adapters' : 'the weights');
  return orRelease([values], async () => {
    await fill(values);
    return new ModelMemory(shape, values);
  });
}

/** Frozen weights, allocated and filled. */
export async function fillFrozen<Kind extends WeightDType>(
  config: DecoderConfig,
  options: CheckedOptions<Kind>,
  fill: (values: FlatBuffer<Kind>) => Promise<void>,
): Promise<SharedWeights<Kind>> {
  const layout = parameterLayout(config);
  const values = allocateValues(layout, options, 'the weights');
  return orRelease([values], async () => {
    await fill(values);
    return new SharedWeights(values, layout);
  });
}

/** What `make` gives; where it fails, buffers are given back. */
export async function orRelease<Result>(
  buffers: readonly FlatBuffer[],
  make: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await make();
  } catch (error) {
    await Promise.allSettled(buffers.map((buffer) => buffer.release()));
    throw error;
  }
}

function allocateValues<Kind extends WeightDType>(
  { length }: ParameterLayout,
  { device, dtype }: CheckedOptions<Kind>,
  what: string,
): FlatBuffer<Kind> {
  return takingMemory(what, () => FlatBuffer.alloc(length, { device, dtype }));
}

function trainedLayout({ config, frozen }: ModelShape<WeightDType>): ParameterLayout {
  return frozen ? adapterLayout(config, frozen.adapter) : parameterLayout(config);
}
