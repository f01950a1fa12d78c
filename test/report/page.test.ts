import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseHTML } from 'linkedom';
import { writeReport } from '../../lib/report/index.ts';
import { trialId } from '../../lib/study/trial/record.ts';
import { captured } from '../cli/captured.ts';
import { writeRun } from './made-run.ts';
import { madeStudy, madeTrials, writeStudy } from './made-study.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-report-'));
});
afterAll(() => rm(folder, { recursive: true }));

const path = (name: string) => join(folder, name);
const read = (file: string) => readFile(file, 'utf8');

interface Found {
  readonly tagName: string;
  readonly id: string;
  readonly textContent: string;
  getAttribute(name: string): string | null;
}

let parsed: { text: string; document: ReturnType<typeof parseHTML>['document'] } | undefined;

/** Of a page that is parsed once, however much is asked of it. */
function elements(text: string, selector: string): Found[] {
  if (parsed?.text !== text) parsed = { text, document: parseHTML(text).document };
  return [...parsed.document.querySelectorAll(selector)] as unknown as Found[];
}

/** What holds of any page. */
function expectSound(text: string): void {
  const ids = elements(text, '[id]').map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const link of elements(text, 'a[href^="#"]')) expect(ids).toContain(link.getAttribute('href')!.slice(1));
  for (const attribute of ['aria-labelledby', 'aria-describedby']) {
    for (const each of elements(text, `[${attribute}]`)) expect(ids).toContain(each.getAttribute(attribute));
  }
  // Nothing is loaded, from nowhere.
  for (const each of elements(text, '[src], link, iframe, object, embed, form, base')) {
    expect([each.tagName, each.getAttribute('href')]).toEqual(['LINK', 'data:,']);
  }
  for (const each of elements(text, 'a')) expect(each.getAttribute('href')).toMatch(/^(#|data:text\/csv;)/);
  expect(text).not.toMatch(/@import|url\((?!#plot-part)/);
  // The policy allows what is there and nothing else.
  const policy = elements(text, 'meta[http-equiv="Content-Security-Policy"]')[0]!.getAttribute('content')!;
  const hash = (content: string) => `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
  const between = (tag: string) =>
    [...text.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))].map(([, content]) => content!);
  expect(between('script')).toHaveLength(1);
  expect(between('style')).toHaveLength(1);
  expect(policy).toContain(`script-src ${hash(between('script')[0]!)};`);
  expect(policy).toContain(`style-src ${hash(between('style')[0]!)};`);
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  expect(elements(text, '[style]')).toEqual([]);
  // Headings go down one at a time.
  const levels = elements(text, 'h1, h2, h3, h4').map(({ tagName }) => Number(tagName[1]));
  expect(levels[0]).toBe(1);
  for (const [i, level] of levels.entries()) if (i > 0) expect(level - levels[i - 1]!).toBeLessThanOrEqual(1);
  expect(elements(text, 'h1')).toHaveLength(1);
  expect(elements(text, 'main, nav[aria-label], header, footer')).toHaveLength(4);
  for (const each of elements(text, 'figure')) expect(each.getAttribute('aria-labelledby')).toBe(`${each.id}-title`);
  for (const each of elements(text, 'svg:not([aria-hidden])')) expect(each.getAttribute('aria-label')).not.toBe('');
}

describe('of a study', () => {
  test('it has all figures, tables, answers and records', async () => {
    const study = madeStudy();
    await writeStudy(path('study'), study, madeTrials(study));
    const written = await writeReport(path('study'));
    expect(written).toEqual({
      file: path('study/report.html'),
      bytes: Buffer.byteLength(await read(path('study/report.html'))),
      kind: 'study',
      folder: path('study'),
      trials: 36,
      problems: [],
    });
    const text = await read(written.file);
    expectSound(text);
    expect(elements(text, 'h1')[0]!.textContent).toBe('Three optimizers on invented authors');
    expect(elements(text, 'figure').map(({ id }) => id)).toEqual(
      ['paths', 'front', 'best-of', 'clipped', 'differences', 'robustness', 'moved', 'cost'].map(
        (name) => `figure-${name}`,
      ),
    );
    expect(elements(text, 'table').map(({ id }) => id)).toEqual(
      ['efficacy', 'differences', 'robustness', 'cost', 'path', 'bestOf', 'trials'].map((name) => `table-${name}`),
    );
    expect(elements(text, '#table-trials tbody tr')).toHaveLength(36);
    expect(elements(text, '#records details')).toHaveLength(37);
    expect(elements(text, '#answers dd').map(({ textContent }) => textContent)).toContain('In in in.');
    expect(text).toContain('36 of 36 trials, 3 of them diverged.');
  });

  test('whatever its texts say, they are texts', async () => {
    const study = madeStudy({ title: '</title><script>alert(1)</script>', draws: 1, trials: 1 });
    const evil = `</script><script>alert(1)</script><img src=x onerror=alert(1)>"' \u202e\u0000\u05d0 ${'w'.repeat(3000)}`;
    const trials = madeTrials(study).map((trial) => ({
      ...trial,
      outcome: 'done' as const,
      texts: [{ set: 'forget' as const, question: evil, answer: evil, before: evil, after: evil }],
      made: { [evil]: evil },
      methodSettings: { algorithm: evil, [evil]: evil },
    }));
    await writeStudy(
      path('evil'),
      study,
      trials.map(({ reason: _, ...trial }) => trial),
    );
    const text = await read((await writeReport(path('evil'))).file);
    expectSound(text);
    expect(elements(text, 'img, script')).toHaveLength(1);
    expect(elements(text, 'h1')[0]!.textContent).toBe('</title><script>alert(1)</script>');
    expect(elements(text, '#answers dd')[0]!.textContent).toBe(
      evil.replace('\u202e', '\\u202e').replace('\0', '\\u0000'),
    );
  });

  test('what is not done yet, damaged or of another study is told', async () => {
    const study = madeStudy();
    const all = madeTrials(study);
    await writeStudy(
      path('partial'),
      study,
      all.filter(({ draw, trial }) => draw === 0 || trial === 0),
    );
    await writeFile(path(`partial/trials/${all.at(-1)!.id}.json`), '{"version": 1');
    const other = { ...all[0]!, model: 'other' };
    const id = trialId(other);
    await writeFile(path(`partial/trials/${id}.json`), JSON.stringify({ ...other, id }));
    const { problems, trials, file } = await writeReport(path('partial'));
    expect(trials).toBe(4 * 3 + 2 * 3);
    expect(problems).toEqual([
      expect.stringContaining(all.at(-1)!.id),
      expect.stringContaining('of no trial of the study'),
    ]);
    const text = await read(file);
    expectSound(text);
    expect(text).toContain('18 of 36 trials');
    expect(text).toContain('Left out:');
    expect(elements(text, 'figure')).not.toEqual([]);
  });

  test('without a trial it says so', async () => {
    await writeStudy(path('empty'), madeStudy(), []);
    const text = await read((await writeReport(path('empty'))).file);
    expectSound(text);
    expect(text).toContain('0 of 36 trials');
    expect(text).toContain('No draw has all its trials yet.');
  });

  test.each(['{}', '[]', '{"name": 1}', '{"name": "a", "title": "b", "models": [{}], "seed": "1"}', 'no JSON'])(
    'a study.json that is %s is refused',
    async (content) => {
      await writeStudy(path('bad'), madeStudy(), []);
      await writeFile(path('bad/study.json'), content);
      await expect(writeReport(path('bad'))).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    },
  );
});

describe('of a run', () => {
  test('it lies beside the folder, whose record names its files', async () => {
    await writeRun(path('run'));
    const written = await writeReport(path('run'));
    expect(written).toMatchObject({ file: path('run.report.html'), kind: 'run', folder: path('run'), steps: 30 });
    const text = await read(written.file);
    expectSound(text);
    expect(elements(text, 'figure').map(({ id }) => id.replace('figure-', ''))).toEqual([
      'evaluations',
      'loss',
      'clipped',
      'gradient-norm',
      'learning-rate',
      'speed',
      'memory',
    ]);
    expect(text).toContain('The model has forgotten the set and kept the rest.');
    expect(elements(text, '#table-before-after tbody tr')).toHaveLength(2);
  });

  test('while it goes on, its steps are read from its place for the time', async () => {
    await writeRun(path('going.partial'), { finished: false, steps: 5 });
    await writeFile(
      path('going.partial/metrics.jsonl'),
      `${await read(path('going.partial/metrics.jsonl'))}{"step": 6, "lo`,
    );
    const written = await writeReport(path('going'), { out: path('going.html') });
    expect(written).toMatchObject({ file: path('going.html'), folder: path('going.partial'), steps: 5 });
    expectSound(await read(path('going.html')));
  });

  test('of many steps a figure has spans', async () => {
    await writeRun(path('long'), { steps: 2001 });
    const text = await read((await writeReport(path('long'))).file);
    const csv = Buffer.from(
      /download="gradient-norm.csv" href="data:text\/csv;charset=utf-8;base64,([^"]*)/.exec(text)![1]!,
      'base64',
    );
    const lines = csv.toString().trimEnd().split('\r\n').slice(1);
    expect(lines).toHaveLength(Math.ceil(2001 / 6));
    const mean = [1, 2, 3, 4, 5, 6].reduce((sum, step) => sum + 3 + Math.cos(step), 0) / 6;
    expect(lines[0]).toMatch(/^6,6,norm,/);
    expect(Number(lines[0]!.split(',')[3])).toBeCloseTo(mean, 12);
    expect(lines.at(-1)).toMatch(/^2001,3,/);
  });
});

