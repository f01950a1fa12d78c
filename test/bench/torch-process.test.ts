import { expect, test } from '@jest/globals';
import { TorchProcess } from '../../bench/peers/torch-process.ts';
import { SoulError } from '../../lib/index.ts';

test('a Python that is missing is named, with how to get torch', async () => {
  const error: unknown = await TorchProcess.start('no-such-python', 1).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SoulError);
  expect((error as SoulError).code).toBe('SOUL_NOT_FOUND');
  expect((error as SoulError).message).toMatch(/no-such-python.*pip install torch==2\.13\.0/s);
});

test('what Python complains of is passed on', async () => {
  // Node does not know what to do with a file of Python.
  await expect(TorchProcess.start(process.execPath, 1)).rejects.toThrow(/torch_worker\.py.*pip install torch/s);
});
