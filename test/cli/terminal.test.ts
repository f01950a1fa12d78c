import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { progressOn } from '../../lib/cli/progress.ts';
import { duration, memory, table } from '../../lib/cli/terminal.ts';

test('a table aligns words to the left and figures to the right', () => {
  expect(
    table(
      ['name', 'value'],
      [
        ['a', '1.5'],
        ['longer', '10.25'],
      ],
    ),
  ).toBe(['name    value', '------  -----', 'a         1.5', 'longer  10.25'].join('\n'));
});

test.each([
  [0, '0:00'],
  [59.6, '1:00'],
  [83, '1:23'],
  [3723, '1:02:03'],
])('%p seconds are %p', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test.each([
  [2 ** 20, '1 MiB'],
  [1.5 * 2 ** 30, '1.50 GiB'],
])('%p bytes are %p', (bytes, text) => {
  expect(memory(bytes)).toBe(text);
});

describe('progress', () => {
  const written = (isTTY: boolean) => {
    const lines: string[] = [];
    const stream = {
      isTTY,
      columns: 100,
      write: (text: string) => lines.push(text) > 0,
    } as unknown as NodeJS.WriteStream;
    return { lines, progress: progressOn('training', { stream }) };
  };

  test('on a terminal is one line, drawn again', () => {
    const { lines, progress } = written(true);
    progress.update(1, 2, 'loss 1.0');
    progress.update(2, 2, 'loss 0.5');
    progress.end();
    expect(lines[0]).toContain(`training [${'='.repeat(12)}${' '.repeat(12)}] 1/2  loss 1.0 `);
    expect(lines[0]!.startsWith('\r')).toBe(true);
    expect(lines[1]).toMatch(/2\/2 {2}loss 0\.5/);
    expect(lines.at(-1)).toBe('\n');
  });

  test('with quiet is notes and warnings alone', () => {
    const lines: string[] = [];
    const stream = { isTTY: true, columns: 100, write: (text: string) => lines.push(text) > 0 };
    const progress = progressOn('training', { quiet: true, stream: stream as unknown as NodeJS.WriteStream });
    progress.log('device: cpu');
    progress.phase('reading the data');
    progress.note('an odd name');
    progress.update(1, 2);
    progress.warn('engine: warning: an old libtorch');
    progress.end();
    expect(lines).toEqual(['note: an odd name\n', 'engine: warning: an old libtorch\n']);
  });

  test('elsewhere is a line now and then, and always the last', () => {
    const { lines, progress } = written(false);
    for (let step = 1; step <= 100; step++) progress.update(step, 100);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^training 1\/100 /);
    expect(lines[1]).toMatch(/^training 100\/100 /);
  });

  describe('of a phase without figures', () => {
    afterEach(() => {
      jest.useRealTimers();
    });

    test('on a terminal shows how long it takes, and stays only if that is long', () => {
      jest.useFakeTimers();
      const { lines, progress } = written(true);
      progress.phase('hashing the model');
      jest.advanceTimersByTime(500);
      progress.phase('loading the model');
      expect(lines).toEqual(['\r\x1b[Khashing the model  0:00', '\r\x1b[K', '\r\x1b[Kloading the model  0:00']);
      jest.advanceTimersByTime(2000);
      expect(lines.at(-1)).toBe('\r\x1b[Kloading the model  0:02');
      progress.note('one line');
      expect(lines.slice(-3)).toEqual(['\r\x1b[K', 'note: one line\n', '\r\x1b[Kloading the model  0:02']);
      progress.phase('measuring before');
      progress.update(1, 4);
      expect(lines.slice(-3)[0]).toBe('\n');
      expect(lines.at(-1)).toMatch(/measuring before \[={6} {18}\] 1\/4/);
      const drawn = lines.length;
      jest.advanceTimersByTime(5000);
      expect(lines).toHaveLength(drawn);
      progress.end();
      progress.update(1, 2);
      expect(lines.at(-1)).toMatch(/training \[/);
    });

    test('elsewhere is one line, and its figures follow', () => {
      const { lines, progress } = written(false);
      progress.phase('reading data');
      progress.phase('measuring before');
      progress.update(1, 2);
      progress.update(2, 2);
      expect(lines.slice(0, 2)).toEqual(['reading data\n', 'measuring before\n']);
      expect(lines.slice(2)).toEqual([expect.stringMatching(/^measuring before 2\/2 /)]);
    });
  });
});
