import { describe, expect, test } from '@jest/globals';
import { defaultLookEvery, meets, setsOf, untilConditions } from '../../lib/run/until.ts';

const figures = (forget: number, retain: number) => ({
  target: { examples: 1, probability: forget },
  retain: { examples: 1, probability: retain },
});

describe('conditions', () => {
  test('are read from a text', () => {
    const conditions = untilConditions('until', ' forget.probability<0.2 AND retain.probability >= 8e-1');
    expect(conditions).toMatchObject([
      { set: 'target', figure: 'probability', comparison: '<', bound: 0.2 },
      { set: 'retain', figure: 'probability', comparison: '>=', bound: 0.8 },
    ]);
    expect(setsOf(conditions)).toEqual(['target', 'retain']);
    expect(setsOf(untilConditions('until', 'train.probability>0.9'))).toEqual(['target']);
  });

  test.each([
    '',
    'forget<0.2',
    'forget.probability=0.2',
    'forget.rouge<1',
    'all.probability<1',
    'forget.probability<',
    1,
  ])('are refused: %j', (text) => {
    expect(() => untilConditions('until', text)).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', message: expect.stringMatching(/^until must be/) }),
    );
  });

  test('hold together, and miss by what each is missed by', () => {
    const conditions = untilConditions('until', 'forget.probability<0.25 and retain.probability>=0.75');
    expect(meets(conditions, figures(0.125, 0.75))).toEqual({ holds: true, lacking: 0 });
    expect(meets(conditions, figures(0.25, 1))).toEqual({ holds: false, lacking: 0 });
    expect(meets(conditions, figures(0.5, 0.5))).toEqual({ holds: false, lacking: 0.5 });
    expect(meets(conditions, figures(Number.NaN, 1)).holds).toBe(false);
    expect(meets(conditions, {})).toEqual({ holds: false, lacking: Number.NaN });
  });

  test('are looked at twice an epoch, or less often where that is much beside the steps', () => {
    expect(defaultLookEvery(400, 8, 100)).toBe(25);
    expect(defaultLookEvery(40, 8, 140)).toBe(9);
    expect(defaultLookEvery(1, 8, 1)).toBe(1);
  });
});
