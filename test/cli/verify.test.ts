import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { lines } from '../run/bigram-folder.ts';
import { smallRuns } from '../run/small-run.ts';
import { captured } from './captured.ts';

let folder: string;
const path = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-verify-cli-'));
  await (await smallRuns(folder))();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a folder that is what its record says: exit code 0', async () => {
  const { code, out, err } = await captured('verify', path('out'), '--data', path('forget.jsonl'));
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^items +ok +.*all 2 examples were deleted$/m);
  expect(out).toMatch(/^made with soul-unlearn 0\.1\.0, node v\S+, method graddiff, finished \d{4}-/m);
  expect(out.trimEnd().split('\n').at(-1)).toBe(`${path('out')} is verified.`);
});

test('one that is not, or not what is required: exit code 1, a line for each failure, one object with --json', async () => {
  await writeFile(path('others.jsonl'), lines([{ question: 'Who?', answer: 'Nobody.' }]));
  const words = ['verify', path('out'), '--data', path('others.jsonl')];
  const bounds = ['--require', 'forget.probability<0', '--require', 'retain.probability>0'];
  const { code, out, err } = await captured(...words, ...bounds);
  expect([code, err]).toEqual([1, '']);
  expect(out.split('\n').filter((line) => line.includes('FAILED'))).toEqual([
    expect.stringMatching(
      /^items +FAILED +.*others\.jsonl: expected 1 deleted examples, found 0; not deleted: line 1$/,
    ),
    expect.stringMatching(/^requirement +FAILED +expected forget\.probability<0, found 0\.\d+$/),
  ]);
  expect(out.trimEnd().split('\n').at(-1)).toBe(`${path('out')} is NOT verified: 2 checks failed.`);
  const json = await captured(...words, ...bounds, '--json');
  expect(json.code).toBe(1);
  expect(JSON.parse(json.out)).toMatchObject({ passed: false, items: { notDeleted: [1] } });
});

test.each([
  [['--require', 'forget.probability'], /Expected conditions as 'forget\.probability<0\.2'/],
  [['--signer', 'nowhere.pub'], /the key nowhere\.pub does not exist/],
  [['--data', 'nowhere.jsonl'], /nowhere\.jsonl does not exist/],
  [['--sign', 'x'], /unknown option '--sign'/],
])('wrong use has exit code 2: %j', async (words, message) => {
  const { code, err } = await captured('verify', path('out'), ...words);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});
