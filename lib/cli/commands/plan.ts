/**
 * `soul plan`: the memory that a run takes, from the model's config.json and the data, before anything is loaded.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { chooseTemplate } from '../../data/choose-template.ts';
import type { AdapterConfig } from '../../model/adapter/adapter-config.ts';
import { type ModelFolders, modelFolders } from '../../model/adapter/adapter-folder.ts';
import { adapterLayout } from '../../model/adapter/adapter-layout.ts';
import { plannedModel } from '../../model/adapter/planned-model.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import type { BatchShape } from '../../model/contract.ts';
import type { DecoderConfig } from '../../model/decoder-config.ts';
import { parameterLayout } from '../../model/decoder-weights.ts';
import { matrixProducts } from '../../model/matrix-products.ts';
import { tokenizerOf } from '../../model/open-model-folder.ts';
import type { TokenSequence } from '../../model/token-batch.ts';
import { weightFiles } from '../../model/weight-files.ts';
import type { Precision } from '../../optim/precision.ts';
import { adapterOptions, adapterSettings } from '../../run/adapter-choice.ts';
import { mostCheckpoints, plannedCheckpointBytes } from '../../run/checkpoints/disk-space.ts';
import { readRunSets } from '../../run/data-sets.ts';
import { gramBytes } from '../../run/gram-matrices.ts';
import { memoryFor, passesOf, planMemory } from '../../run/memory-plan.ts';
import type { OptimizerName } from '../../run/optimizer-choice.ts';
import { type ChosenAlgorithm, chooseAlgorithm } from '../../run/run-defaults.ts';
import { dataSetsOf } from '../../run/run-lab.ts';
import { checkModel, sequencesOf } from '../../run/run-memory.ts';
import { runSettings } from '../../run/run-settings.ts';
import { completeRunSettings, type RunSettings } from '../../run/settings.ts';
import { isMasked, trainableNames } from '../../run/trainable.ts';
import { nativeEngine } from '../../torch/engine.ts';
import { paths } from '../arguments.ts';
import { configOption, readConfiguration } from '../configuration.ts';
import { chooseDevice } from '../device-choice.ts';
import { type MethodOptions, methodOptions, unlearningRun } from '../method-choice.ts';
import { addLoadingOptions, checkpointActivationsOption, type ModelOptions, modelMemory } from '../model-options.ts';
import { addOutputOptions } from '../options.ts';
import { type PlannedRun, settleRun } from '../perform-run.ts';
import { planResult, planText, type Variant, variantsFor } from '../plan-report.ts';
import { progressOn } from '../progress.ts';
import { addSettingOptions, givenSettings, settingOptions } from '../setting-options.ts';
import { type CommandResult, type OutputOptions, printing } from '../terminal.ts';

interface PlanOptions extends ModelOptions, MethodOptions, OutputOptions {
  train?: string | string[];
  data?: string | string[];
}

/** Settings of a run that decide how much memory it takes; the others are taken, that a command line can be pasted, and not shown. */
const deciding: readonly (keyof RunSettings | keyof Precision)[] = [
  ...([
    'model',
    'target',
    'retain',
    'targetFilter',
    'retainRest',
    'retainFilter',
    'refusals',
    'alternatives',
    'generateAlternatives',
  ] as const),
  ...(['optimizer', 'batchSize', 'microBatchSize', 'batchTokens'] as const),
  ...(Object.keys(adapterSettings) as (keyof typeof adapterSettings)[]),
  ...([
    'base',
    'trainable',
    'frozen',
    'template',
    'templateDate',
    'system',
    'maximumLength',
    'master',
    'states',
  ] as const),
];

