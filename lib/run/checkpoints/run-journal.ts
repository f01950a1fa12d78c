/**
 * The journal of a whole run: keeps its progress on disk, goes on from there, and ends it early.
 *
 * @module
 */

import { join } from 'node:path';
import { SoulError } from '../../core/errors.ts';
import type { FlatBuffer } from '../../core/flat-buffer.ts';
import { isSameMemory } from '../../core/flat-buffer.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { packageVersion } from '../../core/package.ts';
import type { StepEvent } from '../../unlearn/events.ts';
import type { Journal, KeptProgress, Progress, RestPlace } from '../../unlearn/journal.ts';
import type { EvaluationPoint } from '../evaluations/evaluation.ts';
import type { MeasuredSets } from '../measure.ts';
import type { OutFolder } from '../out-folder.ts';
import type { RunResult } from '../record.ts';
import type { ChosenAlgorithm } from '../run-defaults.ts';
import { checkpointsName } from '../run-files.ts';
import { RunSummaryMeter } from '../run-summary.ts';
import { flagOf } from '../setting-flags.ts';
import type { CompleteRunSettings } from '../settings.ts';
import type { Traces } from '../traces.ts';
import type { StoredCheckpoint } from './checkpoint-folder.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { type EarlyEnd, endingRecord, stepsText, withCheckpointAdvice } from './journal-texts.ts';
import { RunCheckpoints } from './run-checkpoints.ts';
import { type RunIdentity, requireSame } from './run-identity.ts';
import { type RunState, runStateFromJson } from './run-state.ts';
import { RunTarget } from './run-target.ts';
import type { Stopping } from './stopping.ts';

/** Work before the first step that took so long is kept at once. */
const longSeconds = 5;

export interface RunJournalParts {
  readonly out: OutFolder;
  readonly identity: RunIdentity;
  readonly settings: CompleteRunSettings;
  readonly chosen: ChosenAlgorithm;
  /** As run.json has them, of JSON. */
  readonly recorded: Readonly<Record<string, unknown>>;
  readonly startedAt: Date;
  readonly stopping: Stopping;
  readonly onNote: (text: string) => void;
}

/** What the journal is told when the model is there. */
export interface JournalModel {
  readonly values: FlatBuffer;
  /** Defaults that followed from the model. */
  readonly ofModel: NonNullable<RunState['ofModel']>;
  readonly lookEvery: number;
  /**
   * The figures that conditions speak of.
   *
   * @param found at this very step
   */
  readonly look: (found: EvaluationPoint | undefined) => Promise<MeasuredSets | undefined>;
  /** Measures all sets behind a step of the run. */
  readonly evaluate: (step: number, signal: AbortSignal) => Promise<EvaluationPoint>;
}

/** Of a run's state what others hold while it goes on. */
type Held = 'summary' | 'best' | 'weights';

export class RunJournal implements Journal {
  readonly kept?: KeptProgress;
  /** Of the steps of all processes. */
  readonly meter: RunSummaryMeter;
  readonly #parts: RunJournalParts;
  readonly #checkpoints: RunCheckpoints;
  readonly #target: RunTarget | undefined;
  #state: Omit<RunState, Held>;
  #model: JournalModel | undefined;
  #end: EarlyEnd | undefined;
  #isBest = false;
  /** The name under which {@link kept} has the weights. */
  readonly #keptWeights: string | undefined;

  private constructor(
    parts: RunJournalParts,
    store: CheckpointStore,
    stored?: StoredCheckpoint & { readonly state: RunState },
  ) {
    const { identity, recorded, startedAt, settings, chosen } = parts;
    const before = stored?.state;
    this.#parts = parts;
    this.#checkpoints = new RunCheckpoints(parts, store, stored);
    if (stored?.kept) this.kept = stored.kept;
    this.#keptWeights = before?.weights;
    this.#state = before
      ? { ...withoutHeld(before), identity, settings: recorded, resumed: before.resumed + 1 }
      : { identity, settings: recorded, startedAt: startedAt.toISOString(), resumed: 0, descents: 0, logs: {} };
    this.meter = before?.summary ? RunSummaryMeter.from(before.summary) : new RunSummaryMeter();
    this.#target = settings.until === undefined ? undefined : new RunTarget(settings.until, chosen, before?.best);
  }

