import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { toJson } from '../../lib/core/json.ts';
import { packageRoot } from '../../lib/core/package.ts';
import { recipes } from '../../lib/run/recipes/list.ts';
import { studyFrom } from '../../lib/study/definition/read-study.ts';
import type { TrialTask } from '../../lib/study/trial/record.ts';
import { readmeWith, storedRecipes, storedStudies, studyDocument, studyText } from '../../scripts/write-study.ts';
import { sampleRecords, sampleStudy } from '../study/analysis/sample-study.ts';

const stored = await storedStudies(join(packageRoot, 'studies/results'));
const folder = mkdtempSync(join(tmpdir(), 'soul-studies-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('docs/study.md is current; npm run docs:study writes it', () => {
  expect(readFileSync(join(packageRoot, studyDocument), 'utf8')).toBe(studyText(stored));
});

test("the README's part on studies is current; the same command writes it", () => {
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
  expect(readme).toBe(readmeWith(readme, stored));
});

test('the recipes are those of the stored studies; the same command writes them', () => {
  expect(recipes).toEqual(storedRecipes(stored));
});

describe('a document of a study', () => {
  // With the defaults that a file's reader fills in.
  const study = studyFrom(JSON.parse(toJson(sampleStudy())), { folder, name: 'sample' });
  const kept = [0.48, 0.56, 0.64];
  const more = [0.08, 0.09, 0.1];
  const records = sampleRecords(study, ({ optimizer, draw }: TrialTask) => ({
    forget: 0.05,
    retain: kept[draw]! + (optimizer === 'adamw' ? 0 : more[draw]!),
  }));
  const text = studyText([{ study, records }]);

  test('has every part, with the sentences that its figures make', () => {
    for (const heading of [
      'What it shows',
      'What it does not show',
      'Unlearning efficacy and utility',
      'How it was made',
    ]) {
      expect(text).toContain(`\n### ${heading}\n`);
    }
    expect(text).toContain('- gnb-10 keeps more of the retain set than adamw: +0.090 \\[0.065, 0.115\\] over 3 draws.');
    expect(text).toContain('- Trials: 12 of 12 done; 2 for each optimizer and draw, 3 draws, seed 7.');
    expect(text).toContain('- Optimizer adamw: AdamW, first order.');
    expect(text).toContain('1. study sample: gnb-10 with graddiff on small');
    // Folders are of one machine.
    expect(text).not.toContain('models/small');
  });

  test('changes with the figures', () => {
    const other = records.map((record) => ({ ...record, cost: { ...record.cost, seconds: 21 } }));
    expect(studyText([{ study, records: other }])).not.toBe(text);
  });

  test('of a study that has only begun says that nothing is shown', () => {
    const begun = studyText([{ study, records: records.slice(0, 1) }]);
    expect(begun).toContain('- No draw is done for all optimizers yet: nothing.');
    expect(begun).toContain('1 of 12 trials are done');
    expect(begun).not.toContain('NaN');
    expect(begun).not.toContain('Infinity');
  });

  test('is the same from the files that studies keep', async () => {
    const own = join(folder, 'sample');
    mkdirSync(join(own, 'trials'), { recursive: true });
    writeFileSync(join(own, 'study.json'), toJson(study));
    for (const record of records) writeFileSync(join(own, 'trials', `${record.id}.json`), toJson(record));
    cpSync(join(own, 'study.json'), join(folder, 'sample.json'));
    mkdirSync(join(folder, 'begun'));
    writeFileSync(join(folder, 'begun', 'study.json'), toJson(study));
    const studies = await storedStudies(folder);
    expect(studies).toHaveLength(1);
    expect(studyText(studies)).toBe(text);
    expect(await storedStudies(join(folder, 'missing'))).toEqual([]);
    const [file, other] = records.map(({ id }) => join(own, 'trials', `${id}.json`));
    writeFileSync(file!, '{}');
    await expect(storedStudies(folder)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(new RegExp(`${own}: .*${records[0]!.id}`)),
    });
    rmSync(file!);
    // Of another study.
    const id = records[1]!.id.replace('.graddiff.', '.npo.');
    rmSync(other!);
    writeFileSync(join(own, 'trials', `${id}.json`), toJson({ ...records[1], id, method: 'npo' }));
    await expect(storedStudies(folder)).rejects.toThrow(/is of no trial of the study/);
  });
});
