import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { describeWithEngine } from './engine-available.ts';

function play(scene: string): string {
  const child = fileURLToPath(new URL('./lifecycle-child.ts', import.meta.url));
  const words = ['--expose-gc', '--import', 'tsx', child, scene];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${scene} ended with ${signal ?? status}: ${stderr}`);
  return stdout;
}

describeWithEngine('the life of a process', () => {
  test('it may end while the engine works', () => {
    play('exit');
  });

  test('its workers may end while the engine works for them', () => {
    play('workers');
  });

  test('a released model gives its memory back once its work is done, though it stays reachable', () => {
    expect(JSON.parse(play('release'))).toEqual({ kept: 0, finished: 4 * 39, released: true });
  });

  test('of models on one base each gives back its adapters, the last the base, though they stay reachable', () => {
    expect(JSON.parse(play('forks'))).toEqual({
      first: [true, false, false, true, true],
      last: [false, false, false, false, false],
      finished: 4 * 39,
      released: [true, true],
    });
  });

  test('its memory does not grow with the number of steps, nor with what is forgotten', () => {
    const { grown } = JSON.parse(play('memory')) as { grown: number };
    // One graph of these batches takes 2 MB, one model 1.2 MB: what is kept by mistake would show.
    expect(grown).toBeLessThan(24 * 2 ** 20);
  });
});
