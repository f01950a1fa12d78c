import { describe, expect, test } from '@jest/globals';
import { runSettingsFromJson } from '../../lib/run/index.ts';
import { chooseAlgorithm, methodOfRun } from '../../lib/run/run-defaults.ts';
import { algorithm, innerAlgorithm, innerMethod, innerMethodSetting } from '../../lib/unlearn/index.ts';
import { type InnerMethodSetting, mergeMethodSettings, settingsInFull } from '../../lib/unlearn/inner-method.ts';
import { settingsFor } from '../../lib/unlearn/registry.ts';

describe('a method inside another', () => {
  test('is one by its name, with the settings of runs, or with its own', () => {
    expect(innerMethod('npo').settings).toEqual(methodOfRun('npo').settings);
    expect(innerMethod({ name: 'npo', beta: 0.2 }).settings).toEqual(methodOfRun('npo', { beta: 0.2 }).settings);
    // Without a name it is the default.
    expect(innerMethod({ beta: 0.2 }).name).toBe('npo');
    expect(innerAlgorithm({ name: 'simnpo', margin: 1 }).settings).toMatchObject({ margin: 1 });
  });

  test.each<[object, string]>([
    [{ method: { name: 'npo', bta: 0.2 } }, 'npo has no setting bta; did you mean method.beta?'],
    [{ method: { beta: 0 } }, 'method.beta must be a number above 0'],
    [{ method: { name: 'graddiff', beta: 0.1 } }, 'graddiff has no setting beta; it has forgetCoefficient'],
    [{ method: 'finetune' }, 'method must be one of ascent, graddiff'],
    [{ method: 'finetune' }, '(finetune would teach what is to be forgotten), but is "finetune"'],
    [{ method: { name: 'sam' } }, 'method must be one of ascent, graddiff'],
    [{ method: { name: 'sam' } }, '(sam is not only a descent on terms), but is "sam"'],
    [{ method: 'nop' }, '(did you mean npo?), but is "nop"'],
    [{ method: 3 }, 'method must be one of ascent, graddiff'],
    [{ method: null }, 'method must be one of ascent, graddiff'],
    [{ method: ['npo'] }, 'method must be one of ascent, graddiff'],
  ])('%j is refused', (given, message) => {
    for (const name of ['sam', 'spunge', 'wagle', 'prune'] as const) {
      expect(() => settingsFor(algorithm(name), given)).toThrow(
        expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', message: expect.stringContaining(message) }),
      );
    }
  });

  test('changes what an algorithm needs, and its learning rates', () => {
    const needs = (method: unknown) => algorithm('sam').needs(settingsFor(algorithm('sam'), { method }) as never);
    expect(needs({ name: 'graddiff', retainCoefficient: 0 })).toEqual([]);
    expect(needs({ name: 'graddiff' })).toEqual(['retain']);
    const { learningRates } = chooseAlgorithm('sam', { method: { name: 'ascent' } });
    expect(learningRates).toEqual(algorithm('ascent').learningRates);
  });

  test('comes back from JSON as it went', () => {
    const { settings } = chooseAlgorithm('spunge', { method: { name: 'npo', beta: 0.2 } });
    const read = runSettingsFromJson(JSON.parse(JSON.stringify({ method: 'spunge', methodSettings: settings })));
    expect(chooseAlgorithm(read.method!, read.methodSettings).settings).toEqual(settings);
  });

  test('may be an algorithm where a definition says so', () => {
    expect(settingsFor(algorithm('spunge'), { method: { name: 'task-arithmetic', scale: 2 } })).toMatchObject({
      method: { scale: 2 },
    });
    expect(() => settingsFor(algorithm('sam'), { method: 'task-arithmetic' })).toThrow(
      /^method must be one of ascent, .* \(task-arithmetic is not only a descent on terms\), but is "task-arithmetic"$/,
    );
    expect(() => settingsFor(algorithm('spunge'), { method: 'rmu' })).toThrow(
      /^method must be one of ascent, .*, task-arithmetic \(rmu is not only a descent on terms\), but is "rmu"$/,
    );
    expect(innerMethodSetting.inner.map(({ name }) => name)).not.toContain('finetune');
  });
});

test.each<[before: object, over: object, merged: object]>([
  [{ rho: 1 }, { rho: 2 }, { rho: 2 }],
  [{ rho: 1 }, { rho: undefined }, { rho: 1 }],
  [{ method: 'npo' }, { method: { beta: 1 } }, { method: { name: 'npo', beta: 1 } }],
  [{ method: { beta: 1 } }, { method: { reduction: 'mean' } }, { method: { beta: 1, reduction: 'mean' } }],
  [{ method: { name: 'npo', beta: 1 } }, { method: 'npo' }, { method: { name: 'npo', beta: 1 } }],
  // Another method takes nothing over.
  [{ method: { name: 'npo', beta: 1 } }, { method: 'graddiff' }, { method: 'graddiff' }],
  [{ method: { name: 'npo', beta: 1 } }, { method: { name: 'wga', beta: 2 } }, { method: { name: 'wga', beta: 2 } }],
])('%j and %j are %j', (before, over, merged) => {
  expect(mergeMethodSettings(before, over)).toEqual(merged);
});

describe('settings in full', () => {
  test('have those of the method inside with its name and every default, and make the same run again', () => {
    for (const name of ['sam', 'average', 'wagle', 'prune', 'spunge'] as const) {
      for (const given of [{}, { method: 'graddiff' }, { method: { name: 'npo', beta: 0.3 } }]) {
        const { algorithm: chosen, settings } = chooseAlgorithm(name, given);
        const full = settingsInFull(chosen, settings);
        const method = full.method as Record<string, unknown>;
        const { algorithm: own, settings: defaults } = innerAlgorithm(settings.method);
        expect(method).toEqual({ name: own.name, ...defaults });
        expect(Object.keys(method).sort()).toEqual(['name', ...Object.keys(own.settings)].sort());
        // As a record has it.
        const again = chooseAlgorithm(name, JSON.parse(JSON.stringify(full)));
        expect(settingsInFull(again.algorithm, again.settings)).toEqual(full);
      }
    }
  });

  test('have those of an algorithm inside', () => {
    const innerOfSpunge = algorithm('spunge').settings.method as InnerMethodSetting;
    const { algorithm: chosen, settings } = chooseAlgorithm('spunge', { method: 'task-arithmetic' });
    expect(settingsInFull(chosen, settings).method).toMatchObject({
      name: 'task-arithmetic',
      ...innerAlgorithm('task-arithmetic', innerOfSpunge.inner).settings,
    });
  });
});

describe('a setting that is given to the wrong one of the two', () => {
  test('is hinted at by the name that it has in the method inside', () => {
    expect(() => chooseAlgorithm('sam', { beta: 0.2 })).toThrow(
      /^beta is of no effect on sam; it belongs to npo, .*undial, and so to the method inside, npo: set method\.beta \(--set method\.beta=\.\.\.\)$/,
    );
    expect(() => chooseAlgorithm('sam', { beta: 0.2, method: 'graddiff' })).toThrow(/undial$/);
    expect(() => chooseAlgorithm('sam', { method: { bta: 0.2 } })).toThrow('did you mean method.beta?');
  });
});
