/**
 * `soul plan`: the memory that a run takes, from the model's config.json and the data, before anything is loaded.
 *
 * @module
 */

import { Command } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { PromptTemplate } from '../../data/prompt-template.ts';
import { readModelConfig } from '../../model/config.ts';
import type { BatchShape } from '../../model/contract.ts';
import type { DecoderConfig } from '../../model/decoder-config.ts';
import { parameterLayout } from '../../model/decoder-weights.ts';
import type { TokenSequence } from '../../model/token-batch.ts';
import { HuggingFaceTokenizer } from '../../model/tokenizer.ts';
import type { Precision } from '../../optim/precision.ts';
import { readRunSets } from '../../run/data-sets.ts';
import { largestBatch, type MemoryPlan, memoryFor, planMemory } from '../../run/memory-plan.ts';
import { type ChosenAlgorithm, chooseAlgorithm } from '../../run/run-defaults.ts';
import { dataSetsOf } from '../../run/run-lab.ts';
import { sequencesOf } from '../../run/run-memory.ts';
import { runSettings } from '../../run/run-settings.ts';
import { completeRunSettings, type RunSettings } from '../../run/settings.ts';
import { nativeEngine } from '../../torch/engine.ts';
import { configOption, readConfiguration } from '../configuration.ts';
import { chooseDevice } from '../device-choice.ts';
import { type MethodOptions, methodOptions, unlearningRun } from '../method-choice.ts';
import { addLoadingOptions, checkpointActivationsOption, type ModelOptions, modelMemory } from '../model-options.ts';
import { addOutputOptions } from '../options.ts';
import { settleRun } from '../perform-run.ts';
import { progressOn } from '../progress.ts';
import { addSettingOptions, givenSettings, settingOptions } from '../setting-options.ts';
import { type CommandResult, memory, type OutputOptions, printing, table } from '../terminal.ts';

interface PlanOptions extends ModelOptions, MethodOptions, OutputOptions {}

/** Settings of a run that decide how much memory it takes. */
const deciding: readonly (keyof RunSettings | keyof Precision)[] = [
  ...(['model', 'target', 'retain', 'refusals', 'alternatives', 'optimizer', 'batchSize'] as const),
  ...(['microBatchSize', 'batchTokens', 'trainable', 'template', 'maximumLength', 'master', 'states'] as const),
];

export function planCommand(): Command {
  const command = new Command('plan').description(
    'Says how much memory a run of `soul unlearn` takes, and what would take less, without loading the model. Takes those of its options that matter here.',
  );
  const options = settingOptions('unlearn', { optimizer: 'sophia', needs: ['model'] }).filter(({ path }) =>
    (deciding as readonly string[]).includes(path.at(-1)!),
  );
  addSettingOptions(command, options, { Options: [configOption(), ...methodOptions()] });
  addLoadingOptions(command).addOption(checkpointActivationsOption());
  return addOutputOptions(command.optionsGroup('Output:'))
    .addHelpText(
      'after',
      '\nWithout data files a batch is of sequences of the longest length (--max-length).\n\nExamples:\n' +
        '  soul plan --model ./model --forget forget.jsonl --retain retain.jsonl --dtype bf16\n' +
        '  soul plan --model ./model --batch-size 32 --max-length 1024 --checkpoint-activations',
    )
    .action(printing((given: PlanOptions) => plan(given, givenSettings(options, given))));
}

/** Without data, each is an entry of an array. */
const mostSequences = 2 ** 20;

/** What plans of one model and batch have in common. */
interface Planned {
  readonly config: DecoderConfig;
  readonly folder: string;
  readonly batch: BatchShape & { readonly sequences: number };
  readonly chosen: ChosenAlgorithm;
  readonly masked: boolean;
}

