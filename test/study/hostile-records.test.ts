/** Files in the place of trials that nobody wrote as trials: each is refused by itself, and none stops or blows up what reads them. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readStudyFolder } from '../../lib/report/study-folder.ts';
import { TrialStore } from '../../lib/study/trial/store.ts';

const stored = join(import.meta.dirname, '../../studies/results/demo');
const id = 'demo.authors.graddiff.adamw.d0.t0';
let folder: string;
let file: string;
let text: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-records-test-'));
  await mkdir(join(folder, 'trials'));
  file = join(folder, 'trials', `${id}.json`);
  text = await readFile(join(stored, 'trials', `${id}.json`), 'utf8');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const read = () => new TrialStore(folder).read({ id });
const refused = (message: RegExp) =>
  expect(read()).rejects.toMatchObject({ code: 'SOUL_BAD_FILE', message: expect.stringMatching(message) });

test('a pipe and a device are not read, which would have no end', async () => {
  execFileSync('mkfifo', [file]);
  await refused(/is no file/);
  await rm(file);
  await symlink('/dev/zero', file);
  await refused(/is no file/);
});

test('a file far larger than a trial is refused unread', async () => {
  await writeFile(file, '');
  await truncate(file, 2 ** 36);
  await refused(/has 68719476736 bytes, more than/);
});

test('an id that says another trial than the record is refused, and its neighbours stay', async () => {
  await writeFile(join(folder, 'study.json'), await readFile(join(stored, 'study.json')));
  const other = 'demo.authors.graddiff.sign.d0.t0';
  const neighbour = await readFile(join(stored, 'trials', `${other}.json`));
  await writeFile(join(folder, 'trials', `${other}.json`), neighbour);
  await writeFile(file, text.replace('"optimizer": "adamw"', '"optimizer": "sign"'));
  await refused(/must be the one that its id names: demo\.authors\.graddiff\.sign\.d0\.t0/);
  const { source, problems } = await readStudyFolder(folder);
  expect(source.trials.map((trial) => trial.id)).toEqual([other]);
  // A page that has it is handed on: it names no folder of the machine.
  expect(problems).toEqual([expect.stringMatching(/^trials\/demo\.authors\.graddiff\.adamw\.d0\.t0\.json is damaged/)]);
});

test.each([
  [
    'a learning rate that is none',
    /"learningRate": [\d.e-]+/,
    '"learningRate": "x"',
    /learningRate is a number above 0/,
  ],
  [
    'a figure that sums and squares of would not be numbers',
    /"peakMemory": [\d.e-]+/,
    '"peakMemory": 1e308',
    /peakMemory is a number from 0 to 1e\+100/,
  ],
  ['no algorithm', /"algorithm": "graddiff"/, '"algorithm": null', /algorithm is a text/],
  ['a name that every object has', /"made": \{/, '"made": { "__proto__": "x",', /made is without "__proto__"/],
])('%s is refused', async (_, place, put, message) => {
  const changed = text.replace(place, put);
  expect(changed).not.toBe(text);
  await writeFile(file, changed);
  await refused(message);
});

test('what is stored is read', async () => {
  await writeFile(file, text);
  expect((await read())?.id).toBe(id);
});

test('a file where the folder of trials should be is a failure of the file system', async () => {
  await rm(join(folder, 'trials'), { recursive: true });
  await writeFile(join(folder, 'trials'), '');
  await writeFile(join(folder, 'study.json'), await readFile(join(stored, 'study.json')));
  await expect(readStudyFolder(folder)).rejects.toMatchObject({ code: 'SOUL_FILE_SYSTEM' });
});
