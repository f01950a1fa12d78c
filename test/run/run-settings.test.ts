import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { toJson } from '../../lib/core/json.ts';
import { completeRunSettings, type RunSettings, runSettingsFromJson } from '../../lib/run/index.ts';
import { chooseAlgorithm } from '../../lib/run/run-defaults.ts';
import { mergeValues, type RunSchema, type RunSetting } from '../../lib/run/run-setting.ts';
import { runSettings } from '../../lib/run/run-settings.ts';

/** Each setting with the names that lead to it. */
function* leaves(schema: RunSchema, path: string[] = []): Generator<[path: string[], setting: RunSetting]> {
  for (const [name, entry] of Object.entries(schema)) {
    if (entry.kind === 'group') yield* leaves(entry.members, [...path, name]);
    else yield [[...path, name], entry];
  }
}

const all = [...leaves(runSettings)];
const nested = (path: readonly string[], value: unknown): object =>
  path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;

/** Some value of each kind. */
const sampleOf = ({ kind, choices, fallback, word }: RunSetting): unknown =>
  ({
    ...{
      path: 'a/b',
      paths: ['a', 'b'],
      conditions: ['a=b', 'c~d'],
      template: 'Q: {question} A: {answer}',
      date: '1999-12-31',
      lines: 'Be\nbrief.',
      pattern: 'mlp',
      text: 'forget.probability<0.5',
      flag: true,
      number: 0.5,
    },
    ...{ namedPaths: { others: 'a', more: ['b', 'c'] }, choices: ['extractionStrength', 'rougeLRecall'] },
    ...{ integer: 3, choice: choices?.at(-1), numbers: [0.5, 0.25], seed: 2n ** 64n - 1n, method: fallback },
    value: { some: 1 },
    kindNumbers: { embedding: 0.5, vector: 0 },
    adapter: word?.parts.r ? { rank: 4, targets: ['q_proj'] } : { bottleneck: 8, activation: 'relu' },
  })[kind];

describe.each(all.map(([path, setting]) => [path.join('.'), path, setting] as const))('%s', (name, path, setting) => {
  test('comes back from JSON as it went', () => {
    const settings = nested(path, name === 'method' ? 'npo' : sampleOf(setting));
    expect(runSettingsFromJson(JSON.parse(toJson(settings)))).toEqual(settings);
  });

  test('is refused by its name where it cannot be, wherever it comes from', () => {
    const wrong = setting.kind === 'seed' ? '-1' : setting.kind === 'template' ? 'none' : null;
    const message = setting.kind === 'template' ? /placeholders|\{question\}/ : new RegExp(`^${name} must be `);
    const refusal = expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', message: expect.stringMatching(message) });
    expect(() => runSettingsFromJson(nested(path, wrong))).toThrow(refusal);
    const base: RunSettings = { model: 'm', target: 't', out: 'o', method: 'ascent', optimizer: 'sophia' };
    expect(() => completeRunSettings({ ...base, ...nested(path, wrong) }, chooseAlgorithm('ascent'))).toThrow(refusal);
  });

  test('has a default that it can be, and says what it is for', () => {
    if (setting.fallback !== undefined) expect(() => setting.check(name, setting.fallback)).not.toThrow();
    expect(setting.text).toMatch(/^[^A-Z].*[^.]$/);
  });
});

test('defaults of the list are those of a run', () => {
  const base: RunSettings = { model: 'm', target: 't', out: 'o', method: 'ascent', optimizer: 'adamw' };
  const complete = completeRunSettings(base, chooseAlgorithm('ascent')) as unknown as Record<string, unknown>;
  const defaults = all.filter(([path, { fallback }]) => path.length === 1 && fallback !== undefined);
  expect(defaults.length).toBeGreaterThan(8);
  for (const [[name], { fallback }] of defaults) expect([name, complete[name!]]).toEqual([name, fallback]);
});

test('of two ways to say the same the later one counts, and both at once are refused', () => {
  const merge = (before: object, over: object) => mergeValues(runSettings, before, over);
  expect(merge({ epochs: 3, batchSize: 2 }, { steps: 5 })).toEqual({ steps: 5, batchSize: 2 });
  expect(merge({ steps: 5 }, { epochs: 3 })).toEqual({ epochs: 3 });
  expect(merge({ steps: 5 }, { epochs: undefined })).toEqual({ steps: 5 });
  expect(() => runSettingsFromJson({ steps: 1, epochs: 1 })).toThrow('give steps or epochs, not both');
  const optimizerSettings = { rho: 1, clippedFraction: 0.1 };
  expect(() => runSettingsFromJson({ optimizerSettings })).toThrow('give rho or clippedFraction, not both');
});

test('what is given counts over what was there, at any depth', () => {
  const precision = fc.record(
    { states: fc.constantFrom('f32', 'bf16'), master: fc.constant('f32') },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(precision, precision, (before, over) => {
      const of = (each: object) => ({ optimizerSettings: { precision: each } });
      expect(mergeValues(runSettings, of(before), of(over))).toEqual(of({ ...before, ...over }));
    }),
  );
});
