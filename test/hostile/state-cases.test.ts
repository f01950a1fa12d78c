import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { FlatBuffer, Sophia } from '../../lib/index.ts';
import { fileOf, tensorsIn } from './safetensors-mutations.ts';

const folder = mkdtempSync(join(tmpdir(), 'soul-state-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'state.safetensors');

const bySophia = () =>
  new Sophia(
    { values: FlatBuffer.alloc(4), gradients: FlatBuffer.from(Float32Array.of(1, -1, 2, 0.5)) },
    { rho: { clippedFraction: 0.2 } },
  );

beforeEach(async () => {
  const sophia = bySophia();
  await sophia.updateHessian({ batchSize: 2, prime: true });
  await sophia.step();
  await sophia.saveState(path);
});

/** The state file with other metadata, and perhaps a tensor `step`. */
function rewrite(more: Record<string, string>, step?: { dtype: string; shape: number[]; data: Uint8Array }): void {
  const { tensors, metadata } = tensorsIn(readFileSync(path));
  if (step) tensors.set('step', step);
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: { ...metadata, ...more } };
  for (const [name, { dtype, shape, data }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + data.length] };
    end += data.length;
  }
  writeFileSync(path, fileOf(JSON.stringify(header), Buffer.concat([...tensors.values()].map(({ data }) => data))));
}

test.each(['Infinity', '-1', 'NaN', '', '1e999'])('a state of %j parts counts as of as few as any', async (parts) => {
  rewrite({ parts, rho_parts: parts });
  const sophia = bySophia();
  await sophia.loadState(path);
  await sophia.saveState(path);
  const { metadata } = tensorsIn(readFileSync(path));
  expect(Number(metadata.parts)).toBeGreaterThanOrEqual(1);
  expect(Number.isFinite(Number(metadata.parts)) && Number.isFinite(Number(metadata.rho_parts))).toBe(true);
});

test.each(['0', '-1', 'Infinity', 'x'.repeat(100_000), '\u001b[2J'])(
  'rho must be a positive number: %#',
  async (rho) => {
    rewrite({ rho });
    const sophia = bySophia();
    const error = await sophia.loadState(path).catch((found) => found);
    expect(error).toMatchObject({ code: 'SOUL_BAD_FILE', message: expect.stringContaining('not a positive number') });
    expect(error.message.length).toBeLessThan(500);
    expect(error.message).not.toContain('\u001b');
    expect(sophia.state.step).toBe(0);
  },
);

test.each(['-1', '1e3', '1.5', '9007199254740992', '', ' 1', '0x10'])(
  'the step must be a count, not %j',
  async (step) => {
    rewrite({ step });
    const sophia = bySophia();
    await expect(sophia.loadState(path)).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    expect(sophia.state.step).toBe(0);
  },
);

test('a tensor step of another library is one number', async () => {
  const data = new Uint8Array(4_000_000);
  rewrite({ format: 'pt' }, { dtype: 'F32', shape: [1_000_000], data });
  await expect(bySophia().loadState(path)).rejects.toMatchObject({
    code: 'SOUL_BAD_FILE',
    message: expect.stringContaining('no tensor step of one F32'),
  });
  rewrite({ format: 'pt' }, { dtype: 'F32', shape: [], data: new Uint8Array(Float32Array.of(5).buffer) });
  const sophia = bySophia();
  await sophia.loadState(path);
  expect(sophia.state.step).toBe(5);
});
