import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { writeReport } from '../../lib/report/index.ts';
import { WatchServer } from '../../lib/report/watch/serve.ts';
import { chromium, openBrowser } from './browser.ts';
import { stepLine, writeRun } from './made-run.ts';
import { madeStudy, madeTrials, writeStudy } from './made-study.ts';

const ifThere = chromium === undefined ? describe.skip : describe;

let folder: string;
let browser: Browser;
/** What the consoles of all pages said, and what they asked for. */
const said: string[] = [];
const path = (name: string) => join(folder, name);

async function open(url: string, options: { width?: number; colorScheme?: 'dark' | 'light' } = {}): Promise<Page> {
  const { width = 1200, colorScheme = 'light' } = options;
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme });
  const page = await context.newPage();
  page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('request', (request) => {
    if (!/^(file:|http:\/\/127\.0\.0\.1:|data:)/.test(request.url())) said.push(`asked for ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

const fileUrl = (name: string) => pathToFileURL(path(name)).href;

ifThere('in a browser', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-browser-'));
    const study = madeStudy();
    const evil = `</script><script>alert(1)</script><img src=x onerror=alert(1)> \u202e\u05d0 ${'w'.repeat(3000)}`;
    const trials = madeTrials(study).map((trial) =>
      trial.texts ? { ...trial, texts: trial.texts.map((text) => ({ ...text, after: evil })) } : trial,
    );
    await writeStudy(path('study'), study, trials);
    await writeReport(path('study'));
    const several = madeStudy({
      methods: ['graddiff', 'npo'],
      optimizers: [
        ...['adamw', 'gnb-1', 'gnb-10', 'gnb-forget', 'constant-h', 'all-clipped', 'soul-repo', 'sign', 'mezo'],
        { name: 'OPTIMIZER-WHOSE-NAME-NO-AXIS-OF-IT-HOLD', optimizer: 'sgd' },
      ],
      trials: 2,
      draws: 2,
    });
    await writeStudy(path('several'), several, madeTrials(several));
    await writeReport(path('several'));
    await writeRun(path('run'), { steps: 700 });
    await writeReport(path('run'));
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true });
  });
  afterEach(() => {
    expect(said.splice(0)).toEqual([]);
  });

  const files = ['study/report.html', 'several/report.html', 'run.report.html'];

  test.each(files)('%s: every figure is drawn, no label is cut or lies on another', async (file) => {
    const page = await open(fileUrl(file));
    const found = await page.evaluate(drawings);
    expect(found.length).toBeGreaterThan(5);
    for (const each of found) {
      expect({ ...each, marks: each.marks > 0 }).toEqual({
        name: each.name,
        isSeen: true,
        marks: true,
        cut: [],
        overlapping: [],
      });
    }
    await page.close();
  });

  test.each(files)('%s: no page is wider than a phone', async (file) => {
    for (const width of [320, 390]) {
      const page = await open(fileUrl(file), { width });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      await page.close();
    }
  });

  test('a column sorts by the keyboard, numbers as numbers and what lacks last', async () => {
    const page = await open(fileUrl('study/report.html'));
    const column = (index: number) =>
      page.$$eval('#table-trials tbody tr', (rows, at) => rows.map((row) => row.children[at]!.textContent), index);
    const heads = await page.$$eval('#table-trials thead th', (all) => all.map((each) => each.textContent!.trim()));
    const at = heads.indexOf('forget');
    await page.focus(`#table-trials thead th:nth-child(${at + 1}) button`);
    await page.keyboard.press('Enter');
    const up = (await column(at)) as string[];
    const numbers = up.filter((text) => text !== '').map(Number);
    expect(numbers).toHaveLength(33);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(up.slice(33)).toEqual(['', '', '']);
    expect(await page.getAttribute(`#table-trials th:nth-child(${at + 1})`, 'aria-sort')).toBe('ascending');
    await page.keyboard.press('Space');
    expect(await page.getAttribute(`#table-trials th:nth-child(${at + 1})`, 'aria-sort')).toBe('descending');
    expect(((await column(at)) as string[]).slice(0, 33).map(Number)).toEqual([...numbers].reverse());
    await page.close();
  });

  test('it is dark where the system is, until the reader says otherwise, and stays so', async () => {
    const page = await open(fileUrl('study/report.html'), { colorScheme: 'dark' });
    const colors = () =>
      page.evaluate<string[]>(
        `[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('.panel .plot text')).fill]`,
      );
    const dark = ['rgb(20, 23, 26)', 'rgb(228, 231, 234)'];
    const light = ['rgb(255, 255, 255)', 'rgb(27, 31, 36)'];
    expect(await colors()).toEqual(dark);
    await page.click('#theme');
    expect(await colors()).toEqual(light);
    await page.reload();
    expect(await colors()).toEqual(light);
    await page.click('#theme');
    expect(await colors()).toEqual(dark);
    await page.close();
  });

  test('the keyboard goes through it, and the focus is seen', async () => {
    const page = await open(fileUrl('study/report.html'));
    const focused = () => page.evaluate<string>(`document.activeElement.id || document.activeElement.textContent`);
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('To the content');
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await page.keyboard.press('Enter');
    expect(await focused()).toBe('content');
    // A link to a record opens it.
    await page.click('#table-trials tbody tr:first-child a');
    expect(await page.$$eval('#records details[open]', (all) => all.length)).toBe(1);
    await page.close();
  });

  test('a link saves the data of its figure', async () => {
    const page = await open(fileUrl('study/report.html'));
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#figure-front a.download')]);
    expect(download.suggestedFilename()).toBe('front.csv');
    const lines = (await readFile((await download.path())!, 'utf8')).split('\r\n');
    expect(lines[0]).toBe('model,split,method,optimizer,draw,trial,forget,retain,front');
    expect(lines).toHaveLength(1 + 33 + 1);
    await page.close();
  });

  test('a page that is watched follows its folder, and stays as its reader left it', async () => {
    await writeRun(path('going.partial'), { finished: false, steps: 20 });
    const server = await WatchServer.start(path('going'), { every: 0.05 });
    try {
      const page = await open(server.url);
      await page.locator('#state', { hasText: 'Watching.' }).waitFor();
      await page.click('#theme');
      await page.click('#figure-loss-settings summary');
      await page.click('#table-on-the-way th:nth-child(4) button');
      await page.evaluate('scrollTo(0, 500)');
      await page.focus('#figure-loss .download');
      await page.evaluate('scrollTo(0, 500)');
      const sorted = () => page.$$eval('#table-on-the-way tbody tr', (rows) => rows.map((row) => row.textContent));
      const before = await sorted();
      await appendFile(path('going.partial/metrics.jsonl'), `${JSON.stringify(stepLine(21, 30))}\n`);
      await page.locator('dl.facts', { hasText: '21 of 30' }).waitFor();
      await page.locator('#figure-loss .download:focus').waitFor();
      expect(
        await page.evaluate(
          `[scrollY, document.documentElement.dataset.theme, document.querySelector('#figure-loss-settings').open]`,
        ),
      ).toEqual([500, 'dark', true]);
      expect(await page.getAttribute('#table-on-the-way th:nth-child(4)', 'aria-sort')).toBe('ascending');
      expect(await sorted()).toEqual(before);
      await page.close();
    } finally {
      await server.close();
    }
  });
});

interface Drawing {
  readonly name: string | null;
  readonly isSeen: boolean;
  readonly marks: number;
  readonly cut: (string | null)[];
  readonly overlapping: (string | null)[];
}

/** Runs in the page: what of each figure's panels is seen. */
const drawings = `[...document.querySelectorAll('.panel svg')].map((svg) => {
  const box = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].filter((text) => text.textContent !== '');
  const boxes = texts.map((text) => text.getBoundingClientRect());
  const isCut = (own) => own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 || own.bottom > box.bottom + 1;
  const overlap = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2;
  const shapes = [...svg.querySelectorAll('path, circle, line, rect')].filter((each) => !each.closest('[aria-label*="axis"], [aria-label*="grid"]'));
  return {
    name: svg.getAttribute('aria-label'),
    isSeen: box.width > 200 && box.height > 80,
    marks: shapes.filter((shape) => { const { width, height } = shape.getBBox(); return width + height > 0; }).length,
    cut: texts.filter((_, i) => isCut(boxes[i])).map((text) => text.textContent),
    overlapping: texts.filter((_, i) => boxes.some((other, k) => k < i && overlap(boxes[i], other))).map((text) => text.textContent),
  };
})` as unknown as () => Drawing[];
