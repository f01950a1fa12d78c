import { describe, expect, test } from '@jest/globals';
import { SoulError } from '../../lib/core/errors.ts';
import { gibibytes, takingMemory, wantedFor } from '../../lib/core/out-of-memory.ts';
import { withMemoryAdvice } from '../../lib/run/run-memory.ts';
import { cancellableCall } from '../../lib/torch/cancellable-call.ts';

const failure = () => new SoulError('SOUL_OUT_OF_MEMORY', "it can't allocate memory: 3221225472 bytes were asked for");

describe('errors of memory', () => {
  test('say for what, once, and count in GiB', () => {
    const take = () =>
      takingMemory('a copy', () => {
        throw failure();
      });
    expect(take).toThrow("there is not enough memory for a copy: it can't allocate memory: 3.00 GiB were asked for");
    const once = wantedFor('a copy', failure());
    expect(wantedFor('more', once)).toBe(once);
    expect((once as SoulError).details).toEqual({ wantedFor: 'a copy' });
    const other = new SoulError('SOUL_NON_FINITE', '3221225472 bytes');
    expect(wantedFor('a copy', other)).toBe(other);
    expect([5 * 2 ** 20, 2 ** 30 * 1.5].map(gibibytes)).toEqual(['5 MiB', '1.50 GiB']);
  });

  test('of the engine name the work, with and without a signal', async () => {
    for (const signal of [undefined, new AbortController().signal]) {
      await expect(cancellableCall(signal, 'a forward pass', () => Promise.reject(failure()))).rejects.toThrow(
        'not enough memory for a forward pass',
      );
    }
  });

  test('of a run name the options that take less', () => {
    const advised = withMemoryAdvice(wantedFor('the weights', failure())) as SoulError;
    for (const option of ['--batch-tokens', '--micro-batch-size', '--checkpoint-activations', '--dtype', '--states']) {
      expect(advised.message).toContain(option);
    }
    expect(advised).toMatchObject({ code: 'SOUL_OUT_OF_MEMORY', details: { wantedFor: 'the weights' } });
    const other = new Error('other');
    expect(withMemoryAdvice(other)).toBe(other);
  });
});
