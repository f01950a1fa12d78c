/**
 * The options that `soul train` and `soul unlearn` share.
 *
 * @module
 */

import type { Command, Option } from 'commander';
import type { OptimizerName } from '../run/optimizer-choice.ts';
import type { Command as CommandName } from '../run/run-setting.ts';
import type { RunSettings } from '../run/settings.ts';
import { configOption } from './configuration.ts';
import { addLoadingOptions, checkpointActivationsOption, type ModelOptions } from './model-options.ts';
import { addOutputOptions } from './options.ts';
import { printConfigOption } from './print-configuration.ts';
import { addSettingOptions, givenSettings, settingOptions } from './setting-options.ts';
import type { OutputOptions } from './terminal.ts';

/** Values of the options that are no settings of a run. */
export interface RunOptions extends ModelOptions, OutputOptions {
  config?: string;
  printConfig?: boolean;
  resume?: boolean;
}

/**
 * Adds the options of a run to a command, those of its own among them.
 *
 * @returns what reads the settings from the options' values
 */
export function addRunOptions(
  command: Command,
  name: CommandName,
  { optimizer, own = [] }: { readonly optimizer: OptimizerName; readonly own?: readonly Option[] },
): (given: object) => Partial<RunSettings> {
  const options = settingOptions(name, { optimizer });
  addSettingOptions(command, options, { Options: [configOption(), printConfigOption(), ...own] });
  addLoadingOptions(command).addOption(checkpointActivationsOption());
  addOutputOptions(command.optionsGroup('Output:'));
  return (given) => givenSettings(options, given);
}