export function planCommand(): Command {
  const command = new Command('plan').description(
    'Says how much memory a run of `soul unlearn` takes, or of `soul train` (--train), and what would take less, without loading the model. Takes the options of those commands; those that matter here are listed.',
  );
  const options = settingOptions('unlearn', { optimizer: 'sophia', needs: ['model'] });
  for (const { option, path } of options) {
    if (!(deciding as readonly string[]).includes(path.at(-1)!)) option.hideHelp();
  }
  const training = ['forget', 'method', 'objective', 'algorithm'];
  addSettingOptions(command, options, {
    Options: [
      configOption(),
      new Option('--train <files...>', 'a plan of `soul train` on these examples').argParser(paths).conflicts(training),
      new Option('--data <files...>', 'as `soul train` calls them').argParser(paths).conflicts(training).hideHelp(),
      ...methodOptions(),
    ],
  });
  addLoadingOptions(command).addOption(checkpointActivationsOption());
  return addOutputOptions(command.optionsGroup('Output:'))
    .addHelpText(
      'after',
      '\nWithout data files a batch is of sequences of the longest length (--max-length).\n\nExamples:\n' +
        '  soul plan --model ./model --forget forget.jsonl --retain retain.jsonl --dtype bf16\n' +
        '  soul plan --model ./model --batch-size 32 --max-length 1024 --checkpoint-activations\n' +
        '  soul plan --model ./model --train examples.jsonl',
    )
    .action(printing((given: PlanOptions) => plan(given, givenSettings(options, given))));
}

/** Without data, each is an entry of an array. */
const mostSequences = 2 ** 20;

