/**
 * When a run measures: before, after, every so many steps, and where it looks whether it has come to what it is to come to.
 *
 * @module
 */

import { throwIfCancelled } from '../core/cancellation.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import type { RunEvent, RunPhase } from '../unlearn/events.ts';
import type { JournalModel, RunJournal } from './checkpoints/run-journal.ts';
import type { RunSets } from './data-sets.ts';
import type { EvaluationPoint } from './evaluations/evaluation.ts';
import type { EvaluationLog } from './evaluations/evaluation-log.ts';
import { type MeasuredSets, type MeasureOptions, measureFigures, probabilitiesOf } from './measure.ts';
import type { RunnableModel } from './runnable-model.ts';
import type { CompleteRunSettings } from './settings.ts';
import { defaultLookEvery, setsOf, untilConditions } from './until.ts';

/** Whom a run tells, and what ends it. */
export interface Told {
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is under way while figures are measured between two steps. */
export const onTheWay = 'measuring on the way';

/** Announces a phase, unless the run is to end. */
export function begin(phase: RunPhase, { onEvent, signal }: Told): void {
  throwIfCancelled(signal, `the run was cancelled before ${phase}`);
  onEvent?.({ kind: 'phase', phase });
}

export interface RunFiguresParts {
  readonly model: RunnableModel;
  readonly tokenizer: HuggingFaceTokenizer;
  readonly sets: RunSets;
  readonly settings: CompleteRunSettings;
  /** Of runs that are evaluated on the way. */
  readonly log: EvaluationLog | undefined;
  readonly told: Told;
}

/** The figures of one run's model. */
export class RunFigures {
  readonly #parts: RunFiguresParts;

  constructor(parts: RunFiguresParts) {
    this.#parts = parts;
  }

  /** The figures before, measured unless an earlier process has. */
  async before(journal: RunJournal): Promise<MeasuredSets | undefined> {
    if (journal.before) return journal.before.figures;
    const since = performance.now();
    const figures = await this.#measure(journal, 'before', 0);
    await journal.remember({ before: { figures } }, (performance.now() - since) / 1000);
    return figures;
  }

  /** The figures after the last step. */
  after(journal: RunJournal): Promise<MeasuredSets | undefined> {
    return this.#measure(journal, 'after', journal.meter.steps);
  }

  /** What the journal looks at on the way. */
  get journalModel(): JournalModel {
    const { model, sets, settings } = this.#parts;
    const { evaluate, batchSize, until, untilEvery, epochs, optimizerSettings } = settings;
    const needed = until === undefined ? [] : setsOf(untilConditions('until', until));
    const looked = withoutUndefined({
      target: sets.target,
      retain: needed.includes('retain') ? sets.retain : undefined,
    });
    const measured = Object.values(looked).reduce((sum, { items }) => sum + Math.min(evaluate, items.length), 0);
    return {
      values: model.parameters.values,
      ofModel: withoutUndefined({ epochs, learningRate: optimizerSettings.learningRate }),
      lookEvery: untilEvery ?? defaultLookEvery(sets.target.items.length, batchSize, measured),
      look: async (found) => {
        // What was measured just now has the same bits.
        const { target, retain } = found?.sets ?? (await measureFigures(model, looked, [], this.#options()));
        return probabilitiesOf({ target, ...(retain && needed.includes('retain') ? { retain } : {}) });
      },
      evaluate: async (step, signal) => {
        throwIfCancelled(signal, `the run was cancelled before it was evaluated after ${step} steps`);
        return this.#evaluate('during', step, { ...this.#options(onTheWay), signal });
      },
    };
  }

  /** Measures both sets, or, of a run that is evaluated on the way, all sets that it has. */
  async #measure(journal: RunJournal, moment: 'before' | 'after', step: number): Promise<MeasuredSets | undefined> {
    const { model, sets, settings, told } = this.#parts;
    if (settings.evaluate === 0) return undefined;
    const phase = `measuring ${moment}` as const;
    begin(phase, told);
    const options = this.#options(phase);
    if (settings.evaluateEvery === undefined) {
      const { target, retain } = sets;
      return probabilitiesOf(await measureFigures(model, withoutUndefined({ target, retain }), [], options));
    }
    const point = await this.#evaluate(moment, step, options);
    journal.addEvaluation(point);
    return probabilitiesOf(point.sets);
  }

  async #evaluate(moment: EvaluationPoint['moment'], step: number, options: MeasureOptions): Promise<EvaluationPoint> {
    const { model, tokenizer, sets, settings, told, log } = this.#parts;
    const { target, retain, heldOut, encoding } = sets;
    const begun = performance.now();
    const all = { target, ...withoutUndefined({ retain }), ...heldOut };
    const measured = await measureFigures(model, all, settings.evaluateFigures ?? [], options, {
      tokenizer,
      template: encoding.template,
      maximumLength: model.maximumLength,
    });
    const point = { step, moment, seconds: (performance.now() - begun) / 1000, sets: measured };
    log?.add(point);
    told.onEvent?.({ kind: 'evaluation', ...point });
    return point;
  }

  /** @param what is told to be under way; default nothing */
  #options(what?: string): MeasureOptions {
    const { settings, told } = this.#parts;
    const { evaluate: limit, microBatchSize: batchSize, batchTokens } = settings;
    const onProgress = (done: number, total: number) => told.onEvent?.({ kind: 'progress', what: what!, done, total });
    return { limit, batchSize, batchTokens, signal: told.signal, ...(what === undefined ? {} : { onProgress }) };
  }
}
