import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { runLogged } from '../../lib/torch/run-logged.ts';

let folder: string;
let log: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'soul-logged-'));
  log = join(folder, 'log.txt');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a tool is run to its end, and one that is not there has failed', async () => {
  const work = { signal: undefined };
  expect(await runLogged(log, 'sh', ['-c', 'echo one; echo two >&2'], work)).toEqual({
    succeeded: true,
    tail: 'one\ntwo',
  });
  expect((await runLogged(log, 'sh', ['-c', 'exit 3'], work)).succeeded).toBe(false);
  expect((await runLogged(log, join(folder, 'nowhere'), [], work)).succeeded).toBe(false);
});

test('a signal ends the tool and what it started', async () => {
  const controller = new AbortController();
  const [begun, left] = [join(folder, 'begun'), join(folder, 'left')];
  const script = `(trap 'exit 0' TERM; touch ${begun}; sleep 30 & wait; touch ${left}); touch ${left}`;
  const running = runLogged(log, 'sh', ['-c', script], { signal: controller.signal });
  while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort();
  await expect(running).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
  expect(existsSync(left)).toBe(false);
  await expect(runLogged(log, 'sh', ['-c', `touch ${left}`], { signal: controller.signal })).rejects.toMatchObject({
    code: 'SOUL_CANCELLED',
  });
  expect(existsSync(left)).toBe(false);
});
