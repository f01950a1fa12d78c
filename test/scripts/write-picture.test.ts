import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { DOMParser } from 'linkedom';
import { packageRoot } from '../../lib/core/package.ts';
import { pictureFile, pictureStudy, pictureText } from '../../scripts/write-picture.ts';
import { madeStudy, madeTrials, writeStudy } from '../report/made-study.ts';

test('docs/picture.svg is current; npm run docs:picture writes it', async () => {
  const folder = join(packageRoot, pictureStudy);
  const file = join(packageRoot, pictureFile);
  expect(existsSync(file)).toBe(existsSync(join(folder, 'study.json')));
  if (existsSync(file)) expect(readFileSync(file, 'utf8')).toBe(await pictureText(folder));
});

test('a picture stands by itself, light and dark', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'soul-picture-'));
  try {
    const study = madeStudy();
    await writeStudy(folder, study, madeTrials(study));
    const text = await pictureText(folder);
    expect(await pictureText(folder)).toBe(text);
    expect(text).not.toMatch(/<script|href|url\(|NaN|undefined|@import/);
    expect(text).toContain('@media (prefers-color-scheme:dark)');
    const { documentElement } = new DOMParser().parseFromString(text, 'image/svg+xml');
    expect(documentElement!.querySelectorAll('svg.plot')).toHaveLength(2 + 4);
    const texts = [...documentElement!.querySelectorAll('text')].map(({ textContent }) => textContent);
    expect(texts).toEqual(expect.arrayContaining(['adamw', 'sign', 'gnb-10', 'retrained without the forget set']));
  } finally {
    await rm(folder, { recursive: true });
  }
});
