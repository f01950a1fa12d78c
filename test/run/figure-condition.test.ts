import { expect, test } from '@jest/globals';
import { SoulError } from '../../lib/index.ts';
import { figureOf, meetsCondition, missedBy, parseFigureConditions } from '../../lib/run/figure-condition.ts';

const evaluation = {
  target: { examples: 3, before: 0.9, after: 0.2 },
  retain: { examples: 3, before: 0.8, after: 0.7 },
};
const met = (text: string) =>
  parseFigureConditions('require', text).map((condition) => meetsCondition(condition, figureOf(condition, evaluation)));

test.each<[string, boolean[]]>([
  ['forget.probability<0.2', [false]],
  ['forget.probability <= 0.2', [true]],
  ['forget.probability.after>=2e-1', [true]],
  ['train.probability.before>.9', [false]],
  [' retain.probability > 0.6 AND retain.probability.before < 0.81 ', [true, true]],
])('%s', (text, expected) => expect(met(text)).toEqual(expected));

test('what was not measured meets nothing, and is missed by no number', () => {
  const [condition] = parseFigureConditions('require', 'retain.probability>0');
  expect(meetsCondition(condition!, figureOf(condition!, { target: evaluation.target }))).toBe(false);
  expect(missedBy(condition!, undefined)).toBeNaN();
  expect(missedBy(condition!, -0.5)).toBe(0.5);
  expect(missedBy(condition!, 0.1)).toBe(0);
});

test.each([
  'probability<0.2',
  'forget.rouge<0.2',
  'others.probability<0.2',
  'forget.probability.between<0.2',
  'forget.probability<',
  'forget.probability<x',
  'forget.probability<Infinity',
  'forget.probability=0.2',
  'forget.probability<0.2,retain.probability>0.8',
  '',
  3,
])('is refused: %p', (text) => {
  const parse = () => parseFigureConditions('require', text);
  expect(parse).toThrow(SoulError);
  expect(parse).toThrow(/require must be conditions as 'forget\.probability<0\.2'/);
});

test('a run that goes on has figures of now alone', () => {
  expect(() => parseFigureConditions('until', 'forget.probability.before<0.2', ['after'])).toThrow(/until must be/);
  expect(parseFigureConditions('until', 'forget.probability<0.2', ['after'])).toMatchObject([{ moment: 'after' }]);
});
