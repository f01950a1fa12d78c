import { describe, expect, test } from '@jest/globals';
import { parseSettings } from '../../lib/cli/method-settings.ts';
import { algorithm } from '../../lib/unlearn/index.ts';

const parse = (name: string, texts: string[], file?: object) =>
  parseSettings(algorithm(name), texts, {}, file as Record<string, unknown>);

describe('settings of a method inside another', () => {
  test.each<[string, string[], object]>([
    ['sam', ['method.beta=0.2'], { method: { beta: 0.2 } }],
    ['sam', ['method=graddiff', 'rho=0.1'], { method: 'graddiff', rho: 0.1 }],
    // In any order.
    ['sam', ['method.margin=1', 'method=simnpo'], { method: { name: 'simnpo', margin: 1 } }],
    ['spunge', ['method=task-arithmetic', 'method.scale=2'], { method: { name: 'task-arithmetic', scale: 2 } }],
    ['prune', ['method.beta=0.2', 'method.reduction=mean'], { method: { beta: 0.2, reduction: 'mean' } }],
  ])('%s %j', (name, texts, expected) => {
    expect(parse(name, texts)).toEqual(expected);
  });

  test('are of the method that a file names, unless another is given', () => {
    const file = { method: { name: 'simnpo', margin: 1 } };
    expect(parse('sam', ['method.margin=2'], file)).toEqual({ method: { margin: 2 } });
    expect(() => parse('sam', ['method=graddiff', 'method.margin=2'], file)).toThrow('graddiff has no setting margin');
  });

  test.each<[string, string[], string]>([
    ['sam', ['method.bta=0.2'], 'npo has no setting bta; did you mean method.beta?'],
    ['sam', ['methd.beta=0.2'], 'sam has no setting methd.beta'],
    ['sam', ['method.beta=much'], 'method.beta must be a number above 0 and finite, but is "much"'],
    ['sam', ['method.beta=0'], 'method.beta must be a number above 0'],
    ['sam', ['method.beta=1', 'method.beta=2'], 'method.beta is given twice'],
    ['sam', ['method.=2'], 'sam has no setting method.'],
    ['npo', ['method.beta=2'], 'npo has no setting method.beta'],
    ['spunge', ['method=nop'], 'method must be one of'],
  ])('%s %j is refused', (name, texts, message) => {
    expect(() => parse(name, texts)).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', message: expect.stringContaining(message) }),
    );
  });
});