describe('soul report', () => {
  test('says what it wrote', async () => {
    await writeRun(path('told'));
    const { code, out } = await captured('report', path('told'));
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^written: .*told\.report\.html \(a run, 30 steps, \d+ kB\)\n$/),
    ]);
    const json = await captured('report', path('told'), '--json', '--out', path('told.html'));
    expect(JSON.parse(json.out)).toMatchObject({ file: path('told.html'), kind: 'run', steps: 30, problems: [] });
  });

  test('refuses what is neither a study nor a run, and what it cannot write', async () => {
    expect(await captured('report', path('nowhere'))).toMatchObject({
      code: 2,
      err: expect.stringContaining('does not exist'),
    });
    const { code, out } = await captured('report', folder, '--json');
    expect(code).toBe(2);
    expect(JSON.parse(out).error).toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringContaining('study.json'),
    });
    await writeFile(path('study.yaml'), 'title: x');
    const file = await captured('report', path('study.yaml'));
    expect(file).toMatchObject({ code: 2, err: expect.stringContaining('is a file; name the folder') });
    const nowhere = await captured('report', path('told'), '--out', path('none/report.html'));
    expect(nowhere).toMatchObject({ code: 2, err: expect.stringContaining('make it, or name another') });
  });
});

test('writeReport checks what it is given', async () => {
  await expect(writeReport('')).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
  await expect(writeReport(path('run'), { file: 'x' } as never)).rejects.toMatchObject({
    code: 'SOUL_INVALID_ARGUMENT',
  });
  await expect(writeReport(path('run'), { out: 3 } as never)).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
});
