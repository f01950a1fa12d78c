/**
 * Options of commands from the list of a run's settings, and settings from what commander made of them.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { type Command as CommandName, defaultText, type RunSchema, type RunSetting } from '../run/run-setting.ts';
import { runSettings } from '../run/run-settings.ts';
import type { RunSettings } from '../run/settings.ts';
import { parserOf } from './arguments.ts';
import { RequiredOption } from './options.ts';

/** An option that gives a setting, by the path of names that it has in the settings. */
interface SettingOption {
  readonly option: Option;
  readonly path: readonly string[];
  readonly heading: string;
}

/** The heading under which the options stand that a command needs. */
const needed = 'Needed';

/**
 * The options of a command, in the order of help.
 *
 * @param given.optimizer the default
 * @param given.needs names of the settings that it cannot do without; default those of the first heading
 */
export function settingOptions(
  command: CommandName,
  given: { readonly optimizer: string; readonly needs?: readonly string[] },
): SettingOption[] {
  let heading = needed;
  function* walk(schema: RunSchema, path: readonly string[]): Generator<SettingOption> {
    for (const [name, entry] of Object.entries(schema)) {
      const own = [...path, name];
      if (entry.kind === 'group') {
        yield* walk(entry.members, own);
        continue;
      }
      heading = entry.heading ?? heading;
      const asked = name === 'optimizer' ? { ...entry, otherwise: given.optimizer } : entry;
      const isNeeded = heading === needed && (given.needs?.includes(name) ?? true);
      const option = optionOf(asked, command, isNeeded);
      if (option === undefined) continue;
      const other = entry.insteadOf === undefined ? undefined : schema[entry.insteadOf];
      if (other !== undefined) option.conflicts(optionOf(other as RunSetting, command)!.attributeName());
      yield { option, path: own, heading };
    }
  }
  return [...walk(runSettings, [])];
}

/** The option by which a command asks for a setting; undefined where it does not. */
export function optionOf(setting: RunSetting, command: CommandName, isNeeded = false): Option | undefined {
  const own = typeof setting.option === 'object' ? setting.option[command] : setting.option;
  if (own === undefined) return undefined;
  const { flags, text = setting.text } = typeof own === 'string' ? { flags: own } : own;
  const otherwise = defaultText(setting);
  const description = otherwise === undefined ? text : `${text} (default: ${otherwise})`;
  const option = isNeeded ? new RequiredOption(flags, description) : new Option(flags, description);
  if (setting.choices) option.choices(setting.choices);
  // A flag that takes no word is true where it stands; one that may take one stands for an empty one without.
  if (option.optional) option.preset('');
  const parser = option.required || option.optional ? parserOf(setting) : undefined;
  return parser === undefined ? option : option.argParser(parser as never);
}

/** An option of a run that other commands have, too. */
export function sharedOption(
  name: 'model' | 'base' | 'template' | 'templateDate' | 'system',
  isNeeded = false,
): Option {
  return optionOf(runSettings[name], 'train', isNeeded)!;
}

/** Adds the options to a command under their headings; `own` are others of a heading, which stand before them. */
export function addSettingOptions(
  command: Command,
  options: readonly SettingOption[],
  own: Readonly<Record<string, readonly Option[]>>,
): Command {
  for (const heading of new Set(options.map((each) => each.heading))) {
    command.optionsGroup(`${heading}:`);
    for (const option of own[heading] ?? []) command.addOption(option);
    for (const each of options) if (each.heading === heading) command.addOption(each.option);
  }
  return command;
}

/** The settings that were given. */
export function givenSettings(options: readonly SettingOption[], given: object): Partial<RunSettings> {
  const settings: Record<string, unknown> = {};
  for (const { option, path } of options) {
    const value = (given as Record<string, unknown>)[option.attributeName()];
    if (value === undefined) continue;
    let into = settings;
    for (const name of path.slice(0, -1)) {
      into[name] ??= {};
      into = into[name] as Record<string, unknown>;
    }
    into[path.at(-1)!] = value;
  }
  return settings;
}
