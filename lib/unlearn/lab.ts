/**
 * What an algorithm is given: the model, the data, the run's choice of optimizer and of steps, and memory.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { SoulError } from '../core/errors.ts';
import { type DType, FlatBuffer } from '../core/flat-buffer.ts';
import { fillFrozen, maskUnion } from '../core/frozen-masks.ts';
import { withoutUndefined } from '../core/optional.ts';
import { takingMemory } from '../core/out-of-memory.ts';
import { type Releasable, thenRelease } from '../core/release.ts';
import type { DifferentiableLM, ReferenceLM } from '../model/contract.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import type { Optimizer, SecondOrderOptimizer } from '../optim/optimizer.ts';
import type { Algorithm } from './algorithm.ts';
import { Course, type Leavings, type StageValue, type StageWork, workOf } from './course.ts';
import { descend } from './descend.ts';
import type { DescentOptions } from './descent-options.ts';
import type { DescentSummary, RunEvent } from './events.ts';
import type { Journal } from './journal.ts';
import { type Method, needsReferenceModel } from './method.ts';
import { pullBack } from './pull-back.ts';
import { checkGives, comparesWithStart } from './quantity.ts';
import { referenceValues } from './reference-values.ts';
import type { DataSets } from './source.ts';
import type { Term } from './term.ts';
import { countsOf } from './term-parts.ts';

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
  /** A copy of the starting model, for terms that compare with it. */
  readonly referenceModel?: () => Promise<ReferenceLM>;
  readonly seed?: bigint;
  /**
   * Keeps how far the algorithm has come, and has what an earlier process kept of the same run: the model is then the starting model,
   * and whatever was done is not done again.
   */
  readonly journal?: Journal;
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
  /** Where there is a journal: that of all labs that are forks of one. */
  #course: Course | undefined;
  readonly #held: Releasable[] = [];

  constructor(options: LabOptions) {
    this.model = options.model;
    this.sets = options.sets;
    this.seed = options.seed ?? 0n;
    this.signal = options.signal;
    this.descent = options.descent ?? {};
    this.frozen = options.frozen;
    this.#options = options;
    const { journal } = options;
    this.#course = journal && new Course(journal, options.model.parameters.values);
  }

  /**
   * An algorithm from its beginning to its end; what forks do is a part of it.
   *
   * @throws SoulError of the algorithm; SOUL_BAD_FILE where it took another way than the one that the journal has kept
   */
  async *run<Settings>(
    algorithm: { run: (lab: Lab, settings: Settings) => ReturnType<Algorithm['run']> },
    settings: Settings,
  ): ReturnType<Algorithm['run']> {
    const summary = yield* algorithm.run(this, settings);
    this.#course?.requireReached();
    return summary;
  }

  /**
   * A part of an algorithm that a resumed run does not do again, once it is done: what changes weights, or is long, and is no descent.
   * It says that it begins. Stages and descents may be parts of a stage; when it is done, what they left is kept no longer. Gradients
   * outlive no part.
   *
   * Without a journal it is its work and nothing else. With one the algorithm is run from its beginning when it is resumed, on the
   * starting model, and has the weights back where it goes on. So what depends on weights that a part before it has changed is done in
   * a stage, or is a {@link snapshot}; and parts come one after another, in an order that does not depend on anything else.
   *
   * @param name the same whenever the algorithm is run with the same settings on the same data
   * @param work gives what JSON can hold, NaN and infinities too, and is given up where it is under way when a process ends
   * @param leaves buffers of the lab that later parts read, by names of their own; asked when the stage is done, and when a resumed run
   *   comes to it, which fills them; one that is released is kept no longer. A later stage may leave a buffer again, under the same
   *   name; else none may change it before its own first part
   */
  async *stage<Value extends StageValue>(
    name: string,
    work: StageWork<Value>,
    leaves: Leavings = () => ({}),
  ): AsyncGenerator<RunEvent, Value, void> {
    if (this.#course) return yield* this.#course.stage(name, work, leaves);
    yield { kind: 'stage', name };
    return yield* workOf(work);
  }

  /** Descends on a method with an optimizer made anew. */
  async *descend(method: Method, options: LabDescent = {}): AsyncGenerator<RunEvent, DescentSummary, void> {
    const { frozen, ...own } = options;
    const part = await this.#course?.descent(method?.name);
    if (part && 'steps' in part) return part;
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
      ...(part ? { journal: part.journal } : {}),
    };
    const { steps: _, epochs: __, ...ofAny } = this.descent;
    // A length of its own, in whichever unit, stands in place of the run's.
    const shared = own.steps === undefined && own.epochs === undefined ? this.descent : ofAny;
    const summary = yield* descend(input, method, { ...shared, ...own });
    await this.#giveUp(optimizer);
    part?.finish(summary);
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
    checkGives(this.model, term.name, term.quantity);
    const source = term.source(this.sets);
    const batchSize = visit ? 1 : (this.descent.microBatchSize ?? this.descent.batchSize ?? 8);
    const first = () => 0;
    const referenceModel = comparesWithStart(term.quantity) ? await this.#reference(term) : undefined;
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
    const { length, dtype, device } = values;
    const copy = this.#hold(takingMemory('a copy of the weights', () => FlatBuffer.alloc(length, { dtype, device })));
    await (this.#course ? this.#course.snapshot(copy) : copy.copyFrom(values));
    return copy;
  }

  /** Float32 memory of the parameters' length, all 0. */
  scratch(): FlatBuffer<'f32'> {
    return this.#memory(this.model.parameters.values.length, 'f32');
  }

  /** A mask of the parameters, none of them frozen ({@link LabDescent.frozen}). */
  mask(): FlatBuffer<'u8'> {
    return this.#memory(Math.ceil(this.model.parameters.values.length / 8), 'u8');
  }

  /** A lab with other data or another seed, on the same model. */
  fork(change: { sets?: DataSets; seed?: bigint }): Lab {
    const { journal: _, ...options } = this.#options;
    const { sets = this.sets, seed = this.seed } = change;
    const lab = this.#hold(new Lab({ ...options, sets, seed, descent: this.descent }));
    lab.#course = this.#course;
    return lab;
  }

  /** Gives up everything that was handed out, each whatever becomes of the others. */
  async release(): Promise<void> {
    await thenRelease(
      async () => {},
      () => this.#held.splice(0).reverse(),
    );
  }

  /** At the end of a block with `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  #memory<Kind extends DType>(length: number, dtype: Kind): FlatBuffer<Kind> {
    const { device } = this.model.parameters.values;
    return this.#hold(takingMemory('memory of the algorithm', () => FlatBuffer.alloc(length, { dtype, device })));
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
