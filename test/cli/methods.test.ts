import { expect, test } from '@jest/globals';
import { listing } from '../../lib/cli/terminal.ts';
import { algorithms } from '../../lib/unlearn/index.ts';
import { captured } from './captured.ts';

test('all are listed, each with what it does', async () => {
  const { code, out } = await captured('methods');
  expect(code).toBe(0);
  for (const { name, summary } of algorithms) {
    expect(out).toMatch(new RegExp(`^${name} +${summary.split(' ').slice(0, 2).join(' ')}`, 'm'));
  }
  const { methods } = JSON.parse((await captured('methods', '--json')).out);
  expect(methods.map(({ name }: { name: string }) => name)).toEqual(algorithms.map(({ name }) => name));
});

test('of one there is everything that a choice needs', async () => {
  const { code, out } = await captured('methods', 'npo');
  const text = out.replaceAll(/\s+/g, ' ');
  expect(code).toBe(0);
  for (const part of [
    'npo negative preference optimization',
    'paper Zhang et al. 2024, arXiv 2404.05868',
    'formula L = -forgetCoefficient * (2 / beta) *',
    "departs SOUL's code takes",
    'needs examples to keep (--retain), unless retainCoefficient=0; with retainLoss=kl: a copy of the starting model',
    'retainCoefficient=5 factor of the loss on what to keep (a number of at least 0)',
    'reduction=sum ',
    '(sum or mean)',
    'Learning rates for 7 billion weights: adamw 6e-6, sophia 7e-6, soul-repo 3.5e-6, sign 3.5e-6, sgd 5e-2',
  ]) {
    expect(text).toContain(part);
  }
  const json = JSON.parse((await captured('methods', 'npo', '--json')).out);
  expect(json).toMatchObject({ name: 'npo', needs: [{ what: 'retain' }, {}], learningRates: { adamw: 6e-6 } });
  expect((await captured('methods', 'finetune')).out).toContain('It has no settings.');
  expect((await captured('methods', 'ssd')).out).toContain('It takes no steps');
});

test('an unknown name is refused with the nearest', async () => {
  expect(await captured('methods', 'grad-diff')).toMatchObject({
    code: 2,
    err: 'soul: there is no method "grad-diff"; did you mean graddiff?\n',
  });
});

test('long texts go on below themselves', () => {
  const rows = [
    ['a', '12345678901234567890 1234567890 12345'],
    ['long', 'b'],
  ];
  expect(listing(rows, 20).split('\n')).toEqual(['a     12345678901234567890', '      1234567890 12345', 'long  b']);
});
