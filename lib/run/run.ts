/**
 * A whole run: a model folder and data files in, a model folder with its record out.
 *
 * @module
 */

import { join } from 'node:path';
import { type Cancellable, checkSignal } from '../core/cancellation.ts';
import { recordDevice } from '../core/devices.ts';
import { asSoulError, invalidArgument } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { thenRelease } from '../core/release.ts';
import { chooseTemplate } from '../data/choose-template.ts';
import { openModelFolder, tokenizerOf } from '../model/open-model-folder.ts';
import type { RunEvent, StepEvent } from '../unlearn/events.ts';
import type { Lab } from '../unlearn/lab.ts';
import { adaptersInFull } from './adapter-choice.ts';
import { eventsOfFile, inAlgorithmFile } from './algorithm-file.ts';
import { checkpointBytes, spaceNote } from './checkpoints/disk-space.ts';
import { identityOf, recordedSettings } from './checkpoints/run-identity.ts';
import { adviseUnopened, RunJournal } from './checkpoints/run-journal.ts';
import { Stopping } from './checkpoints/stopping.ts';
import { modelChecksums, sha256 } from './checksums.ts';
import { readRunSets, withAlternatives } from './data-sets.ts';
import { isDeletion, readRecordKeys } from './deletion.ts';
import { evaluationSeries } from './evaluations/evaluation.ts';
import { EvaluationLog } from './evaluations/evaluation-log.ts';
import { earlierGrams, gramBytes, missingGramsNote, writeGramMatrices } from './gram-matrices.ts';
import { makeAlternatives, planOfRun } from './made-alternatives.ts';
import { beforeAndAfter, type MeasuredSets } from './measure.ts';
import { comparesWithStart } from './memory-plan.ts';
import { settingsWithAdapters } from './optimizer-choice.ts';
import { OutFolder } from './out-folder.ts';
import { measurePeakMemory } from './peak-memory.ts';
import type { RunResult } from './record.ts';
import { adaptersOf, isChanged, namedBase, otherBaseNote, paperNote, reversible } from './run-adapters.ts';
import {
  type ChosenAlgorithm,
  chooseAlgorithm,
  defaultEpochs,
  defaultLearningRate,
  takesTurns,
} from './run-defaults.ts';
import { checkLengths, isPublished, unmeasured, unpublished } from './run-errors.ts';
import { begin, RunFigures } from './run-figures.ts';
import { alternativesName } from './run-files.ts';
import { dataSetsOf, labOf } from './run-lab.ts';
import { memoryNote, planRun, withMemoryAdvice } from './run-memory.ts';
import { runSettings } from './run-settings.ts';
import type { RunSummary } from './run-summary.ts';
import type { ModelLoader, RunnableModel } from './runnable-model.ts';
import {
  type CompleteRunSettings,
  completeRunSettings,
  idleSettings,
  neededSets,
  type RunSettings,
} from './settings.ts';
import { RunCurves, StepLog, type StepPlace } from './step-log.ts';
import { frozenWeights } from './trainable.ts';
import { verdictOf } from './verdict.ts';
import { writeRecord } from './write-record.ts';

export interface RunOptions extends Cancellable {
  /**
   * Ends the run in order: a descent takes its step to the end and keeps a checkpoint, or ends there with `keepOnStop`; anything else
   * ends as with `signal`.
   */
  stop?: AbortSignal;
  /** Told of everything that the run does, as it does it. */
  onEvent?: (event: RunEvent) => void;
}

/**
 * Trains or unlearns as the settings say and writes the out folder: the model, its tokenizer, `run.json` with everything
 * that went in, and `metrics.jsonl` with a record a step. The folder appears whole or not at all.
 *
 * Whatever can be checked without the model is checked before it is loaded. The trained weights are on disk before anything else
 * is computed: where measuring them fails or is interrupted, the folder is published without those figures, and the error says
 * where it is. What a run that failed earlier had logged stays in `<out>.partial`, with its checkpoints, from which `resume` goes on.
 *
 * @throws SoulError of {@link completeRunSettings}, {@link OutFolder.create}, {@link readRunSets}, {@link RunJournal.open}, the loader
 *   and {@link train}; SOUL_CANCELLED
 */
