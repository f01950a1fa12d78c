/**
 * Settings of methods on the command line: `--set beta=0.1`.
 *
 * @module
 */

import { Option } from 'commander';
import { describe, SoulError } from '../core/errors.ts';
import type { Algorithm } from '../unlearn/algorithm.ts';
import type { Method } from '../unlearn/method.ts';
import { settingsFor } from '../unlearn/registry.ts';
import { settingText } from '../unlearn/setting.ts';

export function setOption(): Option {
  return new Option(
    '--set <name=value>',
    'a setting of the method, as `soul methods <name>` lists them; may be given several times',
  ).argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
}

/**
 * The settings that were given, checked.
 *
 * @param method has none where it is no algorithm, but terms alone
 * @param shortcuts options that are settings of some methods
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no setting of this method, or a value that cannot be
 */
export function parseSettings(
  method: Algorithm | Method,
  texts: readonly string[],
  shortcuts: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const given: Record<string, unknown> = { ...shortcuts };
  if (!('run' in method)) {
    const names = [...Object.keys(given), ...texts];
    if (names.length === 0) return given;
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${names.join(', ')} cannot be set: the method ${method.name} is terms alone; make it with defineMethod to give it settings`,
      { argument: 'set' },
    );
  }
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) {
      throw new SoulError('SOUL_INVALID_ARGUMENT', `--set takes name=value, as in beta=0.1, but is ${describe(text)}`, {
        argument: 'set',
      });
    }
    const [name, value] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
    if (Object.hasOwn(given, name)) {
      throw new SoulError('SOUL_INVALID_ARGUMENT', `${name} is given twice`, { argument: name });
    }
    given[name] = parseValue(method, name, value);
  }
  settingsFor(method, given);
  return given;
}

function parseValue(algorithm: Algorithm, name: string, text: string): unknown {
  const entry = Object.hasOwn(algorithm.settings, name) ? algorithm.settings[name] : undefined;
  if (entry === undefined) return text;
  const { kind } = settingText(entry);
  // What is no number is refused as it was written.
  if (kind === 'number' || kind === 'integer') return text === '' || Number.isNaN(Number(text)) ? text : Number(text);
  return kind === 'flag' && /^(true|false)$/.test(text) ? text === 'true' : text;
}
