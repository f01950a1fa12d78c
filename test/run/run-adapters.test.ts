import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { modelChecksums } from '../../lib/run/checksums.ts';
import { isChanged } from '../../lib/run/run-adapters.ts';

test('a base whose files are others, or that is gone, is told as changed, and costs no finished run', async () => {
  const base = await mkdtemp(join(tmpdir(), 'soul-base-'));
  await writeFile(join(base, 'config.json'), '{}');
  const sums = await modelChecksums(base);
  expect(await isChanged(base, sums)).toBe(false);
  await writeFile(join(base, 'tokenizer.json'), '{}');
  expect(await isChanged(base, sums)).toBe(true);
  await rm(base, { recursive: true });
  expect(await isChanged(base, sums)).toBe(true);
});
