import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { main } from '../../lib/cli/main.ts';

let out: string;
let err: string;

beforeEach(() => {
  out = '';
  err = '';
  const keep = (add: (text: string) => void) => (text: unknown) => {
    add(String(text));
    return true;
  };
  jest.spyOn(process.stdout, 'write').mockImplementation(keep((text) => (out += text)));
  jest.spyOn(process.stderr, 'write').mockImplementation(keep((text) => (err += text)));
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** Nothing of it is there: what gets as far as the engine or the files says so. */
const unlearn = ['unlearn', '--model', 'nowhere', '--forget', 'nowhere.jsonl', '--out', 'nowhere'];
const evaluate = ['eval', '--model', 'nowhere', '--data', 'nowhere.jsonl'];

describe('a value out of range is refused with its bound', () => {
  const above0 = /Expected a number above 0/;
  const least0 = /Expected a number of at least 0/;
  const least1 = /Expected an integer of at least 1/;
  const path = /Expected a path/;
  test('a file that is given twice is refused: the first would be left out', async () => {
    expect(await main([...unlearn, '--refusals', 'a.txt', '--refusals', 'b.txt'])).toBe(2);
    expect(err).toMatch(/Given twice, as .* too; put several files into one/);
  });

  test.each<[string, string, RegExp]>([
    ['--learning-rate', '-1', least0],
    ['--learning-rate', 'NaN', least0],
    ['--learning-rate', '1e300', /at least 0 and at most 3\.4e\+38/],
    ['--weight-decay', '-0.1', least0],
    ['--betas', '0.9,1', /two numbers of at least 0 and below 1/],
    ['--betas', '0.9', /two numbers/],
    ['--epsilon', '-1e-8', least0],
    ['--epsilon', '0', /epsilon must be a number of at least 1e-38/],
    ['--clip-norm', '0', above0],
    ['--rho', '0', above0],
    ['--clipped-fraction', '1', /above 0 and below 1/],
    ['--hessian-every', '0', least1],
    ['--hessian-chunks', '1e9', /an integer from 1 to 268435456/],
    ['--hessian-chunk-size', '0', least1],
    ['--epochs', '0', above0],
    ['--epochs', 'Infinity', above0],
    ['--steps', '1.5', least1],
    ['--batch-size', '-8', least1],
    ['--micro-batch-size', '0', least1],
    ['--warmup', '2', /at least 0 and at most 1/],
    ['--seed', '18446744073709551616', /from 0 to 18446744073709551615/],
    ['--template', 'no placeholder', /\{question\} once/],
    ['--template', '{answer} {question}', /\{answer\} after \{question\}/],
    ['--max-length', '1', /an integer of at least 2/],
    ['--evaluate', '-1', /an integer of at least 0/],
    ['--threads', '0', /an integer from 1 to 4096/],
    ['--threads', '5000', /an integer from 1 to 4096/],
    ['--forget-weight', '-1', least0],
    ['--retain-weight', '1e39', least0],
    ['--beta', '0', above0],
    ['--retain', '', path],
    ['--out', '--overwrite', path],
    ['--device', 'gpu', /Expected auto, cpu, cuda/],
  ])('%s %p', async (option, value, message) => {
    expect(await main([...unlearn, option, value])).toBe(2);
    expect(err).toMatch(message);
  });

  test.each<[string, string, RegExp]>([
    ['--limit', '0', least1],
    ['--max-new-tokens', '2147483648', /an integer from 1 to 2147483647/],
    ['--batch-size', '0', least1],
    ['--items', '', path],
  ])('eval %s %p', async (option, value, message) => {
    expect(await main([...evaluate, option, value])).toBe(2);
    expect(err).toMatch(message);
  });
});

test.each([
  [['--objective', 'ascent', '--forget-weight', '0'], /no term of the method ascent has a weight/],
  [['--forget-weight', '0', '--retain-weight', '0'], /no term of the method npo has a weight/],
])('%p is refused, for it would change nothing', async (words, message) => {
  expect(await main([...unlearn, ...words])).toBe(2);
  expect(err).toMatch(message);
});

test('a value at its bound is taken', async () => {
  const words = ['--learning-rate', '0', '--warmup', '1', '--epsilon', '1e-38', '--max-length', '2', '--evaluate', '0'];
  await main([...unlearn, ...words, '--retain', 'nowhere.jsonl', '--device', 'cpu', '--json']);
  expect(JSON.parse(out).error.code).toMatch(/^SOUL_(NOT_FOUND|ENGINE_MISSING)$/);
});

test.each<[string[], RegExp]>([
  [['unlern', '--model', 'x'], /unknown command 'unlern'\n\(Did you mean unlearn\?\)/],
  [['engine', 'instal'], /Did you mean install\?/],
  [['train', '--lerning-rate', '1'], /unknown option '--lerning-rate'\n\(Did you mean --learning-rate\?\)/],
  [['eval', '--jsn'], /Did you mean --json\?/],
  [['unlearn', '--objective', 'npoo'], /Allowed choices are ascent, .*npo.*\. \(Did you mean npo\?\)/],
  [['train', '--schedule', 'Cosinus'], /Did you mean cosine\?/],
  [['train', '--dtype', 'int4'], /Allowed choices are f32, bf16\.\n/],
])('%p is answered with what was meant, whatever else is missing', async (words, message) => {
  expect(await main(words)).toBe(2);
  expect(err).toMatch(message);
});

test('all that is missing is named at once', async () => {
  expect(await main(['unlearn', '--out', 'x', '--json'])).toBe(2);
  const message = "required options '--model <folder>', '--forget <files...>' are missing";
  expect(err).toContain(message);
  expect(JSON.parse(out)).toEqual({ error: { code: 'SOUL_INVALID_ARGUMENT', message, details: {} } });
});
