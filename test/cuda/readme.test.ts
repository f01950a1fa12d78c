import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { runSnippet } from '../examples/snippets.ts';

test("README's block for a GPU steps a trainer's memory in place, on its stream", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'soul-readme-'));
  try {
    const { lines, stderr } = runSnippet(folder, 'on-a-gpu');
    expect(stderr).toBe('');
    const { values } = JSON.parse(lines[0]!) as { values: number[] };
    expect(values).toHaveLength(5000);
    // Without curvature a step is the learning rate, 1e-4, against the sign of the gradient. There were two.
    const wanted = new Set(values.map((value, i) => value * (i % 2 === 0 ? -1 : 1)));
    expect(wanted.size).toBe(1);
    expect([...wanted][0]! / 2e-4).toBeCloseTo(1, 2);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
