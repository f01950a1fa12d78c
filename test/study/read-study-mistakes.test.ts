import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { SoulError } from '../../lib/index.ts';
import { readStudy, type StudyFile, studyFrom } from '../../lib/study/index.ts';
import { smallFile } from './small-study.ts';

const own = (given: object) => ({ optimizers: ['adamw', { name: 'mine', optimizer: 'sophia', ...given }] });
const split = (given: object) => ({
  models: [{ name: 'tuned', model: 'm' }],
  splits: [{ name: 'x', forget: 'f', retain: 'r', ...given }],
});

test.each<[string, object, RegExp]>([
  ['an unknown name', { trails: 3 }, /^the study has no option trails; did you mean trials\?/],
  ['no models', { models: undefined }, /^models: the study lacks this list; soul study --example/],
  ['an empty list', { splits: [] }, /^splits must be a list of at least one, but is an array of 0/],
  ['no list', { optimizers: 'adamw' }, /^optimizers must be a list of at least one, but is "adamw"/],
  ['a name with a point', { models: [{ name: 'a.b', made: 'demo' }] }, /^models\[0\].name must be a name of letters/],
  ['a name with a slash', { name: '../x' }, /^name must be a name of letters/],
  ['a name too long', { name: 'x'.repeat(41) }, /^name must be .* at most 40/],
  ['no name', { models: [{ made: 'demo' }] }, /^models\[0\] lacks name: what the model is called/],
  [
    'a model of no kind',
    { models: [{ name: 'a' }] },
    /^models\[0\]: it must have one of model \(.*\), base \(.*\), made \(/,
  ],
  [
    'a model of two kinds',
    { models: [{ name: 'a', made: 'demo', base: 'b' }] },
    /^models\[0\]: it must have one of .*, not base and made/,
  ],
  [
    'what another kind has',
    { models: [{ name: 'a', base: 'b', retrained: 'c' }] },
    /^models\[0\] has no option retrained/,
  ],
  ['another demo', { models: [{ name: 'a', made: 'tofu' }] }, /^models\[0\].made must be 'demo', but is "tofu"/],
  ['a model that is a text', { models: ['demo'] }, /^models\[0\] must be an object, but is "demo"/],
  ['no path', { models: [{ name: 'a', model: '' }] }, /^models\[0\].model must be a path/],
  ['a path with NUL', { models: [{ name: 'a', model: 'a\0b' }] }, /^models\[0\].model must be a path/],
  [
    'training of no length',
    { models: [{ name: 'a', base: 'b', training: { epochs: 0 } }] },
    /^models\[0\].training.epochs must be a number above 0/,
  ],
  [
    'two of a name',
    { models: ['Demo', 'demo'].map((name) => ({ name, made: 'demo' })) },
    /^models\[1\]: demo is the name of models\[0\], too/,
  ],
  [
    'a method twice',
    { methods: ['npo', 'graddiff', { name: 'npo' }] },
    /^methods\[2\]: npo is the name of methods\[0\], too/,
  ],
  ['an optimizer twice', { optimizers: ['sgd', 'sgd'] }, /^optimizers\[1\]: sgd is the name of optimizers\[0\]/],
  [
    "the demo's model on files",
    { splits: [{ name: 'a', forget: 'f', retain: 'r' }] },
    /^splits\[0\]: the demo's model knows the demo's data alone.*models\[0\] is made/,
  ],
  [
    "files' model on the demo",
    { models: [{ name: 'a', model: 'm' }] },
    /^splits\[0\]: the demo's model .*models\[0\] is not/,
  ],
  ['a split without retain', split({ retain: undefined }), /^splits\[0\] lacks retain: examples to keep/],
  ['a filter that is none', split({ forgetFilter: 'author' }), /^splits\[0\].forgetFilter must be/],
  [
    'utility of a name that is taken',
    split({ utility: { forget: 'x' } }),
    /^splits\[0\].utility must be files by names/,
  ],
  [
    'a split of TOFU without folder',
    split({ tofuSplit: 'forget10' }),
    /^splits\[0\].tofuSplit: .*folder, too \(tofu\)/,
  ],
  ['TOFU without a split', split({ tofu: 'tofu' }), /^splits\[0\]: it lacks tofuSplit/],
  [
    'TOFU where there is none',
    { ...split({}), evaluation: { tofu: 5 } },
    /^evaluation.tofu: splits\[0\] names no folder/,
  ],
  [
    'an unknown method',
    { methods: ['grad-diff2'] },
    /^methods\[0\]: there is no method "grad-diff2"; did you mean graddiff\?/,
  ],
  [
    'an unknown method by name',
    { methods: [{ name: 'nop' }] },
    /^methods\[0\].name: there is no method "nop"; did you mean npo\?/,
  ],
  ['a method that is a number', { methods: [5] }, /^methods\[0\] must be an object, but is 5/],
  ['fine-tuning', { methods: ['finetune'] }, /^methods\[0\]: finetune would teach what is to be forgotten/],
  ['no setting', { methods: [{ name: 'npo', settings: { gamma: 1 } }] }, /^methods\[0\].settings.gamma: /],
  [
    "another method's setting",
    { methods: ['npo', { name: 'graddiff', settings: { beta: 1 } }] },
    /^methods\[1\].settings.beta: beta is of no effect on graddiff; it belongs to npo/,
  ],
  [
    'a setting out of range',
    { methods: [{ name: 'npo', settings: { beta: 0 } }] },
    /^methods\[0\].settings.beta must be a number above 0/,
  ],
  [
    'settings that are a list',
    { methods: [{ name: 'npo', settings: [] }] },
    /^methods\[0\].settings must be an object/,
  ],
  [
    'weight on nothing',
    { methods: [{ name: 'graddiff', settings: { retainCoefficient: 0, forgetCoefficient: 0 } }] },
    /^methods\[0\] with optimizers\[0\]: no term of the method graddiff has a weight/,
  ],
  ['alternatives', { methods: ['dpo'] }, /^methods\[0\] with optimizers\[0\]: dpo needs other answers/],
  ['no steps', { methods: ['graddiff', 'ssd'] }, /^methods\[1\] with optimizers\[0\]: ssd takes no steps/],
  [
    'an optimizer that cannot step it',
    { methods: ['deepzero'] },
    /^methods\[0\] with optimizers\[1\]: deepzero cannot be stepped by sophia; .* adamw or sign/,
  ],
  [
    'what cannot be inside',
    { methods: ['rmu'], optimizers: ['adamw', 'mezo'] },
    /^methods\[0\] with optimizers\[1\]: method must be one of .*\(rmu is not only a descent on terms\)/,
  ],
  [
    'what differences cannot be taken of',
    { methods: ['ceu'], optimizers: ['mezo'] },
    /^methods\[0\] with optimizers\[0\]: the forget term of ceu takes the model's own distribution/,
  ],
  [
    'an unknown optimizer',
    { optimizers: ['gnb10'] },
    /^optimizers\[0\]: there is no optimizer "gnb10"; did you mean gnb-10\?/,
  ],
  [
    'an optimizer of no kind',
    { optimizers: [{ name: 'a' }] },
    /^optimizers\[0\] lacks optimizer: the optimizer of runs/,
  ],
  [
    'an unknown optimizer of runs',
    { optimizers: [{ name: 'a', optimizer: 'lion' }] },
    /^optimizers\[0\].optimizer must be 'adamw' or/,
  ],
  ['a setting out of range', own({ settings: { rho: -1 } }), /^optimizers\[1\].settings.rho must be a number above 0/],
  [
    'an unknown setting',
    own({ settings: { roh: 1 } }),
    /^optimizers\[1\].settings has no option roh; did you mean rho\?/,
  ],
  [
    "another optimizer's setting",
    { optimizers: ['adamw', 'sign', { name: 'a', optimizer: 'adamw', settings: { rho: 1 } }] },
    /^optimizers\[2\].settings.rho: rho is a setting of sophia and soul-repo, not of adamw/,
  ],
  [
    'rho twice',
    own({ settings: { rho: 1, clippedFraction: 0.1 } }),
    /^optimizers\[1\]: give rho or clippedFraction, not both/,
  ],
  [
    'what the optimizer refuses',
    own({ settings: { momentumUpdates: 3 } }),
    /^optimizers\[1\].settings.momentumUpdates must be 1 or 2/,
  ],
  [
    'a learning rate',
    own({ settings: { learningRate: 1e-5 } }),
    /^optimizers\[1\].settings.learningRate: .* search.learningRate/,
  ],
  ['an unknown label', own({ curvature: { labels: 'true' } }), /^optimizers\[1\].curvature.labels must be 'sampled'/],
  ['data of nothing', own({ hessianData: 'all' }), /^optimizers\[1\].hessianData must be 'retain'/],
  [
    'estimates of AdamW',
    { optimizers: [{ name: 'a', optimizer: 'adamw', curvature: { every: 3 } }] },
    /^optimizers\[0\].curvature: estimates belong to the optimizer sophia, not to adamw/,
  ],
  [
    'a share that is searched and given',
    own({ searches: ['clippedFraction'], settings: { clippedFraction: 0.1 } }),
    /^optimizers\[1\].settings.clippedFraction: the clipped fraction is searched/,
  ],
  [
    'a share that is searched of AdamW',
    { optimizers: [{ name: 'a', optimizer: 'adamw', searches: ['clippedFraction'] }] },
    /^optimizers\[0\].settings: clippedFraction is a setting of sophia and soul-repo, not of adamw/,
  ],
  [
    'an unknown search',
    own({ searches: ['rho'] }),
    /^optimizers\[1\].searches must be some of clippedFraction, .* is "rho"$/,
  ],
  ['an algorithm with nothing inside', own({ inside: 'rmu' }), /^optimizers\[1\].inside must be 'wagle' or/],
  [
    'a known name of another',
    { optimizers: [{ name: 'adamw', optimizer: 'sgd' }] },
    /^optimizers\[0\].name: adamw is an optimizer that studies know, and another/,
  ],
  ['no trials', { trials: 0 }, /^trials must be an integer from 1 to 10000/],
  ['half a draw', { draws: 2.5 }, /^draws must be an integer/],
  ['more than can be listed', { trials: 10_000, draws: 10_000 }, /^trials: the study has 200000000 trials; lower/],
  ['a negative seed', { seed: -1 }, /^seed must be an integer from 0/],
  ['a range from 0', { search: { learningRate: [0, 1] } }, /^search.learningRate\[0\] must be a number above 0/],
  [
    'a range backwards',
    { search: { retainCoefficient: [2, 1] } },
    /^search.retainCoefficient must be .* the lower first/,
  ],
  [
    'a range of all weights',
    { search: { clippedFraction: [0.1, 1] } },
    /^search.clippedFraction\[1\] must be .* below 1/,
  ],
  ['a range of one number', { search: { learningRate: [1] } }, /^search.learningRate must be an array of two numbers/],
  ['an unknown range', { search: { momentum: [0.1, 0.9] } }, /^search has no option momentum/],
  ['two lengths', { training: { epochs: 2, steps: 3 } }, /^give steps or epochs, not both/],
  ['no batch', { training: { batchSize: 0 } }, /^training.batchSize must be an integer of at least 1/],
  ['one example of two halves', { evaluation: { forget: 1 } }, /^evaluation.forget must be an integer of at least 2/],
  ['an attack twice', { evaluation: { attacks: ['nf4', 'nf4'] } }, /^evaluation.attacks must be some of relearn, nf4/],
  ['another dtype', { dtype: 'f16' }, /^dtype must be 'f32' or 'bf16'/],
  [
    'a master of float32',
    own({ settings: { precision: { master: 'f32' } } }),
    /^optimizers\[1\].settings.precision.master must be 'none'/,
  ],
  ['no threads', { threads: 0 }, /^threads must be an integer from 1 to 4096/],
  ['nothing in place of a value', { threads: null }, /^threads must be an integer/],
])('%s is refused at its place', (_, changes, message) => {
  const file = JSON.parse(JSON.stringify({ ...smallFile, ...changes })) as StudyFile;
  let error: unknown;
  try {
    studyFrom(file, { folder: '/', name: 'x' });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(SoulError);
  expect((error as SoulError).message).toMatch(message);
});

test.each([null, 5, 'text', [], [smallFile]])('a file that holds %j is refused', (value) => {
  expect(() => studyFrom(value, { folder: '/', name: 'x' })).toThrow(/^the study must be an object with models/);
});

test('a file that is not there, or is broken, is told with its name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'study-'));
  try {
    const file = (name: string) => join(folder, name);
    await writeFile(file('broken.yaml'), 'models: [');
    await writeFile(file('broken.json'), '{"models":');
    await writeFile(file('wrong.yml'), 'models: 5\nsplits: 1\nmethods: 1\noptimizers: 1\n');
    await writeFile(file('named.with.points.json'), JSON.stringify(smallFile));
    await expect(readStudy(file('none.yaml'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
    await expect(readStudy(file('broken.yaml'))).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    await expect(readStudy(file('broken.json'))).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    await expect(readStudy(file('wrong.yml'))).rejects.toThrow(/wrong.yml: models must be a list/);
    await expect(readStudy(file('named.with.points.json'))).rejects.toThrow(/: name must be a name of letters/);
    for (const path of ['', 'a\0b', 5]) await expect(readStudy(path as string)).rejects.toThrow(/^file must be a path/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
