/**
 * `--config`: settings of a run from a file, over which those of the command line count.
 *
 * @module
 */

import { extname } from 'node:path';
import { Option } from 'commander';
import { checkBoolean, checkInteger } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { readJsonFile } from '../core/files.ts';
import { isObject } from '../core/json.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { readYamlFile } from '../core/yaml-file.ts';
import { checkOptimizer, completeOptimizerSettings, type OptimizerName } from '../run/optimizer-choice.ts';
import { chooseAlgorithm } from '../run/run-defaults.ts';
import { mergeValues } from '../run/run-setting.ts';
import { runSettings } from '../run/run-settings.ts';
import { neededSets, type RunSettings } from '../run/settings.ts';
import { runSettingsFromJson } from '../run/settings-json.ts';
import { mergeMethodSettings } from '../unlearn/inner-method.ts';
import { oneOf, path } from './arguments.ts';
import { deviceName } from './device-choice.ts';
import type { ModelOptions } from './model-options.ts';

export function configOption(): Option {
  return new Option(
    '--config <file>',
    'settings of the run as JSON, or as YAML where it ends in .yaml or .yml (docs/configuration.md), or the run.json of an earlier run; what the command line says counts over it',
  ).argParser(path);
}

/** What a configuration file says. */
export interface Configuration {
  readonly settings: Partial<RunSettings>;
  /** All that stands in it; undefined without one. */
  readonly content?: unknown;
}

/**
 * Reads a configuration file; without one there are no settings.
 *
 * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE, SOUL_INVALID_ARGUMENT
 */
export async function readConfiguration(file: string | undefined): Promise<Configuration> {
  if (file === undefined) return { settings: {} };
  const isYaml = ['.yaml', '.yml'].includes(extname(file).toLowerCase());
  const content = await (isYaml ? readYamlFile(file) : readJsonFile(file));
  if (content === undefined) throw new SoulError('SOUL_NOT_FOUND', `${file} does not exist`, { file });
  return { settings: inFile(file, () => runSettingsFromJson(content)), content };
}

/**
 * Refuses what a configuration file says of the optimizer that is run, where that cannot be: the file is named, not the run.
 *
 * @param optimizer that is run
 * @param dtype of the weights, where that is known
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkConfiguredOptimizer(
  file: string | undefined,
  { optimizer: own, optimizerSettings }: Partial<RunSettings>,
  optimizer: OptimizerName,
  dtype: unknown,
): void {
  if (optimizerSettings === undefined || (own ?? optimizer) !== optimizer) return;
  inFile(file, () => checkOptimizer(optimizer, completeOptimizerSettings(optimizer, optimizerSettings), dtype));
}

/**
 * The settings of both, where those given count; what belongs to another optimizer or method than the given one is left out.
 *
 * @param isOwnMethod whether the settings of a method in the file are of the method that is run
 * @param onNote told of what is left out
 */
export function mergeSettings(
  file: Partial<RunSettings>,
  given: Partial<RunSettings>,
  isOwnMethod: boolean,
  onNote: (note: string) => void,
): Partial<RunSettings> {
  const kept = { ...file };
  const leaveOut = (why: string, names: readonly (keyof RunSettings)[]) => {
    const present = names.filter((name) => Object.keys(Object(kept[name])).length > 0);
    for (const name of names) delete kept[name];
    if (present.length > 0) onNote(`${present.join(', ')} of the configuration ${why}, and left out`);
  };
  if (given.optimizer !== undefined && given.optimizer !== (file.optimizer ?? given.optimizer)) {
    leaveOut(`are of the optimizer ${file.optimizer}`, ['optimizerSettings', 'curvature', 'hessianData']);
  }
  if (!isOwnMethod) {
    leaveOut('are of another method', ['methodSettings', ...filesOfNoUse(given)]);
    // A record has the rate that its own method took.
    const { learningRate, ...others } = kept.optimizerSettings ?? {};
    if (learningRate !== undefined && given.optimizerSettings?.learningRate === undefined) {
      onNote(`the learning rate ${learningRate} of the configuration is of another method, and left out`);
      kept.optimizerSettings = others;
    }
  }
  if (!isSameRecipe(file, given)) delete kept.recipe;
  const { methodSettings } = given;
  return {
    ...mergeValues(runSettings, { optimizerSettings: {}, curvature: {}, ...kept }, given),
    ...(kept.methodSettings && methodSettings
      ? { methodSettings: mergeMethodSettings(kept.methodSettings, methodSettings) }
      : {}),
  };
}