  /**
   * The journal of a run; of one that was cut off, where it is to go on, from its newest whole checkpoint, whose logs are put in place.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT where anything is not as it was, SOUL_UNSUPPORTED where another version of the package
   *   wrote the checkpoint in a form of its own, SOUL_BAD_FILE where none is whole; SOUL_INVALID_ARGUMENT where it is to be finished with
   *   and has no weights
   */
  static async open(parts: RunJournalParts): Promise<RunJournal> {
    const { out, identity, onNote, settings } = parts;
    const store = await CheckpointStore.open(join(out.staging, checkpointsName));
    if (!settings.resume) return new RunJournal(parts, store);
    const stored = await store.newestWhole(({ message }) => onNote(`${message}; the one before is taken`));
    if (stored === undefined) {
      if (settings.finish) throw withoutWeights();
      onNote(`there is no checkpoint in ${out.staging} to go on from: the run begins`);
      await out.goBack({});
      return new RunJournal(parts, store);
    }
    const state = runStateFromJson(stored.run);
    requireSame(state.identity, identity, store.folder);
    if (stored.packageVersion !== packageVersion) {
      onNote(`the checkpoint is of version ${stored.packageVersion} of soul-unlearn, and this is ${packageVersion}`);
    }
    if (state.result === undefined) {
      if (settings.finish && (stored.kept === undefined || state.weights === undefined)) throw withoutWeights();
      await out.goBack(state.logs);
      onNote(`going on from ${stored.path}, after ${stepsText(state.summary?.steps ?? 0)}`);
    }
    return new RunJournal(parts, store, { ...stored, state });
  }

  /** Of a run that was done when it was cut off. */
  get result(): RunResult | undefined {
    return this.#state.result;
  }

  /** As {@link RunCheckpoints.temporary}. */
  get temporary(): readonly string[] {
    return this.#checkpoints.temporary(this.result !== undefined);
  }

