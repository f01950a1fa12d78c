import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { progressOn } from '../../lib/cli/progress.ts';
import { fittingLine } from '../../lib/cli/progress-bar.ts';
import { duration, memory, table } from '../../lib/cli/terminal.ts';
import { watching } from '../../lib/cli/watching.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';

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
  afterEach(() => {
    jest.useRealTimers();
  });

  const recorded = (isTTY: boolean) => {
    const lines: string[] = [];
    const stream = { isTTY, columns: 100, write: (text: string) => lines.push(text) > 0 };
    return { lines, stream: stream as unknown as NodeJS.WriteStream };
  };
  const written = (isTTY: boolean) => {
    const { lines, stream } = recorded(isTTY);
    return { lines, progress: progressOn('training', { stream }) };
  };

  test('on a terminal is one line, drawn again', () => {
    const { lines, progress } = written(true);
    progress.update(1, 2, ['loss 1.0']);
    progress.update(2, 2, ['loss 0.5']);
    progress.end();
    expect(lines[0]).toContain(`training [${'='.repeat(12)}${' '.repeat(12)}] 1/2  loss 1.0 `);
    expect(lines[0]!.startsWith('\r')).toBe(true);
    expect(lines[1]).toMatch(/2\/2 {2}loss 0\.5/);
    expect(lines.at(-1)).toBe('\n');
  });

  test('with quiet is notes and warnings alone', () => {
    const { lines, stream } = recorded(true);
    const progress = progressOn('training', { quiet: true, stream });
    progress.log('device: cpu');
    progress.phase('reading the data');
    progress.note('an odd name');
    progress.update(1, 2);
    progress.warn('engine: warning: an old libtorch');
    progress.end();
    expect(lines).toEqual(['note: an odd name\n', 'engine: warning: an old libtorch\n']);
  });

  test('is never wider than the terminal: first the bar gives way, then the last figures, never the time', () => {
    const figures = ['forget 1.234', 'retain 0.567', 'clipped 12%', '153 tokens/s', '1.20 GiB'];
    const parts = { label: 'unlearning', done: 10, total: 40, figures, time: '1:23, 4:09 left' };
    const bar = `[${'='.repeat(6)}${' '.repeat(18)}]`;
    const all = `10/40  ${figures.join('  ')}  1:23, 4:09 left`;
    expect(fittingLine(parts, 200)).toBe(`unlearning ${bar} ${all}`);
    expect(fittingLine(parts, 120)).toBe(`unlearning [===${' '.repeat(9)}] ${all}`);
    expect(fittingLine(parts, 70)).toBe('unlearning 10/40  forget 1.234  retain 0.567  1:23, 4:09 left');
    for (let room = 1; room < 150; room++) expect(fittingLine(parts, room).length).toBeLessThanOrEqual(room);
    expect(fittingLine(parts, 34)).toBe('unlearning 10/40  1:23, 4:09 left');
  });

  test('for machines is a JSON object a line', () => {
    const { lines, stream } = recorded(true);
    const progress = progressOn('training', { progress: 'json', stream });
    progress.log('device: cpu');
    progress.phase('reading the data');
    progress.update(1, 2, ['loss 1.0']);
    progress.note('an odd name');
    progress.tell!({ kind: 'step', step: 1, seed: 2n ** 60n, rho: Number.NaN });
    progress.end();
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { kind: 'log', text: 'device: cpu' },
      { kind: 'phase', phase: 'reading the data' },
      { kind: 'progress', what: 'reading the data', done: 1, total: 2 },
      { kind: 'note', text: 'an odd name' },
      { kind: 'step', step: 1, seed: '1152921504606846976', rho: null },
    ]);
    for (const line of lines) expect(line.indexOf('\n')).toBe(line.length - 1);
  });

  test('has the form that is asked for, and lines on a terminal that cannot redraw one', () => {
    const shown = (isTTY: boolean, progress?: 'bar' | 'lines' | 'none') => {
      const { lines, stream } = recorded(isTTY);
      progressOn('training', { stream, ...(progress ? { progress } : {}) }).phase('loading');
      return lines.join('');
    };
    expect([shown(false, 'bar'), shown(true, 'lines'), shown(true, 'none')]).toEqual([
      '\r\x1b[Kloading  0:00',
      'loading\n',
      '',
    ]);
    const { TERM } = process.env;
    process.env.TERM = 'dumb';
    try {
      expect(shown(true)).toBe('loading\n');
    } finally {
      if (TERM === undefined) delete process.env.TERM;
      else process.env.TERM = TERM;
    }
  });

  test('elsewhere is a line now and then, and always the last', () => {
    const { lines, progress } = written(false);
    for (let step = 1; step <= 100; step++) progress.update(step, 100);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^training 1\/100 /);
    expect(lines[1]).toMatch(/^training 100\/100 /);
  });

  test('of a run names what is measured, walked or stepped', () => {
    const { lines, progress } = written(false);
    const see = watching(progress, { verb: 'relearning' });
    const step = { kind: 'step', step: 1, steps: 1, losses: { train: 1 }, statistics: {}, tokens: 8, seconds: 1 };
    see({ kind: 'stage', name: 'relearn' });
    see({ kind: 'progress', what: 'the forget set', done: 2, total: 2 });
    see({ kind: 'progress', what: 'the retain set', done: 3, total: 3 });
    see(step as unknown as StepEvent);
    see({ kind: 'progress', what: 'the forget set', done: 2, total: 2 });
    expect(lines.map((line) => line.replace(/ {2}.*\n|\n/, ''))).toEqual([
      ...['relearn', 'the forget set 2/2', 'the retain set 3/3'],
      ...['relearning', 'relearning 1/1', 'the forget set 2/2'],
    ]);
  });

  test('of what is measured between steps is a line, and the steps go on behind it', () => {
    jest.useFakeTimers();
    const measuring = (done: number) => ({ kind: 'progress', what: 'measuring on the way', done, total: 3 }) as const;
    const step = { kind: 'step', steps: 4, losses: {}, statistics: {}, tokens: 8, seconds: 1 };
    const found = { examples: 2, seconds: 1.5, probability: 0.25, rougeLRecall: 0.5 };
    const shown = (isTTY: boolean) => {
      const { lines, progress } = written(isTTY);
      const see = watching(progress, { verb: 'unlearning', target: 'forget' });
      for (let count = 1; count <= 2; count++) {
        see({ ...step, step: count } as unknown as StepEvent);
        jest.advanceTimersByTime(11_000);
        for (const done of [1, 2, 3]) {
          see(measuring(done));
          jest.advanceTimersByTime(11_000);
        }
        const sets = { target: found, others: { ...found, probability: 0 } };
        see({ kind: 'evaluation', step: count, moment: 'during', seconds: 3, sets });
      }
      return lines.map((line) => line.trim());
    };
    const lines = shown(false);
    expect(lines.filter((line) => line === 'unlearning')).toHaveLength(1);
    const others = 'others probability 0.0000, rougeLRecall 0.5000';
    expect(lines).toContain(`after 1 step: forget probability 0.2500, rougeLRecall 0.5000; ${others}  (3.0 s)`);
    expect(lines.filter((line) => line.startsWith('measuring on the way 2/3  0:11, 0:11 left'))).toHaveLength(2);
    // Of the time that is left, measuring is a part.
    expect(lines).toContainEqual(expect.stringMatching(/^unlearning 2\/4 .* 0:44, 1:28 left$/));
    expect(shown(true)).toContainEqual(expect.stringMatching(/measuring on the way \[=+ +\] 2\/3/));
  });

  describe('of a phase without figures', () => {
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
