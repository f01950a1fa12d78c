/**
 * The settings of a run that was cut off, from its newest checkpoint.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { packageVersion } from '../../core/package.ts';
import { tidyPublished } from '../published-folder.ts';
import type { RunSettings } from '../settings.ts';
import { runSettingsFromJson } from '../settings-json.ts';
import { checkpointsOf, placeOf } from '../staging-folder.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { type RunState, runStateFromJson } from './run-state.ts';

/**
 * What the newest whole checkpoint of a folder says of the run's settings, as run.json has them; undefined where there never was one.
 *
 * @throws SoulError of {@link CheckpointStore.newestWhole}
 */
export async function storedSettings(folder: string): Promise<RunState['settings'] | undefined> {
  const store = await CheckpointStore.open(folder, { tidy: false });
  const stored = await store.newestWhole(() => {}, { contentOnly: true });
  return stored && runStateFromJson(stored.run).settings;
}

/**
 * The settings of the run to this folder, to go on with it: a complete set, which `runTraining` takes with `resume: true`. An algorithm
 * of one's own has its name there alone, and is to be given again as `method`.
 *
 * @throws SoulError SOUL_NOT_FOUND where there is no checkpoint, SOUL_EXISTS where the run is done; of {@link storedSettings}
 */
export async function settingsOfCheckpoint(out: string): Promise<RunSettings> {
  const folder = await checkpointsOf(out);
  const settings = await storedSettings(folder);
  if (settings) {
    const read = runSettingsFromJson({ package: { version: packageVersion }, settings });
    // To overwrite was asked for then, and the run is the same. A checkpoint lacks no setting.
    return { ...(read as RunSettings), out, overwrite: settings.overwrite === true };
  }
  if (await exists(out)) {
    await tidyPublished(await placeOf(out));
    throw new SoulError(
      'SOUL_EXISTS',
      `${out} is there, and no checkpoint of a run to it: nothing is left to go on with`,
      {
        path: out,
      },
    );
  }
  throw new SoulError(
    'SOUL_NOT_FOUND',
    `there is no checkpoint of a run to ${out} (${folder}); to begin one, give all that it needs`,
    { path: folder },
  );
}
