/**
 * `--resume` without the settings of the run: they are those of its checkpoint.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { settingsOfCheckpoint } from '../run/checkpoints/settings-of-checkpoint.ts';
import type { RunSettings } from '../run/settings.ts';
import { type Configuration, readConfiguration } from './configuration.ts';

/** What the options say of where settings come from. */
export interface ConfigurationSource {
  readonly config?: string;
  readonly resume?: boolean;
}

/**
 * The configuration of a run: that of `--config`, or, where a run is gone on with and the command line does not have all that a run
 * needs, of its newest checkpoint.
 *
 * @throws SoulError of {@link readConfiguration}; SOUL_INVALID_ARGUMENT without `--out`; SOUL_NOT_FOUND where there is no checkpoint
 */
export async function configurationOf(
  { config, resume }: ConfigurationSource,
  { model, target, out }: Partial<RunSettings>,
): Promise<Configuration> {
  if (!resume || config !== undefined || (model !== undefined && target !== undefined))
    return readConfiguration(config);
  if (out === undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'name the out folder of the run that is to go on (--out)', {
      argument: 'out',
    });
  }
  return { settings: await settingsOfCheckpoint(out) };
}
