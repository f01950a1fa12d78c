import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { TorchError, TorchPeer, TorchProcess } from '../../bench/peers/torch-process.ts';
import { SoulError } from '../../lib/index.ts';

const worker = fileURLToPath(new URL('scripted-worker.mjs', import.meta.url));
const caseThat = (then: string) => ({ prepare: 'AdamW', with: { then } }) as const;
const peer = new TorchPeer(process.execPath, { threads: 2, script: worker });

afterEach(() => peer.stop());

test('a Python that is missing is named, with how to get torch', async () => {
  const error: unknown = await TorchProcess.start('no-such-python', { threads: 1 }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SoulError);
  expect((error as SoulError).code).toBe('SOUL_NOT_FOUND');
  expect((error as SoulError).message).toMatch(/no-such-python.*pip install torch==2\.13\.0/s);
});

test('what Python complains of is passed on', async () => {
  // Node does not know what to do with a file of Python.
  await expect(TorchProcess.start(process.execPath, { threads: 1 })).rejects.toThrow(
    /torch_worker\.py.*pip install torch/s,
  );
});

test('a case that fails says why, and leaves the process as it is', async () => {
  const [before] = await (await peer.prepare(caseThat('work'))).run(1);
  await expect(peer.prepare(caseThat('fail'))).rejects.toThrow(new TorchError('RuntimeError: no compiler'));
  expect(await (await peer.prepare(caseThat('work'))).run(2)).toEqual([before, before]);
  await peer.release();
});

test('the number that the first call of a case gives is kept until the next case', async () => {
  expect((await peer.prepare(caseThat('count'))).firstResult).toBe(512);
  expect((await peer.prepare(caseThat('work'))).firstResult).toBeUndefined();
});

test.each([
  ['exit', /was ended with exit code 3: MemoryError: 3 GiB$/],
  ['kill', /was ended/],
  ['half', /was ended/],
])('a process that ends (%s) says how, and is started anew', async (then, reason) => {
  const [before] = await (await peer.prepare(caseThat('work'))).run(1);
  const error: unknown = await peer.prepare(caseThat(then)).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TorchError);
  expect((error as Error).message).toMatch(reason);
  await peer.release();
  const [after] = await (await peer.prepare(caseThat('work'))).run(1);
  expect(after).not.toBe(before);
  expect(await peer.describe()).toMatchObject({ threads: 2 });
});
