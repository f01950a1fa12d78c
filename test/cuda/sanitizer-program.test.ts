import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { emulatedDriver, onEmulatedDevices, printed } from './set-up.ts';

test('the program for the sanitizer launches every kernel', () => {
  const folder = mkdtempSync(join(tmpdir(), 'soul-trace-'));
  try {
    const trace = join(folder, 'calls.txt');
    printed("await import('./test/cuda/sanitizer-program.ts');", {
      variables: { ...onEmulatedDevices, SOUL_EMULATED_TRACE: trace },
    });
    const launched = new Set(readFileSync(trace, 'utf8').match(/(?<=^ {2})soul_\w+/gm));
    // The stand-in finds kernels by their names, which therefore stand in it.
    const names = [...readFileSync(emulatedDriver, 'latin1').matchAll(/\0(soul_[a-z0-9_]+)(?=\0)/g)].map(
      ([, name]) => name!,
    );
    expect(names.length).toBeGreaterThan(50);
    // The emulator's own switch of fibers has such a name, too.
    expect(names.filter((name) => name !== 'soul_simt_switch' && !launched.has(name))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
