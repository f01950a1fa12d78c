/**
 * The JSON Schema of a study's file, from the lists that it is read by: an editor completes and checks with it.
 *
 * @see https://json-schema.org/draft/2020-12
 * @module
 */

import { defaultText, type RunSchema, type RunSetting, type RunSettingKind } from '../../run/run-setting.ts';
import { studyOptimizers } from '../optimizers/list.ts';
import { methodForm, modelForms, optimizerForm, splitForms, studySettings } from './study-settings.ts';

const text = { type: 'string' };
const several = (items: object) => ({ type: 'array', items });
const oneOrMore = { anyOf: [text, { ...several(text), minItems: 1 }] };

/** What a value of each kind is in JSON. */
const types: Readonly<Record<RunSettingKind, object>> = {
  number: { type: 'number' },
  integer: { type: 'integer' },
  flag: { type: 'boolean' },
  choice: text,
  text,
  lines: text,
  path: text,
  template: text,
  date: text,
  pattern: text,
  method: { type: ['string', 'object'] },
  paths: oneOrMore,
  conditions: oneOrMore,
  namedPaths: { type: 'object', additionalProperties: oneOrMore },
  choices: several(text),
  numbers: { ...several({ type: 'number' }), minItems: 2, maxItems: 2 },
  kindNumbers: { type: 'object', additionalProperties: { type: 'number' } },
  seed: { type: ['integer', 'string'] },
  adapter: { type: 'object' },
  value: { type: 'object' },
};

/** The schema of a study's file (draft 2020-12). It knows names and types; that parts fit each other, `readStudy` checks. */
export function studyFileSchema(): object {
  const method = { anyOf: [{ enum: methodForm.name.choices }, ofForm(methodForm, ['name'])] };
  const optimizer = {
    anyOf: [{ enum: studyOptimizers.map(({ name }) => name) }, ofForm(optimizerForm, ['name', 'optimizer'])],
  };
  const lists = {
    models: { anyOf: Object.entries(modelForms).map(([own, form]) => ofForm(form, ['name', own])) },
    splits: {
      anyOf: [ofForm(splitForms.forget, ['name', 'forget', 'retain']), ofForm(splitForms.made, ['name', 'made'])],
    },
    methods: method,
    optimizers: optimizer,
  };
  const own = ofForm(studySettings, Object.keys(lists));
  const listed = Object.entries(lists).map(([name, items]) => [name, { ...several(items), minItems: 1 }]);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'A study of soul-unlearn',
    ...own,
    properties: { $schema: text, ...own.properties, ...Object.fromEntries(listed) },
  };
}

function ofForm(schema: RunSchema, required: readonly string[]) {
  const properties = Object.entries(schema).map(([name, entry]): [string, object] => [
    name,
    entry.kind === 'group' ? { description: entry.text, ...ofForm(entry.members, []) } : ofSetting(entry),
  ]);
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    additionalProperties: false,
    ...(required.length > 0 ? { required } : {}),
  };
}

function ofSetting(entry: RunSetting): object {
  const { kind, choices, expected } = entry;
  const fallback = Array.isArray(entry.fallback) ? JSON.stringify(entry.fallback) : defaultText(entry);
  const description = `${entry.text}: ${expected}${fallback === undefined ? '' : `; default ${fallback}`}`;
  if (kind === 'choice') return { description, enum: choices };
  if (kind === 'choices') return { description, ...several({ enum: choices }), uniqueItems: true };
  return { description, ...types[kind] };
}
