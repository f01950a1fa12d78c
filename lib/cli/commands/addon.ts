/**
 * `soul addon build`: builds the optimizer addon where no prebuilt binary fits.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { Command } from 'commander';
import { addonStatus } from '../../core/addon.ts';
import { describeDevices } from '../../core/devices.ts';
import { SoulError } from '../../core/errors.ts';
import { packageRoot } from '../../core/package.ts';
import { type OutputOptions, printResult } from '../terminal.ts';

interface BuildOptions extends OutputOptions {
  force?: boolean;
}

export function addonCommand(): Command {
  const addon = new Command('addon').description('the native addon with the optimizer kernels');
  addon
    .command('build')
    .description(
      'build the addon from source, for the CPU, where none is there; needs a C++20 compiler, make and Python',
    )
    .option(
      '--force',
      'build in any case; what is built is then loaded in place of a prebuilt addon, code for GPUs and all',
    )
    .option('--json', 'print the result as JSON on stdout')
    .action((options: BuildOptions) => {
      const status = addonStatus();
      const reason = status.loaded && !options.force ? reasonToKeep(status.path) : undefined;
      if (status.loaded && reason !== undefined) {
        const text = `nothing was built: ${reason}; --force builds all the same`;
        return printResult(options, { built: false, path: status.path, reason }, text);
      }
      const words = [join(packageRoot, 'scripts', 'build-addon.mjs'), ...(options.force ? ['--force'] : [])];
      // What the builder says is no result.
      if (spawnSync(process.execPath, words, { stdio: ['ignore', 2, 2] }).status !== 0) {
        throw new SoulError('SOUL_ADDON_MISSING', 'the addon could not be built; the lines above say why');
      }
      const path = join(packageRoot, 'build', 'Release', 'soul.node');
      printResult(options, { built: true, path }, `the addon is in ${path}`);
    });
  return addon;
}

/** Why the addon that loads is better than what would be built and take its place; undefined where it is not. */
function reasonToKeep(path: string): string | undefined {
  const gpus = describeDevices().cuda.deviceCode ? ' with code for GPUs' : '';
  if (basename(dirname(dirname(path))) === 'prebuilds') {
    return `the package's prebuilt addon${gpus} loads here (${path}), and what is built would take its place`;
  }
  return gpus === '' ? undefined : `an addon${gpus} is there already (${path}), and what is built is for the CPU alone`;
}
