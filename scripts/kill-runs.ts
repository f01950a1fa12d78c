/**
 * Kills runs with SIGKILL, again and again, and resumes them: at random moments, while a checkpoint is written, and at the edge of every
 * part of a run. What they come to in the end must be what a run that was left alone comes to, bit for bit.
 *
 *     npm run kill-runs -- --times 100            # kills of each way; --ways adamw,wagle  --seed 7
 *
 * @module
 */

import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Ended,
  outcomeOf,
  randomNumbers,
  readOptions,
  requireOutcome,
  requireThat,
  soul,
  withWorkplace,
} from './broken-runs.ts';

const { times, ways, seed } = readOptions(100);
const random = randomNumbers(seed);

/** Moments at which a run is killed. */
const moments = ['at random', 'in a checkpoint', 'at an edge'] as const;

type Said = () => string;

/** Kills the process at such a moment; it may end before. */
function killAt(moment: (typeof moments)[number], partial: string, whole: number) {
  const draw = random();
  const delay = random() * 30;
  return (child: ChildProcess, said: Said) => {
    if (moment === 'at random') {
      const timer = setTimeout(() => child.kill('SIGKILL'), draw * whole);
      child.on('close', () => clearTimeout(timer));
      return;
    }
    // Which of the writes, or of the parts, of those that are to come.
    let left = 1 + Math.floor(draw * 8);
    let seen = '';
    const poll = setInterval(() => {
      const now = moment === 'in a checkpoint' ? writing(partial) : String(said().split('\n').length);
      if (now === seen || now === '') return;
      seen = now;
      left -= 1;
      if (left > 0) return;
      clearInterval(poll);
      if (moment === 'in a checkpoint') child.kill('SIGKILL');
      else setTimeout(() => child.kill('SIGKILL'), delay);
    }, 1);
    child.on('close', () => clearInterval(poll));
  };
}

/** The checkpoint that is being written, or removed. */
function writing(partial: string): string {
  const folder = join(partial, 'checkpoints');
  if (!existsSync(folder)) return '';
  try {
    return readdirSync(folder).find((name) => name.endsWith('.tmp')) ?? '';
  } catch {
    return '';
  }
}

await withWorkplace(async (place) => {
  for (const way of ways) {
    const alone = await soul(place.words(way, `${way}-alone`));
    requireThat(alone.code === 0, `${way}: ${alone.errors}`);
    const expected = await outcomeOf(place.path(`${way}-alone`));
    const kills = new Map<string, number>();
    let [done, finished, resumed] = [0, 0, 0];
    for (let round = 0; done < times; round++) {
      const out = `${way}-${round}`;
      const partial = `${place.path(out)}.partial`;
      for (;;) {
        const moment = moments[done % moments.length]!;
        const last = done >= times;
        const before = writing(partial);
        const watch = last ? undefined : killAt(moment, partial, alone.milliseconds);
        const ended: Ended = await soul([...place.words(way, out), '--resume'], watch);
        if (/^note: going on from/m.test(ended.errors)) resumed += 1;
        if (ended.signal === 'SIGKILL') {
          done += 1;
          const now = writing(partial);
          const inside = now !== '' && now !== before;
          const where = inside ? 'in a checkpoint' : moment === 'in a checkpoint' ? 'beside one' : moment;
          kills.set(where, (kills.get(where) ?? 0) + 1);
        }
        // Killed when all was done.
        if (ended.code === 0 || (!existsSync(partial) && existsSync(place.path(out)))) break;
        requireThat(ended.signal === 'SIGKILL', `${way}: ended with ${ended.code}: ${ended.errors}`);
      }
      requireOutcome(await outcomeOf(place.path(out)), expected, `${way}, seed ${seed}, run ${round}`);
      finished += 1;
    }
    const where = [...kills].map(([moment, count]) => `${count} ${moment}`).join(', ');
    process.stdout.write(
      `${way}: ${done} kills (${where}), ${resumed} times resumed, ${finished} runs to their end, all the same bits\n`,
    );
  }
});