  get startedAt(): Date {
    return new Date(this.#state.startedAt);
  }

  /** The figures before, if an earlier process has measured them. */
  get before(): RunState['before'] {
    return this.#state.before;
  }

  /** What evaluations on the way have found, in all processes. */
  get evaluations(): readonly EvaluationPoint[] {
    return this.#state.evaluations ?? [];
  }

  addEvaluation(point: EvaluationPoint): void {
    this.#state = { ...this.#state, evaluations: [...this.evaluations, point] };
  }

  /** How an earlier process made other answers. */
  get generated(): RunState['generated'] {
    return this.#state.generated;
  }

  /** The descent that is under way, from 1. */
  get descent(): number {
    return this.#state.descents;
  }

  /**
   * Takes the model in.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT where a default that follows from it is not what it was
   */
  begin(model: JournalModel): void {
    const before = this.#state.ofModel;
    for (const [name, value] of Object.entries(model.ofModel)) {
      const was = before?.[name as keyof typeof before];
      if (before === undefined || was === value) continue;
      const flag = flagOf(name === 'epochs' ? name : `optimizerSettings.${name}`);
      throw new SoulError(
        'SOUL_INVALID_ARGUMENT',
        `the default of ${flag} was ${was} when the run began, and is ${value} in this version; go on with the version that began it, or begin anew (--overwrite, without --resume)`,
        { argument: 'resume' },
      );
    }
    this.#model = model;
    this.#state = { ...this.#state, ofModel: model.ofModel };
  }

  /** Keeps what came before the first step, at once where it took long. */
  async remember(made: Pick<RunState, 'before' | 'generated'>, seconds: number): Promise<void> {
    this.#state = { ...this.#state, ...made };
    const figures = made.before?.figures;
    const note = figures && this.#target?.noteOnBefore(figures, this.#model!.lookEvery);
    if (note !== undefined) this.#parts.onNote(note);
    const { hasProgress, areWanted } = this.#checkpoints;
    if (!hasProgress && seconds >= longSeconds && areWanted) await this.#checkpoints.write(this.#stateNow());
  }

  /** Counts a step that everybody was told of. */
  count(event: StepEvent): void {
    const { last } = this.meter;
    if (last === undefined || event.step <= last.step) {
      this.#state = { ...this.#state, descents: this.#state.descents + 1 };
    }
    this.meter.add(event);
    this.#parts.stopping.expectRest(true);
  }

  async rest(place: RestPlace, progress: () => Progress): Promise<'go on' | 'end'> {
    const { stopping } = this.#parts;
    const { event } = place;
    stopping.expectRest(place.at === 'descent' || (event !== undefined && event.step < event.steps));
    if (this.#end) return 'end';
    // Some steps go nowhere, and nobody is told of them.
    const isTold = event !== undefined && event === this.meter.last;
    const found = event && (await this.#evaluate(event));
    const looked = isTold && (await this.#look(event, progress, found));
    if (this.#end) return 'end';
    const isWritten = looked || (this.#checkpoints.isDue(place, this.meter.steps) && (await this.#keep(progress)));
    if (stopping.request === undefined) return 'go on';
    if (this.#parts.settings.keepOnStop && isTold) {
      this.#end = { reason: 'stopped', event };
      this.#parts.onNote(
        `the run ends after ${event.step} of ${event.steps} steps, and is measured and published as it is`,
      );
      return 'end';
    }
    if (!isWritten) await this.#keep(progress);
    const how = event ? `after ${event.step} of ${event.steps} steps` : `before the first step of ${place.name}`;
    const details = event ? { done: event.step, total: event.steps } : {};
    throw new SoulError('SOUL_CANCELLED', `the run was stopped ${how}`, details, { cause: stopping.request.reason });
  }

  /** Ends the run where its checkpoint is; the weights are put in place. */
  async finishHere(): Promise<void> {
    await this.#readWeights(this.kept, this.#keptWeights);
    this.#end = { reason: 'finished', event: this.meter.last };
  }

  /** When the algorithm is done: puts the weights of the best look in place where they are wanted. */
  async settle(): Promise<void> {
    this.#parts.stopping.expectRest(false);
    const { settings, onNote } = this.#parts;
    if (!this.#target || this.#end?.reason === 'until') return;
    const { nearest, missedNote } = this.#target;
    if (nearest === undefined || nearest.step === this.meter.steps) return onNote(missedNote);
    if (!settings.best) return onNote(`${missedNote} (--best publishes those weights)`);
    try {
      const { kept, run } = await this.#checkpoints.store.read(nearest.checkpoint);
      await this.#readWeights(kept, runStateFromJson(run).weights);
      this.#isBest = true;
      onNote(`${missedNote}, and the weights are those`);
    } catch (error) {
      if (!(error instanceof SoulError) || error.code !== 'SOUL_BAD_FILE') throw error;
      onNote(`${missedNote}, but ${error.message}: the weights are the last`);
    }
  }

  /** As {@link RunCheckpoints.makingRoom}. */
  makingRoom(write: () => Promise<void>): Promise<void> {
    return this.#checkpoints.makingRoom(write);
  }

  /** For the record. */
  ending(): Record<string, unknown> {
    const run = { end: this.#end, steps: this.meter.steps, hasBestWeights: this.#isBest };
    const { resumed, descents } = this.#state;
    return endingRecord(
      this.#parts.settings,
      { resumed, descents, ...withoutUndefined({ best: this.#target?.nearest }) },
      run,
    );
  }

  /** What ended the run before its last step, if anything did. */
  get endedBy(): EarlyEnd['reason'] | undefined {
    return this.#end?.reason;
  }

  /** As {@link RunCheckpoints.traces}. */
  traces(): Partial<Traces> {
    return this.#checkpoints.traces(this.#state.resumed > 0);
  }

  /** As {@link RunCheckpoints.tidy}. */
  tidy(): Promise<void> {
    return this.#checkpoints.tidy(this.#target?.nearest?.checkpoint);
  }

  /** Keeps what the run came to; what is left is to put it in its place. */
  async finish(result: RunResult): Promise<void> {
    if (this.#checkpoints.store.size === 0) return;
    await this.#parts.out.flushFiles();
    this.#state = { ...this.#state, result };
    await this.#checkpoints.write(this.#stateNow());
  }

  /** An error of the run, with what can be done about it where there is a checkpoint. */
  advise(error: unknown): unknown {
    const { hasProgress, steps, store } = this.#checkpoints;
    const { newest: checkpoint } = store;
    const { out, chosen } = this.#parts;
    // Of a run that has taken no step, one that was there before stays.
    const stays = hasProgress || out.isResumed;
    if (!stays || checkpoint === undefined || !(error instanceof SoulError)) return error;
    if (error.details.argument === 'resume') return error;
    return withCheckpointAdvice(error, {
      checkpoint,
      steps,
      learningRate: this.#state.ofModel?.learningRate,
      canFinish: hasProgress && (chosen.algorithm.endsAnywhere ?? false),
    });
  }

  /** Evaluates the model where it is time to, and nobody has in this place; not where the run is to end. */
  async #evaluate(event: StepEvent): Promise<EvaluationPoint | undefined> {
    const { settings, chosen, stopping } = this.#parts;
    const { steps, last } = this.meter;
    if (settings.evaluateEvery === undefined || steps % settings.evaluateEvery !== 0 || !isSameStep(event, last))
      return;
    // The model behind the last step of a descent that is all there is to do is measured when it is written.
    if (chosen.method && event.step === event.steps) return;
    if (this.evaluations.at(-1)?.step === steps) return;
    try {
      const point = await this.meter.measuring(() => this.#model!.evaluate(steps, stopping.asked));
      this.addEvaluation(point);
      return point;
    } catch (error) {
      const isStopped = error instanceof SoulError && error.code === 'SOUL_CANCELLED' && stopping.request !== undefined;
      if (!isStopped) throw error;
      return;
    }
  }

  /** Looks at the figures where it is time to; a look that comes nearest so far is kept with the weights. */
  async #look(event: StepEvent, progress: () => Progress, found: EvaluationPoint | undefined): Promise<boolean> {
    const target = this.#target;
    if (!target || (event.step % this.#model!.lookEvery !== 0 && event.step < event.steps)) return false;
    const look = { step: this.meter.steps, figures: (await this.meter.measuring(() => this.#model!.look(found)))! };
    const { holds, lacking, note } = target.judge(look);
    this.#parts.onNote(note);
    if (holds) this.#end = { reason: 'until', event, at: look };
    if (holds || lacking === undefined) return false;
    const { nearest } = target;
    target.nearest = { ...look, lacking, checkpoint: this.#checkpoints.store.nextName(look.step) };
    const isKept = await this.#keep(progress);
    if (!isKept) target.nearest = nearest;
    return isKept;
  }

  #keep(progress: () => Progress): Promise<boolean> {
    const now = progress();
    return this.#checkpoints.keep(this.#stateNow(now), now);
  }

  /** What a checkpoint has to say; the logs are flushed. */
  #stateNow(progress?: Progress): RunState {
    const values = this.#model?.values;
    const weights = Object.entries(progress?.buffers ?? {}).find(
      ([, buffer]) => values && !ArrayBuffer.isView(buffer) && isSameMemory(buffer as FlatBuffer, values),
    )?.[0];
    return {
      ...this.#state,
      ...withoutUndefined({ best: this.#target?.nearest, weights }),
      summary: this.meter.state(),
      logs: this.#parts.out.flushLogs(),
    };
  }

  async #readWeights(kept: KeptProgress | undefined, name: string | undefined): Promise<void> {
    if (kept === undefined || name === undefined) throw withoutWeights();
    await kept.readInto(name, this.#model!.values);
  }
}

/** Whether an event is that of a step, told by this process or, where a run goes on behind it, by another. */
function isSameStep(event: StepEvent, told: StepEvent | undefined): boolean {
  if (event === told || told === undefined) return told !== undefined;
  const { method, step, seconds, loss } = told;
  return event.method === method && event.step === step && event.seconds === seconds && Object.is(event.loss, loss);
}

function withoutWeights(): SoulError {
  return new SoulError(
    'SOUL_INVALID_ARGUMENT',
    'the run has no checkpoint with weights to be finished with; go on without --finish',
    { argument: 'finish' },
  );
}

/** As {@link RunJournal.advise}, of a run that ended before it came to open its journal: what it was to go on from stays. */
export async function adviseUnopened(out: OutFolder, error: unknown): Promise<unknown> {
  if (!out.isResumed || !(error instanceof SoulError) || error.code !== 'SOUL_CANCELLED') return error;
  const { newest } = await CheckpointStore.open(join(out.staging, checkpointsName), { tidy: false });
  return newest === undefined ? error : withCheckpointAdvice(error, { checkpoint: newest });
}

/** What a journal keeps of the state of an earlier process as it is. */
function withoutHeld({ summary: _, best: __, weights: ___, ...state }: RunState): Omit<RunState, Held> {
  return state;
}