async function plan(options: PlanOptions, given: Partial<RunSettings>): Promise<CommandResult> {
  const run = await unlearningRun(options, await readConfiguration(options.config), given);
  const { settings, loadingOptions, notes } = settleRun(run, options, 'sophia');
  const folder = settings.model;
  if (folder === undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${options.config} names no model; give --model`, {
      argument: 'model',
    });
  }
  const progress = progressOn('planning', { quiet: options.quiet ?? false });
  for (const note of notes) progress.note(note);
  const config = await readModelConfig(folder);
  const { device } = chooseDevice(loadingOptions.device ?? 'auto');
  loadLibraries((note) => progress.note(note));
  const chosen = chooseAlgorithm(settings.method!, settings.methodSettings);
  const sequences = await sequencesFor(settings, chosen, config, (note) => progress.note(note));
  const { batchSize = runSettings.batchSize.fallback, microBatchSize = batchSize, batchTokens } = settings;
  const batch = largestBatch(sequences, { examples: microBatchSize, tokens: batchTokens });
  const planned = { config, folder, batch, chosen, masked: settings.trainable !== undefined };
  const { dtype = 'f32', checkpointActivations = false } = loadingOptions;
  const precision = settings.optimizerSettings?.precision ?? {};
  const of = async (own: Variant) => ({ ...own, plan: await planOf(planned, device, own) });
  const asked = await of({ dtype, checkpointActivations, precision });
  const variants = await Promise.all(variantsFor(precision).map(of));
  return { result: resultOf(planned, asked, variants), text: textOf(planned, asked, variants) };
}

/** How a model and its optimizer may be held. */
interface Variant {
  readonly dtype: 'f32' | 'bf16';
  readonly checkpointActivations: boolean;
  readonly precision: Precision;
}

type PlannedVariant = Variant & { readonly plan: MemoryPlan };

/** From what takes most to what takes least. */
function variantsFor(precision: Precision): Variant[] {
  const held = [
    { dtype: 'f32', precision: {} },
    { dtype: 'f32', precision: { states: 'bf16' } },
    { dtype: 'bf16', precision: {} },
    { dtype: 'bf16', precision: { states: 'bf16', master: 'none' } },
  ] as const;
  return held.flatMap((each) =>
    [false, true].map((checkpointActivations) => ({
      ...each,
      precision: { ...(precision.rounding ? { rounding: precision.rounding } : {}), ...each.precision },
      checkpointActivations,
    })),
  );
}

async function planOf(planned: Planned, device: Parameters<typeof modelMemory>[0]['device'], own: Variant) {
  const { folder, batch, chosen, masked } = planned;
  const model = await modelMemory({ device, ...own })(folder, batch);
  return planMemory({ ...model, precision: own.precision, chosen, masked });
}

/** The examples of the data, or, without any, as many of the longest as a batch has. */
async function sequencesFor(
  settings: Partial<RunSettings>,
  chosen: ChosenAlgorithm,
  { maxPositions }: DecoderConfig,
  onNote: (note: string) => void,
): Promise<TokenSequence[]> {
  const folder = settings.model!;
  if (settings.target === undefined) {
    const length = Math.min(settings.maximumLength ?? runSettings.maximumLength.fallback, maxPositions);
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
  const tokenizer = await HuggingFaceTokenizer.load(folder);
  const complete = completeRunSettings({ ...(settings as RunSettings), out: settings.out ?? folder }, chosen);
  const sets = await readRunSets(complete, tokenizer, PromptTemplate.parse(complete.template), chosen, onNote);
  return sequencesOf(dataSetsOf(sets));
}

/** A run has them in its memory. */
function loadLibraries(onNote: (note: string) => void): void {
  try {
    nativeEngine();
  } catch (error) {
    onNote(`without the engine, its share of the process is left out: ${(error as Error).message.split('\n')[0]}`);
  }
}

function resultOf({ config, batch, folder }: Planned, asked: PlannedVariant, variants: readonly PlannedVariant[]) {
  const layout = parameterLayout(config);
  const { plan, precision, ...held } = asked;
  return {
    model: { folder, modelType: config.modelType, layers: config.layers, parameters: layout.parameterCount },
    batch,
    device: plan.device,
    ...held,
    parts: plan.parts,
    total: plan.total,
    ...fitOf(plan),
    variants: variants.map(({ plan: own, precision: { states = 'f32', master }, ...each }) => ({
      ...each,
      states,
      master: master ?? (each.dtype === 'bf16' ? 'f32' : 'none'),
      total: own.total,
      ...fitOf(own),
    })),
  };
}

function fitOf(plan: MemoryPlan): { available?: number; fits?: boolean } {
  const available = memoryFor(plan);
  return available === undefined ? {} : { available, fits: plan.total <= available };
}

function textOf({ config, batch }: Planned, asked: PlannedVariant, variants: readonly PlannedVariant[]): string {
  const { plan } = asked;
  const { available, fits } = fitOf(plan);
  const millions = (parameterLayout(config).parameterCount / 1e6).toFixed(1);
  return [
    `model: ${config.modelType}, ${millions} million weights, ${config.layers} layers`,
    `largest part of a batch: ${batch.sequences} sequences, ${batch.rows} tokens read, ${batch.labels} predicted, ${batch.longest} in the longest`,
    '',
    table(
      ['part', 'memory'],
      [...plan.parts.map(({ name, bytes }) => [name, memory(bytes)]), ['total', memory(plan.total)]],
    ),
    ...(available === undefined
      ? []
      : ['', `${plan.device} has ${memory(available)} for it: it ${fits ? 'fits' : 'does NOT fit'}`]),
    '',
    table(
      ['--dtype', '--states', '--master', 'checkpointing', 'total', 'fits'],
      variants.map(({ dtype, precision: { states = 'f32', master }, checkpointActivations, plan: own }) => {
        const its = fitOf(own).fits;
        return [
          dtype,
          states,
          master ?? (dtype === 'bf16' ? 'f32' : 'none'),
          checkpointActivations ? 'yes' : 'no',
          memory(own.total),
          its === undefined ? '?' : its ? 'yes' : 'no',
        ];
      }),
    ),
    '',
    'adamw, sophia and soul-repo take the same: two moving averages. docs/memory.md says how each part is computed.',
  ].join('\n');
}