export async function runTraining(
  given: RunSettings,
  loadModel: ModelLoader,
  callerOptions: RunOptions = {},
): Promise<RunResult> {
  const startedAt = new Date();
  const meter = await measurePeakMemory();
  if (typeof given !== 'object' || given === null) throw invalidArgument('settings', 'an object', given);
  if (typeof loadModel !== 'function') throw invalidArgument('loadModel', 'a function that loads a folder', loadModel);
  checkOptions(callerOptions);
  const stopping = new Stopping(callerOptions.signal, callerOptions.stop);
  const { signal } = stopping;
  const options = { ...callerOptions, signal };
  const tell = (event: RunEvent) => options.onEvent?.(event);
  const onNote = (text: string) => tell({ kind: 'note', text });
  runSettings.method.check('method', given.method);
  const ofFile = <Result>(work: () => Result) => inAlgorithmFile(given.algorithmFile, work);
  const chosen = ofFile(() => chooseAlgorithm(given.method, given.methodSettings));
  ofFile(() => neededSets(chosen));
  const checked = completeRunSettings(given, chosen);
  const { model: folder, target, retain, refusals, alternatives, algorithmFile, itemKey, sign } = checked;
  const heldOut = Object.values(checked.evaluateData ?? {}).flat();
  const keys = await readRecordKeys(checked, chosen, onNote);
  const { deletion, signer } = keys;
  const inputs = [
    folder,
    checked.base ?? (await namedBase(folder)),
    target,
    retain,
    refusals,
    alternatives,
    ...heldOut,
    algorithmFile,
    itemKey,
    sign,
  ]
    .flat()
    .filter((path) => path !== undefined);
  const { overwrite, resume } = checked;
  const out = await OutFolder.create(checked.out, { overwrite, inputs, ...withoutUndefined({ resume }) });

  let model: RunnableModel | undefined;
  let lab: Lab | undefined;
  let frozen: FlatBuffer<'u8'> | undefined;
  let reference: RunnableModel | undefined;
  let journal: RunJournal | undefined;
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
      const opened = await openModelFolder(folder, checked.base);
      const adapters = adaptersOf(checked, opened);
      const paper = paperNote(chosen, checked, opened.isAdapter);
      if (paper !== undefined) onNote(paper);
      // They are read again where they are needed; what is wrong with them is said now.
      const hadGrams = isDeletion(chosen) && (await earlierGrams(checked)) !== undefined;
      const noGrams = isDeletion(chosen) ? await missingGramsNote(checked) : undefined;
      if (noGrams !== undefined) onNote(noGrams);
      const curves =
        checked.tensorboard === undefined ? undefined : new RunCurves(checked.tensorboard, checked.out, out.path);
      const tokenizer = await tokenizerOf(opened);
      const template = await chooseTemplate(opened.tokenizer, tokenizer, checked);
      let sets = await readRunSets({ ...checked, model: opened.model }, tokenizer, template, chosen, onNote);
      let dataSets = dataSetsOf(sets, checked);
      const plan = planOfRun(tokenizer, sets, checked);
      ofFile(() => chosen.algorithm.checkSets?.(dataSets, chosen.settings));
      const planned = await planRun(checked, chosen, dataSets, loadModel, adapters);
      const shortage = planned && memoryNote(planned);
      if (shortage !== undefined) onNote(shortage);
      begin('hashing the model', options);
      const modelSums = await modelChecksums(folder, signal);
      const baseSums = opened.isAdapter ? await modelChecksums(opened.model, signal) : undefined;
      const otherBase = baseSums && (await otherBaseNote(folder, opened.model, baseSums));
      if (otherBase !== undefined) onNote(otherBase);
      const algorithmSum = algorithmFile === undefined ? undefined : await sha256(algorithmFile, signal);
      const parts = { settings: checked, chosen, modelSums, baseSums, algorithmSum, sets };
      const recorded = recordedSettings(checked, chosen, given);
      journal = await RunJournal.open({
        ...parts,
        out,
        identity: identityOf(parts),
        recorded,
        startedAt,
        stopping,
        onNote,
      });
      if (journal.result) {
        onNote('the run was done: it is put in its place');
        await out.publish(journal.temporary);
        return journal.result;
      }
      begin('loading the model', options);
      model = await loadModel(folder, { onNote, ...adapters, ...withoutUndefined({ signal }) });
      // While the model is the one that the run begins with, whatever the journal puts into it later.
      if (model.adapter && comparesWithStart(chosen)) reference = await model.fork!();
      const { device, byteLength } = model.parameters.values;
      const gpu = recordDevice(device);
      const bytes = byteLength + gramBytes(model.adapter, model.parameters.layout, chosen);
      const free = await out.requireSpace(bytes);
      const checkpoint = checkpointBytes(checked, model.parameters.values, planned);
      const scarce = resume ? undefined : spaceNote(checked, { free, model: bytes, checkpoint });
      if (scarce !== undefined) onNote(scarce);
      checkLengths(sets, model.maximumLength);
      sets.checkTokens(model.vocabularySize);
      frozen = await frozenWeights(model.parameters, checked);

      const settings = completeForModel(checked, given, chosen, model, sets.target.items.length);
      const evaluationLog = settings.evaluateEvery === undefined ? undefined : new EvaluationLog(out, curves);
      const figures = new RunFigures({ model, tokenizer, sets, settings, log: evaluationLog, told: options });
      journal.begin(figures.journalModel);
      let { generated } = journal;
      if (plan && generated) {
        sets = await withAlternatives(sets, join(out.staging, alternativesName), tokenizer, onNote);
      } else if (plan) {
        begin('generating other answers', options);
        // They took long, and whatever fails after them may be mended.
        const write = () => {
          written = 'logs';
          return { path: join(out.staging, alternativesName), add: out.openLog(alternativesName) };
        };
        const since = performance.now();
        ({ sets, generated } = await makeAlternatives(model, tokenizer, plan, sets, settings, write, options));
        await journal.remember({ generated }, (performance.now() - since) / 1000);
      }
      if (plan) dataSets = dataSetsOf(sets, settings);
      lab = labOf(model, dataSets, settings, { journal, signal, ...withoutUndefined({ frozen }) }, async () => {
        reference ??= await loadModel(folder, withoutUndefined({ signal }));
        return reference;
      });
      const before = await figures.before(journal);
      const log = new StepLog(out, curves);
      const events = eventsOfFile(algorithmFile, lab.run(chosen.algorithm, chosen.settings));
      const summary = await perform(events, journal, checked, options, (event, place) => {
        written = 'logs';
        const tellStep = () => {
          log.step(event, place);
          tell(event);
        };
        if (event.step < event.steps) tellStep();
        else heedless(tellStep);
      });
      // Whatever the caller's code does: the weights come first.
      heedless(() => tell({ kind: 'phase', phase: 'writing the model' }));
      const changed = model;
      await journal.makingRoom(() => changed.save(out.staging, { tokenizer }));
      written = 'model';

      let after: MeasuredSets | undefined;
      try {
        if (failure) throw failure.error;
        if (isDeletion(chosen)) await writeGramMatrices(out.staging, model, sets, checked, hadGrams, options);
        after = await figures.after(journal);
      } catch (error) {
        failure = { error };
      }
      const result: RunResult = {
        out: out.path,
        summary,
        truncated: { target: sets.target.truncated, ...(sets.retain ? { retain: sets.retain.truncated } : {}) },
        ...(sets.overlap ? { overlap: sets.overlap } : {}),
        ...(before && after ? { evaluation: beforeAndAfter(before, after) } : {}),
        ...(evaluationLog ? { evaluations: evaluationSeries(journal.evaluations) } : {}),
        peakMemory: await meter.peak(),
        ...(planned ? { plannedMemory: planned.total } : {}),
        ...(deletion ? { itemKey: { file: deletion.file, id: deletion.key.id } } : {}),
        ...(signer ? { signer: signer.fingerprint } : {}),
        ...(model.adapter && isDeletion(chosen) ? { reversible: reversible(model.adapter).replaceAll('`', '') } : {}),
      };
      const { evaluation } = result;
      if (curves && evaluation && !evaluationLog) heedless(() => curves.measured(evaluation, summary.steps));
      if (failure === undefined && chosen.algorithm.name !== 'finetune') {
        result.verdict = verdictOf({
          forget: result.evaluation?.target,
          retain: result.evaluation?.retain,
          chosen,
          endedBy: journal.endedBy,
          ...(summary.last
            ? {
                learningRate: settings.optimizerSettings.learningRate!,
                ...(settings.steps === undefined ? { epochs: summary.last.epochs } : { steps: settings.steps }),
              }
            : {}),
        });
      }
      await journal.tidy();
      const baseChanged = model.adapter !== undefined && (await isChanged(opened.model, baseSums ?? modelSums));
      if (baseChanged) {
        const text = `${opened.model}, the base of the adapters, changed while the run went on, which run.json says; soul verify will fail`;
        heedless(() => onNote(text));
      }
      await writeRecord(
        out,
        {
          startedAt: journal.startedAt,
          settings: {
            ...settings,
            resume: false,
            finish: false,
            maximumLength: Math.min(settings.maximumLength, model.maximumLength),
          },
          chosen,
          device,
          gpu,
          modelSums,
          baseSums,
          ...(model.adapter
            ? {
                adapter: {
                  config: model.adapter,
                  base: opened.model,
                  isChanged: baseChanged,
                },
              }
            : {}),
          algorithmSum,
          sets,
          ...(generated ? { generated } : {}),
          result,
          before,
          failure: failure?.error,
          ending: journal.ending(),
          meter,
        },
        keys,
        journal.traces(),
      );
      if (failure === undefined) await journal.finish(result);
      await out.publish(journal.temporary);
      if (failure) throw unmeasured(failure.error, out.path);
      return result;
    } catch (error) {
      // The error of the work goes on, whatever becomes of what it left.
      const known = asSoulError(error);
      const advised = journal ? journal.advise(known) : await adviseUnopened(out, known);
      if (written === 'nothing' && !out.isResumed && advised === known) await out.discard().catch(() => {});
      else {
        out.leave();
        if (isPublished(error)) throw error;
        if (written === 'model') throw unpublished(advised, out.staging);
        if (written === 'logs') onNote(`what was logged up to there is in ${out.staging}`);
      }
      throw withMemoryAdvice(advised);
    }
  };
  return thenRelease(work, () => [stopping, lab, frozen, reference, model]);
}

