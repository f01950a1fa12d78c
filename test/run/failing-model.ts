/**
 * A model whose every pass fails.
 *
 * @module
 */

import { FlatBuffer } from '../../lib/index.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import type { RunnableModel } from '../../lib/run/runnable-model.ts';

export class FailingModel implements RunnableModel {
  readonly vocabularySize = 1000;
  readonly maximumLength = 64;
  readonly parameters: RunnableModel['parameters'];
  released = 0;
  readonly #failure: Error;

  constructor(failure: Error) {
    const layout = ParameterLayout.of([{ name: 'weight', shape: [3], group: 'matrix' }]);
    this.#failure = failure;
    this.parameters = { values: FlatBuffer.alloc(layout.length), gradients: FlatBuffer.alloc(layout.length), layout };
  }

  nll = () => this.#fail();
  klTo = () => this.#fail();
  accumulate = () => this.#fail();
  score = () => this.#fail();
  generate = () => this.#fail();
  save = () => this.#fail();

  release(): void {
    this.released++;
  }

  async #fail(): Promise<never> {
    throw this.#failure;
  }
}
