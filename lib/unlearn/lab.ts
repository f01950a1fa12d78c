/**
 * What an algorithm is given: the model, the data, the run's choice of optimizer and of steps, and memory.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { SoulError } from '../core/errors.ts';
import { FlatBuffer } from '../core/flat-buffer.ts';
import { fillFrozen, maskUnion } from '../core/frozen-masks.ts';
import { withoutUndefined } from '../core/optional.ts';
import { type Releasable, thenRelease } from '../core/release.ts';
import type { DifferentiableLM, ReferenceLM } from '../model/contract.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import type { Optimizer, SecondOrderOptimizer } from '../optim/optimizer.ts';
import { descend } from './descend.ts';
import type { DescentOptions } from './descent-options.ts';
import type { DescentSummary, RunEvent } from './events.ts';
import { type Method, needsReferenceModel } from './method.ts';
import { countsOf, pullBack } from './pull-back.ts';
import { referenceValues } from './reference-values.ts';
import type { DataSets } from './source.ts';
import type { Term } from './term.ts';

/** What one descent of an algorithm may have of its own. */
export interface LabDescent extends DescentOptions {
  /** Weights that it leaves as they are, beside those of the run. */
  frozen?: FlatBuffer<'u8'>;
}

export interface LabOptions extends Cancellable {
  readonly model: DifferentiableLM;
  readonly sets: DataSets;
  /** Makes an optimizer of the model's parameters. */
  readonly optimizer: (options: { frozen?: FlatBuffer<'u8'> }) => Optimizer | SecondOrderOptimizer;
  /** Of every descent, unless it has its own. */
  readonly descent?: DescentOptions;
  /** Weights that no algorithm changes. */
  readonly frozen?: FlatBuffer<'u8'>;
  /** A copy of the starting model, for terms that compare with its distribution. */
  readonly referenceModel?: () => Promise<ReferenceLM>;
  readonly seed?: bigint;
}

/** A place for an algorithm to work in. Everything that it hands out is given up with it. */
export class Lab {
  readonly model: DifferentiableLM;
  readonly sets: DataSets;
  readonly seed: bigint;
  readonly signal: AbortSignal | undefined;
  /** Of every descent, unless it has its own. */
  readonly descent: DescentOptions;
  /** Weights that no algorithm changes; descents know. */
  readonly frozen: FlatBuffer<'u8'> | undefined;
  readonly #options: LabOptions;
  readonly #held: Releasable[] = [];

  constructor(options: LabOptions) {
    this.model = options.model;
    this.sets = options.sets;
    this.seed = options.seed ?? 0n;
    this.signal = options.signal;
    this.descent = options.descent ?? {};
    this.frozen = options.frozen;
    this.#options = options;
  }

  /** Descends on a method with an optimizer made anew. */
  async *descend(method: Method, options: LabDescent = {}): AsyncGenerator<RunEvent, DescentSummary, void> {
    const { frozen, ...own } = options;
    const mask = await this.#mask(frozen);
    const optimizer = this.#hold(this.#options.optimizer(mask ? { frozen: mask } : {}));
    const referenceModel = needsReferenceModel(method) ? await this.#reference(method) : undefined;
    const input = {
      model: this.model,
      sets: this.sets,
      seed: this.seed,
      optimizer,
      ...(referenceModel ? { referenceModel } : {}),
      ...(this.signal ? { signal: this.signal } : {}),
    };
    const { steps: _, epochs: __, ...ofAny } = this.descent;
    // A length of its own, in whichever unit, stands in place of the run's.
    const shared = own.steps === undefined && own.epochs === undefined ? this.descent : ofAny;
    const summary = yield* descend(input, method, { ...shared, ...own });
    await this.#giveUp(optimizer);
    return summary;
  }

