import { expect, test } from '@jest/globals';
import { type RunSettings, runTraining } from '../../lib/run/index.ts';
import { checkAlgorithm } from '../../lib/unlearn/algorithm.ts';
import { algorithms, defineAlgorithm, numberSetting } from '../../lib/unlearn/index.ts';

const own = defineAlgorithm({
  ...{ name: 'own', summary: 'does nothing', paper: 'none', formula: 'none', promises: { property: 'none' } },
  settings: { pull: numberSetting('how much', 1) },
  runDefaults: { pull: 2 },
  learningRates: { adamw: 1, sophia: 2, 'soul-repo': 3 },
  needs: () => [],
  async *run() {
    yield { kind: 'note', text: 'nothing to do' };
    return undefined;
  },
});

test.each(algorithms.map((each) => [each.name, each] as const))('%s is one', (_, algorithm) => {
  expect(() => checkAlgorithm('method', algorithm)).not.toThrow();
});

const mistakes: [object, string][] = [
  [{ name: '' }, 'method.name must be a name'],
  [{ settings: undefined }, 'method.settings must be an object of settings'],
  [{ settings: { pull: 3 } }, 'method.settings.pull must be a setting, as numberSetting makes one, but is 3'],
  [{ runDefaults: { pul: 3 } }, 'method.runDefaults has no setting pul; did you mean pull?'],
  [{ runDefaults: { pull: -1 } }, 'pull must be a number of at least 0'],
  [
    { learningRates: { adamw: 1, sophia: 2, 'soul-repo': 3, sgd: 0 } },
    'method.learningRates.sgd must be a number above 0',
  ],
  [{ learningRates: { adamw: 1, sophia: 2 } }, 'method.learningRates.soul-repo must be a number above 0'],
  [{ learningRates: { ...own.learningRates, adamw: '1' } }, 'method.learningRates.adamw must be a number'],
  [{ needs: ['retain'] }, 'method.needs must be a function'],
  [{ run: undefined }, 'method.run must be a function'],
  [{ method: {} }, 'method.method must be a function'],
  [{ advice: { forgetMoar: {} } }, 'method.advice has no option forgetMoar; did you mean forgetMore?'],
  [{ advice: { keepMore: { pul: 'raise' } } }, 'method.advice.keepMore has no option pul; did you mean pull?'],
  [{ advice: { keepMore: { pull: 'up' } } }, "method.advice.keepMore.pull must be 'raise' or 'lower', but is \"up\""],
  [{ groupsBy: 'pul' }, 'method.groupsBy must be \'pull\', but is "pul"'],
  [{ buffers: { copies: 1 } }, 'method.buffers must be a function'],
  [{ checkModel: 'f32' }, 'method.checkModel must be a function'],
  [{ checkSets: true }, 'method.checkSets must be a function'],
];

test.each(mistakes)('%p is none', (mistake, message) => {
  expect(() => checkAlgorithm('method', { ...own, ...mistake })).toThrow(message);
});

test('a run refuses what is none before it reads anything', async () => {
  const method = { ...own, learningRates: {} } as unknown as RunSettings['method'];
  const settings: RunSettings = { model: 'none', target: 'none', out: 'none', method, optimizer: 'adamw' };
  const load = async () => {
    throw new Error('loaded');
  };
  await expect(runTraining(settings, load)).rejects.toThrow('method.learningRates.adamw must be a number above 0');
});
