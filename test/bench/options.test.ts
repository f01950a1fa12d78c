import { describe, expect, test } from '@jest/globals';
import { InvalidArgumentError } from 'commander';
import { device, namesOf, shapes, sizes } from '../../bench/options.ts';

describe('sizes', () => {
  test('exponents and ranges of them, sorted, each once', () => {
    expect(sizes('16')).toEqual([65536]);
    expect(sizes('20,16, 18')).toEqual([2 ** 16, 2 ** 18, 2 ** 20]);
    expect(sizes('3-5,4,0')).toEqual([1, 8, 16, 32]);
    expect(sizes('34')).toEqual([2 ** 34]);
  });

  test.each(['', 'x', '16,', '-3', '5-3', '1.5', '35', '1-2-x', '1e3'])('%j is refused', (text) => {
    expect(() => sizes(text)).toThrow(InvalidArgumentError);
  });
});

describe('shapes', () => {
  test('rows x vocabulary', () => {
    expect(shapes('512x49152, 4x2')).toEqual([
      { rows: 512, vocabulary: 49152 },
      { rows: 4, vocabulary: 2 },
    ]);
  });

  test.each(['', '512', '0x4', '4x1', '4x', 'x4', '4x4x4', '-1x4', '1.5x4'])('%j is refused', (text) => {
    expect(() => shapes(text)).toThrow(InvalidArgumentError);
  });
});

test('names are checked against what is known', () => {
  const parse = namesOf(['f32', 'bf16']);
  expect(parse('bf16, f32')).toEqual(['bf16', 'f32']);
  expect(() => parse('f32,f64')).toThrow('Unknown: f64. Known are f32, bf16.');
});

describe('devices', () => {
  test('the CPU, and CUDA devices by number', () => {
    expect(['cpu', 'cuda', 'cuda:0', 'cuda:12'].map(device)).toEqual(['cpu', 'cuda:0', 'cuda:0', 'cuda:12']);
  });

  test.each(['', 'gpu', 'cuda:', 'cuda:-1', 'cuda:x', 'cpu:0'])('%j is refused', (text) => {
    expect(() => device(text)).toThrow(InvalidArgumentError);
  });
});
