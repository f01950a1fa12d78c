/**
 * How the commands ask for settings, for messages that say what to give.
 *
 * @module
 */

import type { RunSchema } from './run-setting.ts';
import { runSettings } from './run-settings.ts';

/** What stands before the names of a method's own settings in a path of names. */
export const ofMethod = 'methodSettings.';

/** Options that settings of methods have beside `--set`, under names of their own. */
const methodFlags: Readonly<Record<string, string>> = {
  forgetCoefficient: '--forget-weight',
  retainCoefficient: '--retain-weight',
};

/** The option that asks for a setting, by the path of names that leads to it; the path itself where none does. */
export function flagOf(path: string): string {
  if (path.startsWith(ofMethod)) {
    const name = path.slice(ofMethod.length);
    return methodFlags[name] ?? `--set ${name}`;
  }
  let schema: RunSchema = runSettings;
  for (const name of path.split('.')) {
    const entry = schema[name];
    if (entry === undefined) break;
    if (entry.kind === 'group') {
      schema = entry.members;
      continue;
    }
    const option = typeof entry.option === 'object' ? (entry.option.unlearn ?? entry.option.train) : entry.option;
    const flags = typeof option === 'object' ? option.flags : option;
    return flags?.split(' ')[0] ?? entry.by?.[0] ?? path;
  }
  return path;
}

/** What gives a setting of a method a value on the command line. */
export function methodFlag(name: string, value: string): string {
  const flag = flagOf(`${ofMethod}${name}`);
  return flag.startsWith('--set ') ? `${flag}=${value}` : `${flag} ${value}`;
}
