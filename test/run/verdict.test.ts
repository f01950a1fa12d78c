import { describe, expect, test } from '@jest/globals';
import { chooseAlgorithm, methodOfRun } from '../../lib/run/run-defaults.ts';
import { type Verdict, type VerdictInput, verdictOf } from '../../lib/run/verdict.ts';
import { type AlgorithmName, algorithm, algorithms } from '../../lib/unlearn/registry.ts';

type Pair = [before: number, after: number];

function judge(
  forget: Pair | undefined,
  retain: Pair | undefined,
  more: Partial<VerdictInput> & { name?: AlgorithmName } = {},
): Verdict {
  const { name = 'graddiff', ...given } = more;
  const change = ([before, after]: Pair) => ({ examples: 40, before, after });
  return verdictOf({
    ...(forget ? { forget: change(forget) } : {}),
    ...(retain ? { retain: change(retain) } : {}),
    chosen: chooseAlgorithm(name),
    learningRate: 1e-5,
    epochs: 5,
    ...given,
  });
}

describe('a verdict', () => {
  test.each<[string, Pair | undefined, Pair | undefined, Verdict['forgotten'], Verdict['kept']]>([
    ['a run that did next to nothing', [0.9277, 0.9247], [0.93, 0.931], 'hardly', 'yes'],
    ['a model that is destroyed', [0.99, 0], [0.99, 0], 'yes', 'destroyed'],
    ['a model that knew nothing, where probability rose', [0.012, 0.034], [0.9, 0.91], 'never-known', 'yes'],
    ['a model that knew, where probability rose', [0.9, 0.93], [0.9, 0.9], 'no', 'yes'],
    ['no retain set', [0.99, 0.1], undefined, 'yes', 'not-measured'],
    ['nothing measured', undefined, undefined, 'not-measured', 'not-measured'],
    ["TOFU's published pair, trained with and without the forget set", [0.991, 0.148], [0.9895, 0.9889], 'yes', 'yes'],
    ['a set that is half way', [0.991, 0.6], [0.991, 0.97], 'partly', 'yes'],
    ['a set that was half known', [0.3, 0.16], [0.991, 0.97], 'yes', 'yes'],
    ['a retain set that suffered', [0.991, 0.1], [0.991, 0.8], 'yes', 'damaged'],
    ['a retain set that was learned meanwhile', [0.991, 0.1], [0.4, 0.8], 'yes', 'yes'],
    ['a model that was broken before', [0, 0], [0, 0], 'never-known', 'not-measured'],
  ])('on %s', (_, forget, retain, forgotten, kept) => {
    expect(judge(forget, retain)).toMatchObject({ forgotten, kept });
  });

  test('says in a sentence against what it began with', () => {
    expect(judge([0.991, 0.114], [0.99, 0.964])).toEqual({
      forgotten: 'yes',
      kept: 'yes',
      sentence:
        'The forget set is forgotten (probability 0.9910 -> 0.1140, 40 examples), ' +
        'and the retain set is kept (probability 0.9900 -> 0.9640, 40 examples).',
    });
    expect(judge([0.9277, 0.9247], [0.93, 0.931]).sentence).toBe(
      'The forget set is hardly forgotten (probability 0.9277 -> 0.9247, 40 examples), ' +
        'but the retain set is kept (probability 0.9300 -> 0.9310, 40 examples).',
    );
    expect(judge([0.012, 0.034], [0.9, 0.9], { name: 'po' }).sentence).toMatch(
      /^The model did not know the forget set to begin with .*0\.0120 -> 0\.0340.*nothing to forget, and the retain set is kept/,
    );
    expect(judge([0.99, 0], [0.99, 0], { name: 'ascent' }).sentence).toMatch(/the model is destroyed\.$/);
    expect(judge(undefined, undefined).sentence).toMatch(/^Nothing was measured/);
  });
});

