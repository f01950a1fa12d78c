import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { toJson } from '../../lib/core/json.ts';
import { completeRunSettings, type RunSettings, runSettingsFromJson } from '../../lib/run/index.ts';
import { chooseAlgorithm } from '../../lib/run/run-defaults.ts';

const given: RunSettings = {
  ...{ model: './m', target: 'f.jsonl', retain: 'r.jsonl', out: 'o', method: 'npo', optimizer: 'sophia' },
  ...{ methodSettings: { beta: 0.2 }, seed: 2n ** 64n - 1n, steps: 3, load: { dtype: 'bf16', engine: 'libtorch' } },
};

test('settings come back from JSON as they went', () => {
  expect(runSettingsFromJson(JSON.parse(toJson(given)))).toEqual(given);
  const complete = completeRunSettings(given, chooseAlgorithm('npo', given.methodSettings));
  const back = runSettingsFromJson(JSON.parse(toJson(complete))) as RunSettings;
  expect(completeRunSettings(back, chooseAlgorithm('npo', back.methodSettings))).toEqual(complete);
});

test('any seed comes back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (seed) => {
      expect(runSettingsFromJson(JSON.parse(toJson({ seed }))).seed).toBe(seed);
    }),
  );
  expect(runSettingsFromJson({ seed: 17 }).seed).toBe(17n);
});

test('of the record of a run all counts but where it went', () => {
  const record = { package: { name: 'soul-unlearn' }, settings: { ...given, seed: '3', overwrite: true }, results: {} };
  const { out: _, ...repeated } = given;
  expect(runSettingsFromJson(record)).toEqual({ ...repeated, seed: 3n });
});

describe('what cannot be is refused', () => {
  test.each<[unknown, RegExp]>([
    [[], /the configuration must be an object/],
    [null, /the configuration must be an object/],
    [{ epoch: 3 }, /the configuration has no option epoch; did you mean epochs\?/],
    [{ methodOptions: {} }, /did you mean methodSettings\?/],
    [{ seed: -1 }, /seed must be an integer/],
    [{ seed: 2 ** 53 }, /as a string where it is above/],
    [{ seed: '18446744073709551616' }, /seed must be an integer/],
    [{ seed: '0x10' }, /seed must be an integer/],
    [{ steps: '3' }, /steps must be an integer of at least 1/],
    [{ model: '' }, /model must be a path/],
    [{ retain: null }, /retain must be a path/],
    [{ methodSettings: [1] }, /methodSettings must be an object/],
    [{ optimizerSettings: 'fast' }, /optimizerSettings must be an object/],
    [{ method: { name: 'mine', terms: [] } }, /method must be the name of a method/],
    [{ optimizer: 'adam' }, /optimizer must be 'adamw' or/],
  ])('%j', (value, message) => {
    expect(() => runSettingsFromJson(value)).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});
