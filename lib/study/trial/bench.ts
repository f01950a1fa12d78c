/**
 * The model of a pair in memory, and its weights as they were at the start, for one trial after another.
 *
 * @module
 */

import type { Cancellable } from '../../core/cancellation.ts';
import { walkElements } from '../../core/element-walk.ts';
import { FlatBuffer } from '../../core/flat-buffer.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { takingMemory } from '../../core/out-of-memory.ts';
import type { ModelLoader, RunnableModel } from '../../run/runnable-model.ts';
import type { Study } from '../definition/study.ts';
import type { StudyWorld } from '../worlds/world.ts';
import type { References } from './references.ts';

/** How far weights are from the start's. */
export interface Distance {
  /** Share of the weights whose value differs. */
  readonly moved: number;
  /** Euclidean, over the weights that are finite. */
  readonly distance: number;
  /** How many are not. */
  readonly nonFinite: number;
}

export class TrialBench {
  readonly study: Study;
  readonly world: StudyWorld;
  readonly references: References;
  readonly model: RunnableModel;
  readonly #start: FlatBuffer;
  readonly #loadModel: ModelLoader;

  private constructor(
    study: Study,
    world: StudyWorld,
    references: References,
    model: RunnableModel,
    start: FlatBuffer,
    loadModel: ModelLoader,
  ) {
    this.study = study;
    this.world = world;
    this.references = references;
    this.model = model;
    this.#start = start;
    this.#loadModel = loadModel;
  }

  /** @throws SoulError of the loader; SOUL_BAD_DATA for a token that the model does not have; SOUL_OUT_OF_MEMORY */
  static async open(
    study: Study,
    world: StudyWorld,
    references: References,
    loadModel: ModelLoader,
    { signal }: Cancellable = {},
  ): Promise<TrialBench> {
    const model = await loadModel(world.original, withoutUndefined({ signal }));
    try {
      world.checkTokens(model.vocabularySize);
      const { length, dtype, device } = model.parameters.values;
      const start = takingMemory('a copy of the weights', () => FlatBuffer.alloc(length, { dtype, device }));
      await start.copyFrom(model.parameters.values);
      return new TrialBench(study, world, references, model, start, loadModel);
    } catch (error) {
      model.release();
      throw error;
    }
  }

  /** Puts the model back to where trials begin, to the bit. */
  async reset(): Promise<void> {
    const { values, gradients } = this.model.parameters;
    await values.copyFrom(this.#start);
    await gradients.fill(0);
  }

  /** Another copy of the model that trials begin with. */
  async loadReference({ signal }: Cancellable = {}): Promise<RunnableModel> {
    return this.#loadModel(this.world.original, withoutUndefined({ signal }));
  }

  async distance(): Promise<Distance> {
    let [differ, sum, nonFinite] = [0, 0, 0];
    const { values } = this.model.parameters;
    await walkElements([values, this.#start], ([own, start]) => {
      for (let i = 0; i < own!.length; i++) {
        const value = own![i]!;
        if (value === start![i]!) continue;
        differ += 1;
        if (Number.isFinite(value)) sum += (value - start![i]!) ** 2;
        else nonFinite += 1;
      }
    });
    return { moved: differ / values.length, distance: Math.sqrt(sum), nonFinite };
  }

  async release(): Promise<void> {
    this.model.release();
    await this.#start.release();
  }
}