async function plan(options: PlanOptions, given: Partial<RunSettings>): Promise<CommandResult> {
  const { run, optimizer: fallback } = await plannedRun(options, given);
  const { settings, loadingOptions, notes } = settleRun(run, options, fallback);
  const { optimizer = fallback } = settings;
  const folder = settings.model;
  if (folder === undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${options.config ?? 'the command line'} names no model; give --model`,
      {
        argument: 'model',
      },
    );
  }
  const progress = progressOn('planning', options);
  for (const note of notes) progress.note(note);
  const { base, seed = runSettings.seed.fallback } = settings;
  const adapters = withoutUndefined({ adapter: adapterOptions(settings, seed), base });
  const { config, adapter, isFresh } = await plannedModel(folder, adapters);
  const { model: whole, tokenizer: tokenizerFolder } = await modelFolders(folder, base);
  if ((await weightFiles(whole)).names.length > 0) await (await openCheckpoint(whole, config)).close();
  const layout = adapter ? adapterLayout(config, adapter) : parameterLayout(config);
  trainableNames(layout, settings, isFresh);
  const { device } = chooseDevice(loadingOptions.device ?? 'auto');
  loadLibraries((note) => progress.note(note));
  const chosen = chooseAlgorithm(settings.method!, settings.methodSettings);
  const { dtype = 'f32', checkpointActivations = false, logitsMemory } = loadingOptions;
  const wanted: Variant = { dtype, checkpointActivations, precision: settings.optimizerSettings?.precision ?? {} };
  const check = (variant: Variant) =>
    checkModel(
      chosen,
      { layers: config.layers, dtype: variant.dtype, ...(adapter ? { adapters: { isFresh, layout } } : {}) },
      settings.algorithmFile,
    );
  check(wanted);
  const ways = variantsFor(wanted).filter((variant) => !throws(() => check(variant)));
  const folders = { model: whole, tokenizer: tokenizerFolder };
  const sequences = await sequencesFor(settings, chosen, config, folders, (note) => progress.note(note));
  const { batchSize = runSettings.batchSize.fallback, microBatchSize = batchSize, batchTokens } = settings;
  const planned = { ...withoutUndefined({ batchTokens, curvature: settings.curvature }), microBatchSize, optimizer };
  const passes = passesOf(sequences, planned, chosen);
  // Once for all: it changes from one moment to the next.
  const taken = process.memoryUsage.rss();
  const planOf = async (variant: Variant, of: string, its: Partial<typeof adapters> = {}) => {
    const memory = modelMemory({ device, ...variant, ...withoutUndefined({ logitsMemory }) });
    const { precision } = variant;
    const masked = isMasked(settings);
    return planMemory({ ...(await memory(of, passes, its)), optimizer, precision, chosen, masked, process: taken });
  };
  const variants = await Promise.all(
    ways.map(async (variant) => ({
      ...variant,
      isAsked: variant === wanted,
      plan: await planOf(variant, folder, adapters),
    })),
  );
  const asked = variants.find(({ isAsked }) => isAsked)!;
  const fullTraining = adapter && {
    plan: await planOf(wanted, whole),
    products: shareOfProducts(config, adapter, passes[0], checkpointActivations),
  };
  const disk = {
    model: asked.plan.parts.find(({ name }) => name === 'weights')!.bytes + gramBytes(adapter, layout, chosen),
    checkpoint: plannedCheckpointBytes(asked.plan),
    checkpoints: mostCheckpoints({
      keep: settings.keep ?? runSettings.keep.fallback,
      checkpointMinutes: settings.checkpointMinutes ?? runSettings.checkpointMinutes.fallback,
      checkpointEvery: settings.checkpointEvery,
      until: settings.until,
    }),
  };
  const report = {
    ...{ config, folder, batch: passes[0], asked, variants, available: memoryFor(asked.plan), disk },
    ...(fullTraining ? { fullTraining } : {}),
  };
  return { result: planResult(report), text: planText(report) };
}

/** Of the products with matrices of the same pass over all weights. */
function shareOfProducts(
  config: DecoderConfig,
  adapter: AdapterConfig,
  batch: BatchShape,
  checkpointActivations: boolean,
): number {
  const products = (of: { adapter?: AdapterConfig }) => matrixProducts(config, batch, { checkpointActivations, ...of });
  return products({ adapter }) / products({});
}

function throws(call: () => void): boolean {
  try {
    call();
    return false;
  } catch {
    return true;
  }
}

/** The run that is planned, and the optimizer that it has where none is named. */
async function plannedRun(
  options: PlanOptions,
  given: Partial<RunSettings>,
): Promise<{ run: PlannedRun; optimizer: OptimizerName }> {
  const configuration = await readConfiguration(options.config);
  const { method, algorithmFile } = configuration.settings;
  const named = options.method ?? options.objective ?? options.algorithm ?? algorithmFile ?? method;
  const target = options.train ?? options.data;
  if (target === undefined && named !== 'finetune') {
    return { run: await unlearningRun(options, configuration, given), optimizer: 'sophia' };
  }
  const training = withoutUndefined({ ...given, target, method: 'finetune' as const });
  return {
    run: { configuration, given: training, isOwnMethod: (method ?? 'finetune') === 'finetune' },
    optimizer: 'adamw',
  };
}

/** The examples of the data, or, without any, as many of the longest as a batch has. */
async function sequencesFor(
  settings: Partial<RunSettings>,
  chosen: ChosenAlgorithm,
  { maxPositions }: DecoderConfig,
  folders: ModelFolders,
  onNote: (note: string) => void,
): Promise<TokenSequence[]> {
  const folder = settings.model!;
  if (maxPositions < 2) {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `${folder} takes sequences of one token by its config.json, and so predicts none: there is nothing to train on`,
      { folder, maxPositions },
    );
  }
  const { maximumLength = runSettings.maximumLength.fallback } = settings;
  const length = Math.min(maximumLength, maxPositions);
  if (settings.maximumLength !== undefined && length < maximumLength) {
    onNote(`the model takes sequences of at most ${maxPositions} tokens: --max-length ${maximumLength} counts as that`);
  }
  if (settings.target === undefined) {
    const { batchSize = runSettings.batchSize.fallback, microBatchSize = batchSize } = settings;
    if (microBatchSize > mostSequences) {
      throw new SoulError('SOUL_INVALID_ARGUMENT', `a plan is of at most ${mostSequences} sequences at a time`, {
        argument: 'batchSize',
      });
    }
    if (settings.retain !== undefined) {
      onNote(`without a forget file (--forget) no data are read: a batch is of sequences of ${length} tokens`);
    }
    const sequence = { tokens: new Int32Array(length), labelsFrom: 1 };
    return Array.from({ length: microBatchSize }, () => sequence);
  }
  const tokenizer = await tokenizerOf(folders);
  const given = { ...(settings as RunSettings), out: settings.out ?? folder, model: folders.model };
  const complete = completeRunSettings(given, chosen);
  const template = await chooseTemplate(folders.tokenizer, tokenizer, complete);
  const sets = await readRunSets(complete, tokenizer, template, chosen, onNote);
  return sequencesOf(dataSetsOf(sets, complete));
}

/** A run has them in its memory. */
function loadLibraries(onNote: (note: string) => void): void {
  try {
    nativeEngine();
  } catch (error) {
    onNote(`without the engine, its share of the process is left out: ${(error as Error).message.split('\n')[0]}`);
  }
}
