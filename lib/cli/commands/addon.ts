/**
 * `soul addon build`: builds the optimizer addon where no prebuilt binary fits.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Command } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { packageRoot } from '../../core/package.ts';

export function addonCommand(): Command {
  const addon = new Command('addon').description('the native addon with the optimizer kernels');
  addon
    .command('build')
    .description('build the addon from source, for the CPU; needs a C++20 compiler, make and Python')
    .option('--force', 'build even when the present build is up to date')
    .action(({ force }: { force?: boolean }) => {
      const words = [join(packageRoot, 'scripts', 'build-addon.mjs'), ...(force ? ['--force'] : [])];
      if (spawnSync(process.execPath, words, { stdio: 'inherit' }).status !== 0) {
        throw new SoulError('SOUL_ADDON_MISSING', 'the addon could not be built; the lines above say why');
      }
    });
  return addon;
}
