import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { OutFolder } from '../../lib/run/out-folder.ts';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'soul-out-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

describe('an out folder', () => {
  test('does not exist before it is published, and is whole afterwards', async () => {
    const out = await OutFolder.create(join(base, 'deep', 'out'));
    const log = out.openLog('metrics.jsonl');
    log({ step: 1 });
    log({ step: 2 });
    await out.writeJson('run.json', { seed: 12345678901234567890n });
    expect(await readdir(join(base, 'deep'))).toEqual(['out.partial']);
    await out.publish();
    expect(await readdir(join(base, 'deep'))).toEqual(['out']);
    expect(await readFile(join(out.path, 'metrics.jsonl'), 'utf8')).toBe('{"step":1}\n{"step":2}\n');
    expect(JSON.parse(await readFile(join(out.path, 'run.json'), 'utf8'))).toEqual({ seed: '12345678901234567890' });
  });

  test('is never written over unless asked', async () => {
    await mkdir(join(base, 'out'));
    await writeFile(join(base, 'out', 'run.json'), 'old');
    await expect(OutFolder.create(join(base, 'out'))).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
    const out = await OutFolder.create(join(base, 'out'), { overwrite: true });
    expect(await readdir(join(base, 'out'))).toEqual(['run.json']);
    await out.writeJson('new.json', {});
    await out.publish();
    expect(await readdir(join(base, 'out'))).toEqual(['new.json']);
    expect(await readdir(base)).toEqual(['out']);
  });

  test('never replaces a folder that no run made', async () => {
    await mkdir(join(base, 'thesis'));
    await writeFile(join(base, 'thesis', 'chapter-1'), 'years of work');
    await expect(OutFolder.create(join(base, 'thesis'), { overwrite: true })).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringContaining('no run.json'),
    });
    await writeFile(join(base, 'file'), '');
    await expect(OutFolder.create(join(base, 'file'), { overwrite: true })).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
    });
  });

  test('leaves nothing when it is discarded, and begins anew over what a killed run left', async () => {
    const killed = await OutFolder.create(join(base, 'out'));
    await killed.writeJson('stale.json', {});
    const out = await OutFolder.create(join(base, 'out'));
    expect(await readdir(out.staging)).toEqual([]);
    out.openLog('metrics.jsonl')({ step: 1 });
    await out.discard();
    expect(await readdir(base)).toEqual([]);
  });
});
