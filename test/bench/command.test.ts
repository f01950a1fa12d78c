import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { benchmarkCommand, checkPlan, deliver, givenCommand, givenFilters } from '../../bench/command.ts';
import { resultsFileName, resultsFolder } from '../../bench/results.ts';
import { kernelResults } from './sample-results.ts';

test('the recorded command leaves out where results go and where Python lies', () => {
  const given = ['--size', '1024', '--out', 'a.json', '--python=/somewhere/python', '--json', '--threads', '2'];
  expect(givenCommand('bench:peers', given)).toBe('npm run bench:peers -- --size 1024 --threads 2');
  expect(givenCommand('bench', ['--python', '/somewhere'])).toBe('npm run bench');
  expect(givenCommand('bench', ['--json', 'a.json', '--quick'])).toBe('npm run bench -- --quick');
});

test('of the folder of a model the recorded command keeps the name', () => {
  expect(givenCommand('bench:peers', ['--model', '/somewhere/Example-1M/', '--threads', '2'])).toBe(
    'npm run bench:peers -- --model Example-1M --threads 2',
  );
  expect(givenCommand('bench:peers', ['--model=a/b=c', '--only=x'])).toBe(
    'npm run bench:peers -- --model=b=c --only=x',
  );
});

test('the recorded command can be given to a shell', () => {
  const given = ['--only', "Sophia's step", '--kernels=a,b', '--only', ''];
  expect(givenCommand('bench', given)).toBe("npm run bench -- --only 'Sophia'\\''s step' --kernels=a,b --only ''");
});

test('filters are those that were given, not the defaults', async () => {
  const command = benchmarkCommand('bench', 'Example.')
    .option('--sizes <list>', 'sizes', '16')
    .option('--only <words>', 'words')
    .action(() => {});
  await command.parseAsync(['--seconds', '0', '--only', 'a'], { from: 'user' });
  expect(givenFilters(command, ['sizes', 'only'])).toEqual(['--only']);
});

test('a plan of nothing is refused, with what left nothing', () => {
  expect(() => checkPlan(1, ['--only'])).not.toThrow();
  expect(() => checkPlan(0, ['--kernels', '--storage'])).toThrow(/Nothing to measure.*--kernels, --storage,/);
});

describe('delivery', () => {
  let folder: string;
  let stderr: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bench-command-'));
  });

  beforeEach(() => {
    stderr = '';
    jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
      stderr += text;
      return true;
    });
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test('a part of the whole is printed, and written nowhere', () => {
    const results = kernelResults();
    deliver(results, {}, 'the table', ['--kernels', '--sizes']);
    expect(process.stdout.write).toHaveBeenCalledWith('the table\n');
    expect(stderr).toBe('Not written: with --kernels, --sizes this is a part; --out <file> keeps it.\n');
    expect(existsSync(join(resultsFolder, resultsFileName(results)))).toBe(false);
  });

  test('a part is written where --out says', () => {
    const out = join(folder, 'part.json');
    deliver(kernelResults(), { out, json: true }, 'the table', ['--kernels']);
    expect(stderr).toBe(`Written to ${out}\n`);
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ kind: 'kernels' });
    expect(process.stdout.write).toHaveBeenCalledWith(readFileSync(out, 'utf8'));
  });

  test('or where --json says, and then the table is printed', () => {
    const json = join(folder, 'named.json');
    deliver(kernelResults(), { json }, 'the table', []);
    expect(stderr).toBe(`Written to ${json}\n`);
    expect(process.stdout.write).toHaveBeenCalledWith('the table\n');
  });
});