/** Fills in the defaults that depend on the model's size and the data's. */
function completeForModel(
  settings: CompleteRunSettings,
  given: RunSettings,
  chosen: ChosenAlgorithm,
  { parameters, adapter, base }: RunnableModel,
  examples: number,
): CompleteRunSettings {
  const hasAdapters = adapter !== undefined;
  const optimizerSettings = hasAdapters
    ? settingsWithAdapters(settings.optimizer, settings.optimizerSettings, given.optimizerSettings)
    : settings.optimizerSettings;
  const learningRate =
    given.optimizerSettings?.learningRate ??
    (chosen.learningRates &&
      defaultLearningRate(
        settings.optimizer,
        chosen,
        (base ?? parameters).layout.parameterCount,
        optimizerSettings,
        hasAdapters,
      ));
  return {
    ...settings,
    ...adaptersInFull(settings, adapter),
    ...(settings.steps === undefined && settings.epochs === undefined
      ? {
          epochs: defaultEpochs(
            chosen.algorithm,
            Math.ceil(examples / settings.batchSize),
            hasAdapters,
            takesTurns(chosen),
          ),
        }
      : {}),
    optimizerSettings: { ...optimizerSettings, ...withoutUndefined({ learningRate }) },
  };
}

function checkOptions(options: RunOptions): void {
  checkNames('options', options, ['onEvent', 'signal', 'stop']);
  checkSignal('signal', options.signal);
  checkSignal('stop', options.stop);
  const { onEvent } = options;
  if (onEvent !== undefined && typeof onEvent !== 'function') throw invalidArgument('onEvent', 'a function', onEvent);
}

/** Runs an algorithm to its end, unless the run is to be finished where it is, and passes on what it says. */
async function perform(
  events: AsyncGenerator<RunEvent, unknown, void>,
  journal: RunJournal,
  { finish }: CompleteRunSettings,
  options: RunOptions,
  onStep: (event: StepEvent, place: StepPlace) => void,
): Promise<RunSummary> {
  if (finish) await journal.finishHere();
  else {
    begin('training', options);
    journal.meter.start();
    for await (const event of events) {
      if (event.kind !== 'step') {
        options.onEvent?.(event);
        continue;
      }
      const { warning } = event.statistics;
      if (warning !== undefined && event.step === 1) options.onEvent?.({ kind: 'note', text: warning });
      journal.count(event);
      onStep(event, { descent: journal.descent, step: journal.meter.steps });
    }
  }
  await journal.settle();
  return journal.meter.summary();
}
