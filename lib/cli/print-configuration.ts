/**
 * `--print-config`: the settings of a command line in full, as a file that `--config` takes.
 *
 * @module
 */

import { Option } from 'commander';
import { stringify } from 'yaml';
import { withoutUndefined } from '../core/optional.ts';
import { chooseAlgorithm } from '../run/run-defaults.ts';
import { defaultText, type RunSchema } from '../run/run-setting.ts';
import { runSettings } from '../run/run-settings.ts';
import { completeRunSettings, neededSets, type RunSettings } from '../run/settings.ts';
import { settingsInFull } from '../unlearn/inner-method.ts';
import type { ModelOptions } from './model-options.ts';
import { type CommandResult, wrapped } from './terminal.ts';

export function printConfigOption(): Option {
  return new Option(
    '--print-config',
    'run nothing: print the settings in full, as YAML (with --json as JSON), for a file that --config takes',
  );
}

/**
 * The settings with every default that does not depend on the model or the data; what such a default is stays open, so that the file
 * gives the same run as the command line. What the run needs and nobody has named may be missing.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for settings that do not fit together
 */
export function printedConfiguration(
  given: Partial<RunSettings> & Pick<RunSettings, 'method' | 'optimizer'>,
  loading: ModelOptions,
): CommandResult {
  const chosen = chooseAlgorithm(given.method, given.methodSettings);
  const needsRetain = neededSets(chosen).includes('retain') && !given.retainRest;
  // What a run would refuse to be without stands in for itself while the others are checked.
  const standIns = { model: '-', target: '-', out: '-', ...(needsRetain ? { retain: '-' } : {}) };
  const complete = completeRunSettings({ ...standIns, ...withoutUndefined(given) } as RunSettings, chosen);
  const { device = 'auto', dtype = 'f32', threads, logitsMemory, checkpointActivations = false } = loading;
  const settings: Record<string, unknown> = {
    ...complete,
    method: chosen.algorithm.name,
    methodSettings: settingsInFull(chosen.algorithm, chosen.settings),
    optimizerSettings: {
      ...complete.optimizerSettings,
      learningRate: given.optimizerSettings?.learningRate,
    },
    load: withoutUndefined({ device, dtype, threads, logitsMemory, checkpointActivations }),
  };
  for (const name of ['model', 'target', 'out', 'retain'] as const) settings[name] = given[name];
  return { result: settings, text: yamlLines(runSettings, settings).join('\n') };
}

const lineWidth = 100;

/** Each setting under what it is for; one that is open as a comment, with what it will be. */
function yamlLines(schema: RunSchema, values: Record<string, unknown>, indent = ''): string[] {
  return Object.entries(schema).flatMap(([name, entry]) => {
    const value = values[name];
    const comment = (text: string) => wrapped(text, lineWidth - indent.length).map((line) => `${indent}# ${line}`);
    if (entry.kind === 'group') {
      const own = value as Record<string, unknown> | undefined;
      // A name with comments alone below it would be null.
      if (own === undefined || Object.keys(withoutUndefined(own)).length === 0) {
        return [...comment(`${entry.text}: ${Object.keys(entry.members).join(', ')}`), `${indent}# ${name}:`];
      }
      return ['', ...comment(entry.text), `${indent}${name}:`, ...yamlLines(entry.members, own, `${indent}  `)];
    }
    const otherwise = value === undefined ? defaultText(entry) : undefined;
    const text = [entry.text, ...(otherwise === undefined ? [] : [`default: ${otherwise}`])].join('; ');
    if (value === undefined) return [...comment(text), `${indent}# ${name}:`];
    const lines = stringify({ [name]: value }, { lineWidth: 0, version: '1.2' })
      .trimEnd()
      .split('\n');
    return [...comment(text), ...lines.map((line) => indent + line)];
  });
}
