import { describe, expect, test } from '@jest/globals';
import { type Study, type StudyFile, tasksOf, trialIdentity } from '../../lib/study/index.ts';
import { smallFile, smallStudy } from './small-study.ts';

const files: Partial<StudyFile> = {
  models: [{ name: 'tuned', model: 'models/tuned', retrained: 'models/retrained' }],
  splits: [{ name: 'authors', forget: 'authors.jsonl', forgetFilter: 'author=Ada', retain: ['a.jsonl', 'b.jsonl'] }],
  optimizers: ['gnb-10', 'adamw', 'mezo'],
};
const base = smallStudy(files);
const identity = (study: Study, index = 0, contents?: Record<string, string>) =>
  trialIdentity(study, tasksOf(study)[index]!, contents);
const own = identity(base);
const change = (changes: Partial<StudyFile>) => identity(smallStudy({ ...files, ...changes }));

describe('the hash of what decides a trial', () => {
  test('is the same for the same, and another for each trial, draw and optimizer', () => {
    expect(own).toMatch(/^[0-9a-f]{64}$/);
    expect(identity(smallStudy(files))).toBe(own);
    const tasks = tasksOf(base);
    expect(new Set(tasks.map((task) => trialIdentity(base, task))).size).toBe(tasks.length);
  });

  test.each<[string, Partial<StudyFile>]>([
    ['the title', { title: 'another', name: 'another' }],
    ['more trials', { trials: 20 }],
    ['more draws', { draws: 9 }],
    ['other optimizers', { optimizers: ['gnb-10', 'sign'] }],
    ['another method beside it', { methods: ['graddiff', 'npo'] }],
    ['another split beside it', { splits: [...files.splits!, { name: 'z', forget: 'f', retain: 'r' }] }],
    ['what it is by default', { dtype: 'f32', training: { batchSize: 8 }, evaluation: { points: 8 } }],
    [
      'the order of settings',
      { methods: [{ settings: { retainCoefficient: 5, forgetCoefficient: 1 }, name: 'graddiff' }] },
    ],
    [
      'other folders of the same',
      {
        models: [{ name: 'tuned', model: '/elsewhere/tuned', retrained: '/elsewhere/retrained' }],
      },
    ],
  ])('does not change with %s', (_, changes) => {
    expect(change(changes)).toBe(own);
  });

  test.each<[string, Partial<StudyFile>]>([
    ['the seed', { seed: 1 }],
    ['the range of what is searched', { search: { learningRate: [0.5, 2] } }],
    ['a setting of the method', { methods: [{ name: 'graddiff', settings: { forgetCoefficient: 2 } }] }],
    ['the method', { methods: ['npo'] }],
    ['the batches', { training: { batchSize: 4 } }],
    ['its length', { training: { steps: 12 } }],
    ['the longest example', { training: { maximumLength: 100 } }],
    ['the points of the path', { evaluation: { points: 4 } }],
    ['attacks', { evaluation: { attacks: ['nf4'] } }],
    ['dtype', { dtype: 'bf16' }],
    ['threads', { threads: 2 }],
    ['a filter', { splits: [{ ...files.splits![0]!, forgetFilter: 'author=Bea' } as never] }],
    ['no retrained model', { models: [{ name: 'tuned', model: 'models/tuned' }] }],
    ['a model that is trained first', { models: [{ name: 'tuned', base: 'models/tuned' }] }],
  ])('changes with %s', (_, changes) => {
    expect(change(changes)).not.toBe(own);
  });

  test('changes with the hashes of what paths hold, in any order', () => {
    const given = identity(base, 0, { model: 'aa', forget: 'bb' });
    expect(given).not.toBe(own);
    expect(identity(base, 0, { forget: 'bb', model: 'aa' })).toBe(given);
    expect(identity(base, 0, { model: 'ab', forget: 'bb' })).not.toBe(given);
  });

  test('does not depend on what an optimizer is called', () => {
    const named = (name: string) =>
      change({ optimizers: [{ name, optimizer: 'sophia', settings: { clippedFraction: 0.2 } }] });
    expect(named('one')).toBe(named('two'));
    expect(named('one')).not.toBe(own);
    expect(identity(smallStudy(smallFile))).not.toBe(own);
  });
});