/** Whether nothing is given in place of what a study recommended: else it is the study's no more. */
function isSameRecipe(file: Partial<RunSettings>, given: Partial<RunSettings>): boolean {
  return given.method === file.method && given.optimizer === undefined && isSettingsOpen(given);
}

/** Whether the settings of method and optimizer are left open, but for what numbers are held in. */
export function isSettingsOpen({
  methodSettings,
  optimizerSettings,
  curvature,
  hessianData,
}: Partial<RunSettings>): boolean {
  const { precision: _, ...ofSteps } = optimizerSettings ?? {};
  return [methodSettings, ofSteps, curvature, hessianData].every(isLeftOpen);
}

/** Whether a setting, or every one of a group, is not there. */
export function isLeftOpen(value: unknown): boolean {
  if (value === undefined) return true;
  return isObject(value) && Object.values(value).every(isLeftOpen);
}

type FileOfMethod = 'refusals' | 'alternatives' | 'generateAlternatives';

/** Files that methods may need, and the given one does not: a run refuses them. */
function filesOfNoUse({ method, methodSettings }: Partial<RunSettings>): FileOfMethod[] {
  if (method === undefined) return [];
  const needs = neededSets(chooseAlgorithm(method, methodSettings));
  const generated = needs.includes('alternatives') ? [] : (['generateAlternatives'] as const);
  return [...(['refusals', 'alternatives'] as const).filter((name) => !needs.includes(name)), ...generated];
}

/** The file's word on where and how the model is held, as a record has it too; the given options count over it. */
export function mergeLoading<Options extends ModelOptions>(
  file: string | undefined,
  load: unknown,
  given: Options,
): Options {
  if (file === undefined || load === undefined) return given;
  return inFile(file, () => {
    const parts = load as Record<string, unknown>;
    // What a record says beside them, of its own machine.
    checkNames('load', parts, [
      ...['device', 'dtype', 'threads', 'logitsMemory', 'checkpointActivations'],
      ...['deviceReason', 'engine'],
    ]);
    const { device, dtype, threads, logitsMemory, checkpointActivations } = parts;
    const read: ModelOptions = withoutUndefined({
      device: device === undefined ? undefined : parsed('load.device', device, deviceName),
      dtype: dtype === undefined ? undefined : parsed('load.dtype', dtype, oneOf(['f32', 'bf16'])),
      threads: threads === undefined ? undefined : checkInteger('load.threads', threads, { high: 4096 }),
      logitsMemory: logitsMemory === undefined ? undefined : checkInteger('load.logitsMemory', logitsMemory),
      checkpointActivations:
        checkpointActivations === undefined
          ? undefined
          : checkBoolean('load.checkpointActivations', checkpointActivations),
    });
    return { ...read, ...withoutUndefined(given) } as Options;
  });
}

/**
 * What the command needs is there.
 *
 * @param options of the command that give the settings by their names
 * @throws SoulError SOUL_INVALID_ARGUMENT, with all that is missing
 */
export function requireSettings(
  settings: Partial<RunSettings>,
  options: Readonly<Record<'model' | 'target' | 'out', string>>,
  file: string,
): void {
  const missing = (['model', 'target', 'out'] as const).filter((name) => settings[name] === undefined);
  if (missing.length === 0) return;
  const names = missing.map((name) => (options[name] === `--${name}` ? `--${name}` : `${options[name]} (${name})`));
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `neither the command line nor ${file} has what the run needs: ${names.join(', ')}`,
    { missing },
  );
}

/** Does work whose refusals are of a file, where there is one. */
export function inFile<Result>(file: string | undefined, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (file === undefined || !(error instanceof SoulError)) throw error;
    throw new SoulError(error.code, `${file}: ${error.message}`, { ...error.details, file }, { cause: error });
  }
}

/** A value by the parser of the option that says the same. */
function parsed<Value>(name: string, value: unknown, parse: (text: string) => Value): Value {
  if (typeof value !== 'string') throw invalidArgument(name, 'a text', value);
  try {
    return parse(value);
  } catch (error) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${name}: ${(error as Error).message}`, { argument: name });
  }
}