  /**
   * Leaves the gradient of a term over its whole source, each example once, in the model's gradients, and gives its loss. Where the
   * objective compares with reference values, they are those of the model as it is. The gradients of weights that the run has frozen
   * are 0, whatever they were.
   *
   * @param visit called with the gradient of each sequence by itself, in place of their sum; the gradients are 0 after it
   */
  async *gradient(
    term: Term,
    visit?: (sequence: TokenSequence, index: number) => Promise<void>,
  ): AsyncGenerator<RunEvent, number, void> {
    const { gradients } = this.model.parameters;
    const source = term.source(this.sets);
    const batchSize = visit ? 1 : (this.descent.microBatchSize ?? this.descent.batchSize ?? 8);
    const first = () => 0;
    const referenceModel = term.quantity === 'kl' ? await this.#reference(term) : undefined;
    const examples = (begin: number, end: number) =>
      Array.from({ length: end - begin }, (_, i) => source.at(begin + i, first)).flat();
    // Means run over the whole source, so that the gradient is the same in parts of any size.
    const whole = visit ? undefined : countsOf(examples(0, source.size));
    await gradients.fill(0);
    let loss = 0;
    for (let begin = 0; begin < source.size; begin += batchSize) {
      const what = `the gradient of ${term.name}`;
      throwIfCancelled(this.signal, `${what} was cancelled after ${begin} of ${source.size} examples`);
      const count = Math.min(batchSize, source.size - begin);
      const sequences = examples(begin, begin + count);
      const value = await pullBack(this.model, term, sequences, {
        microBatchSize: batchSize,
        ...withoutUndefined({ batchTokens: this.descent.batchTokens }),
        width: source.width,
        ...(whole ? { whole } : {}),
        ...(term.objective.needsReference
          ? {
              reference: await referenceValues(
                this.model,
                sequences,
                batchSize,
                this.signal ? { signal: this.signal } : {},
              ),
            }
          : {}),
        ...(referenceModel ? { referenceModel } : {}),
        ...(this.signal ? { signal: this.signal } : {}),
      });
      // A visitor sees for itself.
      if (whole && !Number.isFinite(value.loss)) {
        throw new SoulError(
          'SOUL_NON_FINITE',
          `the loss of ${term.name} is ${value.loss} over examples ${begin} to ${begin + count - 1}; ` +
            "the model's weights may be damaged (`soul eval`)",
          { term: term.name, loss: value.loss },
        );
      }
      loss += whole ? value.loss : value.loss / source.size;
      if (visit) {
        await this.#clearFrozen();
        await visit(sequences[0]!, begin);
        await gradients.fill(0);
      }
      yield { kind: 'progress', what, done: begin + count, total: source.size };
    }
    await this.#clearFrozen();
    return loss;
  }

  /** A copy of the parameters as they are. */
  async snapshot(): Promise<FlatBuffer> {
    const { values } = this.model.parameters;
    const copy = this.#hold(FlatBuffer.alloc(values.length, { dtype: values.dtype, device: values.device }));
    await copy.copyFrom(values);
    return copy;
  }

  /** Float32 memory of the parameters' length, all 0. */
  scratch(): FlatBuffer<'f32'> {
    const { values } = this.model.parameters;
    return this.#hold(FlatBuffer.alloc(values.length, { dtype: 'f32', device: values.device }));
  }

  /** A lab with other data or another seed, on the same model. */
  fork(change: { sets?: DataSets; seed?: bigint }): Lab {
    return this.#hold(
      new Lab({
        ...this.#options,
        sets: change.sets ?? this.sets,
        seed: change.seed ?? this.seed,
        descent: this.descent,
      }),
    );
  }

  /** Gives up everything that was handed out, each whatever becomes of the others. */
  async release(): Promise<void> {
    await thenRelease(
      async () => {},
      () => this.#held.splice(0).reverse(),
    );
  }

  async #giveUp(one: Releasable): Promise<void> {
    this.#held.splice(this.#held.indexOf(one), 1);
    await one.release();
  }

  #hold<T extends Releasable>(one: T): T {
    this.#held.push(one);
    return one;
  }

  async #clearFrozen(): Promise<void> {
    if (this.frozen) await fillFrozen(this.model.parameters.gradients, this.frozen, 0);
  }

  /** The weights that are frozen by the run or by the descent. */
  async #mask(own: FlatBuffer<'u8'> | undefined): Promise<FlatBuffer<'u8'> | undefined> {
    if (this.frozen === undefined || own === undefined) return own ?? this.frozen;
    return this.#hold(await maskUnion(this.frozen, own));
  }

  async #reference({ name }: { readonly name: string }): Promise<ReferenceLM> {
    const { referenceModel } = this.#options;
    if (referenceModel) return referenceModel();
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${name} compares with the starting model, and this lab has no copy of it (referenceModel)`,
      { argument: 'referenceModel' },
    );
  }
}