describe('advice', () => {
  test('where too little was forgotten: larger steps, by as much as is missing, or more of them', () => {
    expect(judge([0.9277, 0.9247], [0.93, 0.931]).advice).toBe(
      'Raise the learning rate (--learning-rate 0.00005), or take more epochs (--epochs 10).',
    );
    expect(judge([0.991, 0.9], [0.93, 0.931]).advice).toMatch(/--learning-rate 0.000025/);
    expect(judge([0.991, 0.5], [0.93, 0.931], { epochs: 0.3 }).advice).toMatch(
      /--learning-rate 0.000015.*--epochs 1\)/,
    );
  });

  test('where the model suffered: smaller steps, more weight for what is kept, an objective with a bound', () => {
    const destroyed = judge([0.99, 0], [0.99, 0], { learningRate: 1e-3 }).advice;
    expect(destroyed).toMatch(
      /--learning-rate 0.00033.*Raise retainCoefficient, factor .* \(--retain-weight 10\).*--method npo/,
    );
    expect(judge([0.99, 0], [0.99, 0], { name: 'ascent' }).advice).toMatch(/Keep a retain set/);
    const npo = judge([0.99, 0.1], [0.99, 0.8], { chosen: chooseAlgorithm('npo', { retainCoefficient: 4 }) }).advice;
    expect(npo).toMatch(/--retain-weight 8\)/);
    expect(npo).not.toMatch(/bound/);
    // Whose retain term has no coefficient to raise.
    const balanced = judge([0.99, 0.1], [0.99, 0.8], { name: 'ngdiff' }).advice;
    expect(balanced).toMatch(/Change it less/);
    expect(balanced).not.toMatch(/--set|--retain-weight/);
    // Nothing was forgotten, and yet the retain set suffered: larger steps would not help.
    expect(judge([0.99, 0.97], [0.99, 0.6]).advice).not.toMatch(/Raise the learning rate/);
  });

  test('of a run that was given in steps tells of steps', () => {
    const given = { epochs: undefined as never, steps: 7 };
    expect(judge([0.9277, 0.9247], [0.93, 0.931], given).advice).toBe(
      'Raise the learning rate (--learning-rate 0.00005), or take more steps (--steps 14).',
    );
  });

  test('of a run that ended early speaks of its end', () => {
    expect(judge([0.99, 0.48], [0.99, 0.98], { endedBy: 'until' }).advice).toBe(
      'The run ended where its target was met: for more, set another (--until).',
    );
    expect(judge([0.99, 0.9], [0.99, 0.98], { endedBy: 'stopped' }).advice).toBe(
      'The run ended before its last step: let it take them all.',
    );
    expect(judge([0.99, 0.48], [0.99, 0.8], { endedBy: 'until' }).advice).toMatch(/Lower the learning rate/);
  });

  test.each(algorithms.map(({ name }) => name as AlgorithmName))('of %s names settings that it has', (name) => {
    const damaged = judge([0.99, 0.1], [0.99, 0.8], { name }).advice!;
    const hardly = judge([0.99, 0.95], [0.99, 0.98], { name }).advice!;
    const { settings } = chooseAlgorithm(name);
    for (const advice of [damaged, hardly]) {
      expect(advice).not.toMatch(/--(forget-weight|beta)/);
      const all = /(Raise|Lower) (?:(\S+), .*?\(--set \2=|(retainCoefficient), .*?\(--retain-weight )(\S+)\)/g;
      for (const [, way, other, weight, value] of advice.matchAll(all)) {
        const setting = other ?? weight;
        const [outer, own] = setting!.split('.');
        const given = own === undefined ? { [outer!]: Number(value) } : { [outer!]: { [own]: Number(value) } };
        expect(() => chooseAlgorithm(name, given)).not.toThrow();
        const before = own === undefined ? settings[outer!] : chooseAlgorithm('npo').settings[own];
        expect(Math.sign(Number(value) - Number(before))).toBe(way === 'Raise' ? 1 : -1);
      }
    }
    const definition = algorithm(name);
    const own = Object.keys(definition.advice?.keepMore ?? {})[0];
    if (own !== undefined)
      expect(damaged).toContain(own === 'retainCoefficient' ? '--retain-weight ' : `--set ${own}=`);
  });

  test('of a method inside names its settings, where the algorithm says nothing of its own', () => {
    const sam = { chosen: chooseAlgorithm('sam', { method: { name: 'graddiff', retainCoefficient: 3 } }) };
    expect(judge([0.99, 0.1], [0.99, 0.8], sam).advice).toMatch(
      /Raise method\.retainCoefficient, factor .*\(--set method\.retainCoefficient=6\)/,
    );
    expect(judge([0.99, 0.1], [0.99, 0.8], sam).advice).toMatch(/has no bound/);
    // An own method, which is terms alone, has no settings.
    const own = { ...methodOfRun('npo'), name: 'mine' };
    expect(judge([0.99, 0.1], [0.99, 0.8], { chosen: chooseAlgorithm(own) }).advice).not.toMatch(/--set/);
  });

  test('goes no further than a setting can', () => {
    const full = { chosen: chooseAlgorithm('spunge', { lambda: 1, density: 1 }) };
    expect(judge([0.99, 0.95], [0.99, 0.98], full).advice).toMatch(/--set lambda=2\)/);
    const all = { chosen: chooseAlgorithm('wagle', { ratio: 0.95 }) };
    expect(judge([0.99, 0.95], [0.99, 0.98], all).advice).not.toMatch(/--set ratio/);
  });

  test('where figures do not tell', () => {
    expect(judge([0.012, 0.034], [0.9, 0.9]).advice).toMatch(/trained on these very examples.*--template/);
    expect(judge([0.99, 0.1], undefined).advice).toMatch(/--retain\)/);
    const blind = judge([0.99, 0], undefined, { name: 'ascent', learningRate: 3e-3 }).advice;
    expect(blind).toMatch(/far less likely.*--learning-rate 0.001\).*--retain\)/);
    expect(judge(undefined, undefined).advice).toMatch(/--evaluate/);
    expect(judge([0.99, 0.6], [0.99, 0.97], { name: 'po' }).advice).toMatch(
      /^The method teaches refusals.*\(`soul eval`\)\.$/,
    );
    expect(judge([0.99, 0.98], [0.99, 0.97], { name: 'po' }).advice).toMatch(
      /teaches refusals.*Raise the learning rate/,
    );
  });

  test('of what took no steps tells of no learning rate and no epochs', () => {
    for (const pair of [
      [
        [0.99, 0],
        [0.99, 0.7],
      ],
      [
        [0.99, 0.9],
        [0.99, 0.99],
      ],
      [[0.99, 0], undefined],
    ] as [Pair, Pair | undefined][]) {
      const change = (of: Pair | undefined) => of && { examples: 40, before: of[0], after: of[1] };
      const { advice } = verdictOf({ forget: change(pair[0]), retain: change(pair[1]) });
      expect(advice).toMatch(pair[1] ? /`soul methods` shows its settings/ : /--retain/);
      expect(advice).not.toMatch(/--learning-rate|--epochs/);
    }
  });
});
