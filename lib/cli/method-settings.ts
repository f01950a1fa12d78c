/**
 * Settings of methods on the command line: `--set beta=0.1`.
 *
 * @module
 */

import { Option } from 'commander';
import { describe, SoulError } from '../core/errors.ts';
import type { Algorithm } from '../unlearn/algorithm.ts';
import { type InnerMethodSetting, innerName, mergeMethodSettings } from '../unlearn/inner-method.ts';
import type { Method } from '../unlearn/method.ts';
import { settingsFor } from '../unlearn/registry.ts';
import type { Schema } from '../unlearn/setting.ts';

export function setOption(): Option {
  return new Option(
    '--set <name=value>',
    'a setting of the method, as `soul methods <name>` lists them, or method.<name>=<value> of a method inside; may be given several times',
  ).argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
}

/**
 * The settings that were given, checked.
 *
 * @param method has none where it is no algorithm, but terms alone
 * @param shortcuts options that are settings of some methods
 * @param file of the method, over which they count
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no setting of this method, or a value that cannot be
 */
export function parseSettings(
  method: Algorithm | Method,
  texts: readonly string[],
  shortcuts: Readonly<Record<string, unknown>>,
  file: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const given: Record<string, unknown> = { ...shortcuts };
  if (!('run' in method)) {
    const names = [...Object.keys(given), ...texts];
    if (names.length === 0) return given;
    throw refused(
      `${names.join(', ')} cannot be set: the method ${method.name} is terms alone; make it with defineMethod to give it settings`,
    );
  }
  const ofInner: [outer: string, name: string, text: string][] = [];
  for (const [name, text] of texts.map(nameAndValue)) {
    const [outer = '', own = ''] = name.split(/\.(.*)/s);
    if (innerOf(method, outer) && own !== '') ofInner.push([outer, own, text]);
    else set(given, name, parsedBy(method.settings, name, text));
  }
  // When all of them are known: they say what their settings are.
  const named = mergeMethodSettings({ ...method.runDefaults, ...file }, given);
  for (const [outer, name, text] of ofInner) {
    const { inner, fallback } = innerOf(method, outer)!;
    const settings = inner.find((each) => each.name === innerName(named[outer] ?? fallback))?.settings ?? {};
    const before = given[outer] ?? {};
    const own: Record<string, unknown> = typeof before === 'object' ? { ...before } : { name: before };
    set(own, name, parsedBy(settings, name, text), `${outer}.`);
    given[outer] = own;
  }
  settingsFor(method, mergeMethodSettings(file, given));
  return given;
}

function nameAndValue(text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at >= 1) return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  throw refused(`--set takes name=value, as in beta=0.1, but is ${describe(text)}`);
}

function innerOf({ settings }: Algorithm, name: string): InnerMethodSetting | undefined {
  const entry = Object.hasOwn(settings, name) ? settings[name] : undefined;
  return entry?.kind === 'method' ? (entry as InnerMethodSetting) : undefined;
}

function set(into: Record<string, unknown>, name: string, value: unknown, prefix = ''): void {
  if (Object.hasOwn(into, name)) throw refused(`${prefix}${name} is given twice`, name);
  into[name] = value;
}

function parsedBy(settings: Schema, name: string, text: string): unknown {
  const kind = Object.hasOwn(settings, name) ? settings[name]!.kind : 'text';
  // What is no number is refused as it was written.
  if (kind === 'number' || kind === 'integer') return text === '' || Number.isNaN(Number(text)) ? text : Number(text);
  return kind === 'flag' && /^(true|false)$/.test(text) ? text === 'true' : text;
}

function refused(message: string, argument = 'set'): SoulError {
  return new SoulError('SOUL_INVALID_ARGUMENT', message, { argument });
}
