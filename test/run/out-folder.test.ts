import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
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

  const madeByRun = async (name: string, ...files: string[]) => {
    await mkdir(join(base, name));
    const sha256 = Object.fromEntries(files.map((file) => [file, '0']));
    const record = { package: { name: 'soul-unlearn' }, outputs: { model: { sha256 } } };
    await writeFile(join(base, name, 'run.json'), JSON.stringify(record));
    for (const file of files) await writeFile(join(base, name, file), '');
  };

  test('is never written over unless asked', async () => {
    await madeByRun('out', 'model.safetensors');
    await expect(OutFolder.create(join(base, 'out'))).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
    const out = await OutFolder.create(join(base, 'out'), { overwrite: true });
    expect((await readdir(join(base, 'out'))).sort()).toEqual(['model.safetensors', 'run.json']);
    await out.writeJson('new.json', {});
    await out.publish();
    expect(await readdir(join(base, 'out'))).toEqual(['new.json']);
    expect(await readdir(base)).toEqual(['out']);
  });

  test('never replaces what no run made', async () => {
    const refused = (path: string, message: string, inputs: string[] = []) =>
      expect(OutFolder.create(path, { overwrite: true, inputs })).rejects.toMatchObject({
        code: expect.stringMatching(/^SOUL_(EXISTS|INVALID_ARGUMENT)$/),
        message: expect.stringContaining(message),
      });
    await mkdir(join(base, 'thesis'));
    await writeFile(join(base, 'thesis', 'chapter-1'), 'years of work');
    await refused(join(base, 'thesis'), 'no run.json');
    await writeFile(join(base, 'thesis', 'run.json'), '{"runs": 3}');
    await refused(join(base, 'thesis'), 'no run.json of soul-unlearn');
    await writeFile(join(base, 'file'), '');
    await refused(join(base, 'file'), 'it is a file');
    await madeByRun('out');
    await writeFile(join(base, 'out', 'notes.txt'), '');
    await refused(join(base, 'out'), 'it holds notes.txt, which no run wrote');
    await madeByRun('mine', 'forget.jsonl');
    await refused(join(base, 'mine'), 'the run reads', [join(base, 'mine', 'forget.jsonl')]);
    await refused(join(base, 'mine'), 'the run reads it', [join(base, 'mine')]);
    await symlink('nowhere', join(base, 'link'));
    await refused(join(base, 'link'), 'a link that leads nowhere');
    await refused('/', 'cannot be an output');
    if (process.platform === 'linux') await refused('/proc', 'mount point');
    expect(await readdir(base)).not.toContain('out.partial');
  });

  test('is written where a link leads', async () => {
    await mkdir(join(base, 'large-disk'));
    await symlink('large-disk', join(base, 'out'));
    const out = await OutFolder.create(join(base, 'out'), { overwrite: true });
    await out.writeJson('run.json', {});
    await out.publish();
    expect(await readdir(join(base, 'large-disk'))).toEqual(['run.json']);
    expect((await lstat(join(base, 'out'))).isSymbolicLink()).toBe(true);
  });

  test("leaves folders alone that only have the staging folder's names", async () => {
    for (const name of ['out.partial', 'out.replaced']) {
      await mkdir(join(base, name));
      await writeFile(join(base, name, 'mine'), '');
    }
    await expect(OutFolder.create(join(base, 'out'), { overwrite: true })).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringContaining('was not made by a run'),
    });
    await rm(join(base, 'out.partial'), { recursive: true });
    await madeByRun('out');
    const out = await OutFolder.create(join(base, 'out'), { overwrite: true });
    await out.publish();
    expect((await readdir(base)).sort()).toEqual(['out', 'out.replaced']);
    expect(await readdir(join(base, 'out.replaced'))).toEqual(['mine']);
  });

  test('is looked at again before it is put in its place: what came meanwhile stays', async () => {
    const out = await OutFolder.create(join(base, 'out'));
    await out.writeJson('run.json', {});
    await mkdir(join(base, 'out'));
    await writeFile(join(base, 'out', 'thesis.txt'), 'mine');
    await expect(out.publish()).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
    expect(await readdir(join(base, 'out'))).toEqual(['thesis.txt']);
    expect(await readdir(out.staging)).toContain('run.json');
    out.leave();

    await madeByRun('other', 'model.safetensors');
    const other = await OutFolder.create(join(base, 'other'), { overwrite: true });
    await writeFile(join(base, 'other', 'notes.txt'), 'mine');
    await expect(other.publish()).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringContaining('notes.txt'),
    });
    expect(await readdir(join(base, 'other'))).toContain('notes.txt');
    await other.discard();
  });

  test('never begins over what the run reads, nor over files in the staging folder that no run wrote', async () => {
    const cutOff = await OutFolder.create(join(base, 'out'));
    await writeFile(join(cutOff.staging, 'model.safetensors'), '');
    cutOff.leave();
    const reading = { overwrite: true, inputs: [cutOff.staging] };
    await expect(OutFolder.create(join(base, 'out'), reading)).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: expect.stringContaining('the run reads it'),
    });
    await writeFile(join(cutOff.staging, 'notes.txt'), 'mine');
    await expect(OutFolder.create(join(base, 'out'), { overwrite: true })).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringContaining('holds notes.txt'),
    });
    expect((await readdir(cutOff.staging)).sort()).toEqual(['.soul-run.json', 'model.safetensors', 'notes.txt']);
  });

  test('can be entered by whom the umask lets in', async () => {
    const before = process.umask(0o022);
    try {
      const out = await OutFolder.create(join(base, 'out'));
      await out.publish();
      expect((await lstat(out.path)).mode & 0o777).toBe(0o755);
    } finally {
      process.umask(before);
    }
  });

  test("is one run's at a time; another is told whose it is", async () => {
    const first = await OutFolder.create(join(base, 'out'));
    first.openLog('metrics.jsonl')({ step: 1 });
    await expect(OutFolder.create(join(base, 'out'), { overwrite: true })).rejects.toMatchObject({
      code: 'SOUL_BUSY',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    expect(await readFile(join(first.staging, 'metrics.jsonl'), 'utf8')).toBe('{"step":1}\n');
    await first.publish();
    expect(await readdir(base)).toEqual(['out']);
  });

  test('leaves nothing when it is discarded, and begins anew over what a run that was cut off left', async () => {
    const killed = await OutFolder.create(join(base, 'out'));
    await killed.writeJson('config.json', {});
    killed.leave();
    const out = await OutFolder.create(join(base, 'out'));
    expect(await readdir(out.staging)).toEqual(['.soul-run.json']);
    out.openLog('metrics.jsonl')({ step: 1 });
    await out.discard();
    expect(await readdir(base)).toEqual([]);
  });

  test('must have room', async () => {
    const out = await OutFolder.create(join(base, 'out'));
    await out.requireSpace(1);
    await expect(out.requireSpace(2 ** 60)).rejects.toMatchObject({ code: 'SOUL_FILE_SYSTEM' });
    await out.discard();
  });
});
