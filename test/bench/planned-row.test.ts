import { afterEach, describe, expect, test } from '@jest/globals';
import { callCases } from '../../bench/cases/call-overhead.ts';
import { tokenLossGoals } from '../../bench/goals.ts';
import { comparisonRow } from '../../bench/peers/compare.ts';
import { comparisons, deviceComparisons } from '../../bench/peers/comparisons.ts';
import { hasWords, measureRow, type PlannedRow, type RowHead } from '../../bench/peers/planned-row.ts';
import { memoryRows } from '../../bench/peers/token-loss-memory.ts';
import { TorchError, TorchPeer } from '../../bench/peers/torch-process.ts';
import { hostPlace } from '../../bench/place.ts';
import { around } from './sample-results.ts';

const head: RowHead = { subject: 'S', ours: 'Sophia step, float32', theirs: 'AdamW fused', unit: 'ns' };

describe('words that choose rows', () => {
  test('all of them, in any order and any case, in either name', () => {
    expect(hasWords('SOPHIA', head)).toBe(true);
    expect(hasWords('  fused   sophia ', head)).toBe(true);
    expect(hasWords('sophia foreach', head)).toBe(false);
    expect(hasWords('sophia', { ...head, ours: 'x' })).toBe(false);
    expect(hasWords('16', { subject: 'S', ours: 'a step on 16 weights', unit: 'ns' })).toBe(true);
  });

  test('they find the limit, peak memory and calls by the names that rows have', () => {
    const torch = new TorchPeer('no-such-python', { threads: 1 }); // started by no row that is not measured
    const shape = { rows: 2, vocabulary: 16 };
    const sides = { place: hostPlace(), torch, size: 1000, seconds: 0 };
    const heads = [
      ...comparisons(1000, [shape]).map((comparison) => comparisonRow(comparison, sides)),
      ...memoryRows('sampled', shape, 'no-such-python', 1, tokenLossGoals.memory),
    ].map((row) => row.head);
    const found = (words: string) => heads.filter((row) => hasWords(words, row)).length;
    expect(found('same bytes sophia FLOAT32')).toBeGreaterThan(0);
    expect(found('peak memory 2 x 16')).toBe(2);
    expect(found('torch.compile update')).toBe(1);
    expect(found('no such words')).toBe(0);
    const onDevice = deviceComparisons(1000, [shape]).map((comparison) => comparisonRow(comparison, sides).head);
    expect(onDevice.filter((row) => hasWords("device's copy", row)).length).toBeGreaterThan(0);
  });
});

describe('a row that is measured', () => {
  const log: string[] = [];
  const row = (measure: PlannedRow['measure']) => measureRow({ head, measure }, (line) => log.push(line));
  const exitCode = process.exitCode;

  afterEach(() => {
    process.exitCode = exitCode;
    log.length = 0;
  });

  test('has its figures', async () => {
    expect(await row(async () => ({ ours: around(1) }))).toEqual({ ...head, measured: { ours: around(1) } });
    expect(log).toEqual([]);
  });

  test('has the reason where PyTorch fails', async () => {
    expect(await row(() => Promise.reject(new TorchError('no compiler')))).toEqual({ ...head, missing: 'no compiler' });
    expect(log).toEqual(['not measured: Sophia step, float32, AdamW fused: no compiler']);
    expect(process.exitCode).toBe(exitCode);
  });

  test('makes the process fail where something else does', async () => {
    expect(await row(() => Promise.reject(new RangeError('too long')))).toEqual({ ...head, missing: 'too long' });
    expect(process.exitCode).toBe(1);
  });
});

test('calls are done at once or on another thread, and say which', async () => {
  for (const { title, dispatched, prepare } of callCases) {
    expect(title).toMatch(dispatched ? /another thread/ : /16 weights.*, done at once$/);
    const { run, release } = await prepare();
    // The event loop does not turn in the meantime, so nothing comes back from another thread.
    let done = false;
    void run().then(() => {
      done = true;
    });
    for (let turn = 0; turn < 20; turn++) await undefined;
    expect(done).toBe(!dispatched);
    await run();
    await release();
  }
});
