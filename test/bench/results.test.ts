import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { formatResults, readResults, resultsFileName, verdict, writeResults } from '../../bench/results.ts';
import { gpuKernelResults, gpuPeerResults, kernelResults, peerResults } from './sample-results.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-results-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test('file names tell the processor, the date and the kind', () => {
  expect(resultsFileName(peerResults())).toBe(
    'example-cpu-2-50ghz-family-6-model-85-avx512-2-threads-2026-11-21-peers.json',
  );
});

test('file names of a GPU tell it alone, and the kind', () => {
  expect(resultsFileName(gpuKernelResults())).toBe('example-gpu-100gb-kernels.json');
  expect(resultsFileName(gpuPeerResults())).toBe('example-gpu-100gb-peers.json');
});

test('what is written is read back, the newest first', () => {
  writeResults(kernelResults(), join(folder, 'deep', 'b.json'));
  writeResults(peerResults(), join(folder, 'deep', 'a.json'));
  writeFileSync(join(folder, 'deep', 'notes.txt'), 'not a result');
  expect(readResults(join(folder, 'deep')).map(({ kind }) => kind)).toEqual(['peers', 'kernels']);
});

test('figures are written to six digits, whole numbers whole', () => {
  const results = kernelResults();
  results.calls[0]!.time.median = 1234.56789;
  results.calls[0]!.time.minimum = 123_456_789;
  const written = JSON.parse(formatResults(results)) as typeof results;
  expect(written.calls[0]!.time).toMatchObject({ median: 1234.57, minimum: 123_456_789 });
});

test('a file of another format is named', () => {
  const path = join(folder, 'old.json');
  writeFileSync(path, '{"format":0}');
  expect(() => readResults(folder)).toThrow(path);
});

test('a goal holds for the ratio, or for ours where there is no ratio', () => {
  const [faster, unmeasured, limit, call] = peerResults().rows;
  expect(verdict(faster!)).toEqual({ figure: 0.8, met: true });
  expect(verdict(unmeasured!)).toBeUndefined();
  expect(verdict(limit!)).toEqual({ figure: 0.92, met: false });
  expect(verdict(call!)).toEqual({ figure: 12_345, met: true });
});
