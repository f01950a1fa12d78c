/**
 * Runs on a file system that becomes full: a tmpfs of fixed size, of which files take a part away. Wherever that is, in a checkpoint, in
 * the logs or in the model, the run ends with one clear error and its last checkpoint stays; with room again it goes on from there to the
 * bits of a run that was left alone.
 *
 *     npm run fill-disk -- --times 20             # sizes of each way; it takes root, for mount
 *
 * @module
 */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freeBytes } from '../lib/core/files.ts';
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
const sizeMebibytes = 32;

async function onSmallDisk(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'soul-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMebibytes}m`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    await rm(folder, { recursive: true });
    process.stdout.write('skipped: a tmpfs cannot be mounted here (it takes root)\n');
    return;
  }
  try {
    await work(folder);
  } finally {
    execFileSync('umount', [folder]);
    await rm(folder, { recursive: true });
  }
}

/** Bytes that a run of a way takes at the most, and what it comes to, when it is left alone. */
async function alone(place: Workplace, way: (typeof ways)[number], disk: string) {
  const empty = await freeBytes(disk);
  let least = empty;
  const { code, errors } = await soul(place.words(way, `disk/${way}-alone`), (child) => {
    const poll = setInterval(async () => {
      least = Math.min(least, await freeBytes(disk));
    }, 2);
    child.on('close', () => clearInterval(poll));
  });
  requireThat(code === 0, `${way}: ${errors}`);
  const expected = await outcomeOf(place.path(`disk/${way}-alone`));
  await rm(place.path(`disk/${way}-alone`), { recursive: true });
  return { most: empty - least, expected };
}

await withWorkplace(async (place) => {
  const disk = place.path('disk');
  await onSmallDisk(async (folder) => {
    await symlink(folder, disk);
    for (const way of ways) {
      const { most, expected } = await alone(place, way, disk);
      let [failed, resumed, passed] = [0, 0, 0];
      for (let round = 0; round < times; round++) {
        const out = `disk/${way}-${round}`;
        const taken = join(disk, 'taken');
        const room = Math.floor(random() * most * 1.1);
        await writeFile(taken, Buffer.alloc(Math.max(0, (await freeBytes(disk)) - room)));
        const full = await soul([...place.words(way, out), '--resume']);
        await rm(taken);
        if (full.code !== 0) {
          failed += 1;
          const lines = full.errors.split('\n').filter((line) => line.startsWith('soul: '));
          requireThat(full.code === 1 && lines.length === 1, `${way}: ended with ${full.code}: ${full.errors}`);
          requireThat(/no space|are free/i.test(lines[0]!), `${way}: the error does not speak of space: ${lines[0]}`);
          const again = await soul([...place.words(way, out), '--resume']);
          requireThat(again.code === 0, `${way}: not resumed: ${again.errors}`);
          if (/^note: going on from/m.test(again.errors)) resumed += 1;
        } else passed += 1;
        requireOutcome(await outcomeOf(place.path(out)), expected, `${way}, seed ${seed}, run ${round}`);
        await rm(place.path(out), { recursive: true });
        requireThat(!existsSync(`${place.path(out)}.partial`), `${way}: something was left`);
      }
      process.stdout.write(
        `${way}: ${times} sizes, ${failed} runs out of space, of which ${resumed} went on from a checkpoint, ${passed} had room; all the same bits\n`,
      );
    }
  });
});
