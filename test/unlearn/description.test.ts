import { expect, test } from '@jest/globals';
import { describeAlgorithm, needText } from '../../lib/unlearn/description.ts';
import { algorithm, algorithms, choiceSetting, defineAlgorithm, flagSetting } from '../../lib/unlearn/index.ts';

const needsOf = (name: string) => describeAlgorithm(algorithm(name)).needs;

test('what is needed follows from the terms, with the settings that change it', () => {
  expect(needsOf('npo')).toEqual([
    { what: 'retain', unless: ['retainCoefficient=0'] },
    { what: 'startingModel', onlyWith: ['retainLoss=kl'] },
  ]);
  expect(needsOf('ascent')).toEqual([]);
  expect(needsOf('po').map(({ what }) => what)).toEqual(expect.arrayContaining(['refusals', 'retain']));
  expect(needsOf('spunge')).toContainEqual({ what: 'groups', onlyWith: ['attribute'] });
  expect(needsOf('rmu')).toEqual(
    ['retain', 'startingModel'].map((what) => ({ what, unless: ['retainCoefficient=0'] })),
  );
  expect(needsOf('npo').map(needText)).toEqual([
    'examples to keep (--retain), unless retainCoefficient=0',
    'with retainLoss=kl: a copy of the starting model in memory',
  ]);
});

test('of one that is more than a descent, too', () => {
  const own = defineAlgorithm({
    ...{ name: 'own', summary: 'does something', paper: 'none', formula: 'none', promises: { property: 'none' } },
    settings: {
      refuse: flagSetting('whether refusals are taught'),
      keep: choiceSetting('what holds the rest', ['all', 'none'], 'all'),
    },
    needs: ({ refuse, keep }) => [
      ...(refuse ? (['refusals'] as const) : []),
      ...(keep === 'all' ? (['retain'] as const) : []),
    ],
    async *run() {
      yield { kind: 'note', text: 'nothing to do' };
      return undefined;
    },
  });
  expect(describeAlgorithm(own).needs).toEqual([
    { what: 'retain', unless: ['keep=none'] },
    { what: 'refusals', onlyWith: ['refuse=true'] },
  ]);
});

test('defaults are those of a run', () => {
  const { settings } = describeAlgorithm(algorithm('npo'));
  const defaults = Object.fromEntries(settings.map((setting) => [setting.name, setting.default]));
  expect(defaults).toMatchObject({ retainCoefficient: 5, beta: 0.1, reduction: 'sum' });
  expect(settings.find(({ name }) => name === 'reduction')).toMatchObject({ kind: 'choice', choices: ['sum', 'mean'] });
});

test.each(algorithms.map(({ name }) => name))('%s is described whole', (name) => {
  const { summary, paper, formula, settings } = describeAlgorithm(algorithm(name));
  for (const text of [summary, paper, formula, ...settings.map((setting) => setting.text)]) expect(text).toMatch(/\S/);
});
