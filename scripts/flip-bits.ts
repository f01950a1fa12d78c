/**
 * Damages checkpoints: flips a bit of a file, cuts one short, or removes one. The run must go on from the newest that is whole, to the bits
 * of a run that was left alone, or, where none is whole, say so in one error.
 *
 *     npm run flip-bits -- --times 20             # damages of each way
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  outcomeOf,
  randomNumbers,
  readOptions,
  requireOutcome,
  requireThat,
  soul,
  type Workplace,
  withWorkplace,
} from './broken-runs.ts';

const { times, ways, seed } = readOptions(20);
const random = randomNumbers(seed);
const oneOf = <Entry>(entries: readonly Entry[]): Entry => entries[Math.floor(random() * entries.length)]!;

/** Leaves a staging folder with three checkpoints at the least, by a kill. */
async function cutOff(place: Workplace, way: (typeof ways)[number], out: string): Promise<void> {
  const folder = `${place.path(out)}.partial/checkpoints`;
  const words = [...place.words(way, out), '--keep', '3'];
  const { signal, errors } = await soul(words, (child) => {
    const poll = setInterval(async () => {
      const names = existsSync(folder) ? await readdir(folder) : [];
      // The fourth, so that nothing is half removed.
      if (names.some((name) => /-00000[4-9]$/.test(name))) child.kill('SIGKILL');
    }, 1);
    child.on('close', () => clearInterval(poll));
  });
  requireThat(signal === 'SIGKILL', `${way}: ended before it was killed: ${errors}`);
}

/** Damages a file of a checkpoint. */
async function damage(checkpoint: string): Promise<string> {
  const name = oneOf(await readdir(checkpoint));
  const path = join(checkpoint, name);
  const bytes = await readFile(path);
  const way = oneOf(['flip', 'flip', 'flip', 'cut', 'remove'] as const);
  if (way === 'remove') await rm(path);
  else if (way === 'cut') await truncate(path, Math.floor(random() * bytes.length));
  else {
    bytes[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8);
    await writeFile(path, bytes);
  }
  return `${way} ${name}`;
}

await withWorkplace(async (place) => {
  for (const way of ways) {
    const alone = await soul(place.words(way, `${way}-alone`));
    requireThat(alone.code === 0, `${way}: ${alone.errors}`);
    const expected = await outcomeOf(place.path(`${way}-alone`));
    await cutOff(place, way, `${way}-cut`);
    const counts = { resumed: 0, refused: 0 };
    for (let round = 0; round < times; round++) {
      const out = `${way}-${round}`;
      const partial = `${place.path(out)}.partial`;
      await cp(`${place.path(`${way}-cut`)}.partial`, partial, { recursive: true });
      const folder = join(partial, 'checkpoints');
      const names = (await readdir(folder)).filter((name) => !name.endsWith('.tmp')).sort();
      // Often one, at times all.
      const hit = names.slice(-1 - Math.floor(random() * names.length));
      const damages: string[] = [];
      for (const name of hit) damages.push(await damage(join(folder, name)));
      const { code, errors } = await soul([...place.words(way, out), '--resume']);
      const what = `${way}, seed ${seed}, run ${round} (${damages.join(', ')} of ${names.length})`;
      if (hit.length === names.length) {
        requireThat(code === 2 && errors.includes('no checkpoint in '), `${what}: ended with ${code}: ${errors}`);
        requireThat(existsSync(folder), `${what}: the checkpoints are gone`);
        counts.refused += 1;
      } else {
        requireThat(code === 0, `${what}: ended with ${code}: ${errors}`);
        const named = errors.split('\n').filter((line) => line.includes('is damaged'));
        requireThat(named.length === hit.length, `${what}: ${named.length} damaged checkpoints were named`);
        requireOutcome(await outcomeOf(place.path(out)), expected, what);
        counts.resumed += 1;
        await rm(place.path(out), { recursive: true });
      }
      await rm(partial, { recursive: true, force: true });
    }
    process.stdout.write(
      `${way}: ${times} damages, ${counts.resumed} runs went on from the last whole checkpoint to the same bits, ${counts.refused} had none and said so\n`,
    );
  }
});
