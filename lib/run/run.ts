/**
 * A whole run: a model folder and data files in, a model folder with its record out.
 *
 * @module
 */

import { type Cancellable, checkSignal, throwIfCancelled } from '../core/cancellation.ts';
import { recordDevice } from '../core/devices.ts';
import { asSoulError, invalidArgument, SoulError } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { thenRelease } from '../core/release.ts';
import { PromptTemplate } from '../data/prompt-template.ts';
import { checkModelFolder } from '../model/folder-kind.ts';
import { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import type { RunEvent, RunPhase, StepEvent } from '../unlearn/events.ts';
import type { Lab } from '../unlearn/lab.ts';
import { eventsOfFile, inAlgorithmFile } from './algorithm-file.ts';
import { modelChecksums, sha256 } from './checksums.ts';
import { type RunSets, readRunSets } from './data-sets.ts';
import { beforeAndAfter, type MeasuredSets, measureSets } from './measure.ts';
import { OutFolder } from './out-folder.ts';
import { measurePeakMemory } from './peak-memory.ts';
import { type RunResult, runRecord } from './record.ts';
import { type ChosenAlgorithm, chooseAlgorithm, defaultEpochs, defaultLearningRate } from './run-defaults.ts';
import { dataSetsOf, labOf } from './run-lab.ts';
import { memoryNote, planRun } from './run-memory.ts';
import { runSettings } from './run-settings.ts';
import { type RunSummary, RunSummaryMeter } from './run-summary.ts';
import type { ModelLoader, RunnableModel } from './runnable-model.ts';
import {
  type CompleteRunSettings,
  completeRunSettings,
  idleSettings,
  neededSets,
  type RunSettings,
} from './settings.ts';
import { frozenBut } from './trainable.ts';
import { verdictOf } from './verdict.ts';

export interface RunOptions extends Cancellable {
  /** Told of everything that the run does, as it does it. */
  onEvent?: (event: RunEvent) => void;
}

/**
 * Trains or unlearns as the settings say and writes the out folder: the model, its tokenizer, `run.json` with everything
 * that went in, and `metrics.jsonl` with a record a step. The folder appears whole or not at all.
 *
 * Whatever can be checked without the model is checked before it is loaded. The trained weights are on disk before anything else
 * is computed: where measuring them fails or is interrupted, the folder is published without those figures, and the error says
 * where it is. What a run that failed earlier had logged stays in `<out>.partial`.
 *
 * @throws SoulError of {@link completeRunSettings}, {@link OutFolder.create}, {@link readRunSets}, the loader and {@link train};
 *   SOUL_CANCELLED
 */
export async function runTraining(
  given: RunSettings,
  loadModel: ModelLoader,
  options: RunOptions = {},
): Promise<RunResult> {
  const startedAt = new Date();
  const meter = await measurePeakMemory();
  if (typeof given !== 'object' || given === null) throw invalidArgument('settings', 'an object', given);
  if (typeof loadModel !== 'function') throw invalidArgument('loadModel', 'a function that loads a folder', loadModel);
  checkOptions(options);
  const { signal } = options;
  const tell = (event: RunEvent) => options.onEvent?.(event);
  const onNote = (text: string) => tell({ kind: 'note', text });
  runSettings.method.check('method', given.method);
  const ofFile = <Result>(work: () => Result) => inAlgorithmFile(given.algorithmFile, work);
  const chosen = ofFile(() => chooseAlgorithm(given.method, given.methodSettings));
  ofFile(() => neededSets(chosen));
  const checked = completeRunSettings(given, chosen);
  const template = PromptTemplate.parse(checked.template);
  const { model: folder, target, retain, refusals, alternatives, algorithmFile } = checked;
  const inputs = [folder, target, retain, refusals, alternatives, algorithmFile].filter((path) => path !== undefined);
  const out = await OutFolder.create(checked.out, { overwrite: checked.overwrite, inputs });

  let model: RunnableModel | undefined;
  let lab: Lab | undefined;
  let frozen: FlatBuffer<'u8'> | undefined;
  let reference: RunnableModel | undefined;
  let failure: { readonly error: unknown } | undefined;
  /** Calls what must not cost finished weights; its error is thrown when they are safe. */
  const heedless = (call: () => void) => {
    try {
      call();
    } catch (error) {
      failure ??= { error };
    }
  };
  let written: 'nothing' | 'logs' | 'model' = 'nothing';
  const work = async (): Promise<RunResult> => {
    try {
      begin('reading the data', options);
      const idle = idleSettings(given, chosen);
      if (idle.length > 0) onNote(`${chosen.algorithm.name} takes no steps: ${idle.join(', ')} have no effect`);
      await checkModelFolder(folder);
      const tokenizer = await HuggingFaceTokenizer.load(folder);
      const sets = await readRunSets(checked, tokenizer, template, chosen, onNote);
      const dataSets = dataSetsOf(sets);
      ofFile(() => chosen.algorithm.checkSets?.(dataSets, chosen.settings));
      const planned = await planRun(checked, chosen, dataSets, loadModel);
      const shortage = planned && memoryNote(planned);
      if (shortage !== undefined) onNote(shortage);
      begin('hashing the model', options);
      const modelSums = await modelChecksums(folder, signal);
      const algorithmSum = algorithmFile === undefined ? undefined : await sha256(algorithmFile, signal);
      begin('loading the model', options);
      model = await loadModel(folder, { onNote, ...withoutUndefined({ signal }) });
      const { device, byteLength } = model.parameters.values;
      const gpu = recordDevice(device);
      await out.requireSpace(byteLength);
      checkLengths(sets, model.maximumLength);
      sets.checkTokens(model.vocabularySize);

      const settings = completeForModel(checked, given, chosen, model, sets.target.items.length);
      frozen = settings.trainable === undefined ? undefined : await frozenBut(model.parameters, settings.trainable);
      lab = labOf(model, dataSets, settings, frozen, signal, async () => {
        reference ??= await loadModel(folder, withoutUndefined({ signal }));
        return reference;
      });
      const before = await measure(model, sets, settings, options, 'measuring before');
      const log = out.openLog('metrics.jsonl');
      let descent = 0;
      const events = eventsOfFile(algorithmFile, chosen.algorithm.run(lab, chosen.settings));
      const summary = await perform(events, options, (event) => {
        written = 'logs';
        if (event.step === 1) descent += 1;
        const tellStep = () => {
          const { kind: _, ...line } = event;
          log({ descent, ...line });
          tell(event);
        };
        if (event.step < event.steps) tellStep();
        else heedless(tellStep);
      });
      // Whatever the caller's code does: the weights come first.
      heedless(() => tell({ kind: 'phase', phase: 'writing the model' }));
      await model.save(out.staging, { tokenizer });
      written = 'model';

      let after: MeasuredSets | undefined;
      try {
        if (failure) throw failure.error;
        after = await measure(model, sets, settings, options, 'measuring after');
      } catch (error) {
        failure = { error };
      }
      const result: RunResult = {
        out: out.path,
        summary,
        truncated: { target: sets.target.truncated, ...(sets.retain ? { retain: sets.retain.truncated } : {}) },
        ...(sets.overlap ? { overlap: sets.overlap } : {}),
        ...(before && after ? { evaluation: beforeAndAfter(before, after) } : {}),
        peakMemory: await meter.peak(),
        ...(planned ? { plannedMemory: planned.total } : {}),
      };
      if (failure === undefined && chosen.algorithm.name !== 'finetune') {
        result.verdict = verdictOf({
          forget: result.evaluation?.target,
          retain: result.evaluation?.retain,
          chosen,
          ...(summary.last
            ? {
                learningRate: settings.optimizerSettings.learningRate!,
                ...(settings.steps === undefined ? { epochs: summary.last.epochs } : { steps: settings.steps }),
              }
            : {}),
        });
      }
      await out.writeJson(
        'run.json',
        await runRecord({
          startedAt,
          settings: { ...settings, maximumLength: Math.min(settings.maximumLength, model.maximumLength) },
          chosen,
          device,
          gpu,
          modelSums,
          algorithmSum,
          sets,
          modelFolder: out.staging,
          result,
          before,
          failure: failure && messageOf(failure.error),
          meter,
        }),
      );
      await out.publish();
      if (failure) throw unmeasured(failure.error, out.path);
      return result;
    } catch (error) {
      // The error of the work goes on, whatever becomes of what it left.
      if (written === 'nothing') await out.discard().catch(() => {});
      else {
        out.leave();
        if (isPublished(error)) throw error;
        if (written === 'model') throw unpublished(error, out.staging);
        onNote(`what was logged up to there is in ${out.staging}`);
      }
      throw asSoulError(error);
    }
  };
  return thenRelease(work, () => [lab, frozen, reference, model]);
}

/** Fills in the defaults that depend on the model's size and the data's. */
function completeForModel(
  settings: CompleteRunSettings,
  given: RunSettings,
  chosen: ChosenAlgorithm,
  { parameters: { layout } }: RunnableModel,
  examples: number,
): CompleteRunSettings {
  const learningRate =
    given.optimizerSettings?.learningRate ??
    (chosen.learningRates && defaultLearningRate(settings.optimizer, chosen, layout.parameterCount));
  return {
    ...settings,
    ...(settings.steps === undefined && settings.epochs === undefined
      ? { epochs: defaultEpochs(chosen.algorithm, Math.ceil(examples / settings.batchSize)) }
      : {}),
    optimizerSettings: { ...settings.optimizerSettings, ...withoutUndefined({ learningRate }) },
  };
}

function checkOptions(options: RunOptions): void {
  checkNames('options', options, ['onEvent', 'signal']);
  checkSignal('signal', options.signal);
  const { onEvent } = options;
  if (onEvent !== undefined && typeof onEvent !== 'function') throw invalidArgument('onEvent', 'a function', onEvent);
}

/** Announces a phase, unless the run is to end. */
function begin(phase: RunPhase, { onEvent, signal }: RunOptions): void {
  throwIfCancelled(signal, `the run was cancelled before ${phase}`);
  onEvent?.({ kind: 'phase', phase });
}

/** Runs an algorithm to its end and passes on what it says. */
async function perform(
  events: AsyncGenerator<RunEvent, unknown, void>,
  options: RunOptions,
  onStep: (event: StepEvent) => void,
): Promise<RunSummary> {
  begin('training', options);
  const meter = new RunSummaryMeter();
  for await (const event of events) {
    if (event.kind !== 'step') {
      options.onEvent?.(event);
      continue;
    }
    const { warning } = event.statistics;
    if (warning !== undefined && event.step === 1) options.onEvent?.({ kind: 'note', text: warning });
    meter.add(event);
    onStep(event);
  }
  return meter.summary();
}

async function measure(
  model: RunnableModel,
  sets: RunSets,
  { evaluate: limit, microBatchSize: batchSize, batchTokens }: CompleteRunSettings,
  options: RunOptions,
  phase: 'measuring before' | 'measuring after',
): Promise<MeasuredSets | undefined> {
  if (limit === 0) return undefined;
  begin(phase, options);
  const { signal, onEvent } = options;
  const onProgress = (done: number, total: number) => onEvent?.({ kind: 'progress', what: phase, done, total });
  return measureSets(model, sets, { limit, batchSize, batchTokens, signal, onProgress });
}

/** A model may take less than its config.json says. */
function checkLengths({ target, retain, modelLimit }: RunSets, maximumLength: number): void {
  if (modelLimit !== undefined && modelLimit <= maximumLength) return;
  for (const { file, encoded } of retain ? [target, retain] : [target]) {
    const longest = Math.max(...encoded.map(({ tokens }) => tokens.length));
    if (longest <= maximumLength) continue;
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${file} has an example of ${longest} tokens, but the model takes ${maximumLength}; give that as the longest sequence (--max-length)`,
      { file, longest, maximumLength },
    );
  }
}

const published = Symbol('published');

/** The error of measuring a model that is safe already. */
function unmeasured(error: unknown, path: string): SoulError {
  const { code, details } = error instanceof SoulError ? error : { code: 'SOUL_INTERNAL' as const, details: {} };
  const message = `the model is written to ${path}, but not measured: ${messageOf(error)}`;
  return Object.assign(new SoulError(code, message, { ...details, out: path }, { cause: error }), {
    [published]: true,
  });
}

/** The error of what came between a finished model and its place. */
function unpublished(error: unknown, staging: string): SoulError {
  const known = asSoulError(error);
  const { code, details } = known instanceof SoulError ? known : { code: 'SOUL_INTERNAL' as const, details: {} };
  const message = `${messageOf(error)}; the finished model is in ${staging}`;
  return new SoulError(code, message, { ...details, staging }, { cause: error });
}

function isPublished(error: unknown): boolean {
  return typeof error === 'object' && error !== null && published in error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
