/**
 * `soul addon build`: builds the optimizer addon where no prebuilt binary fits.
 *
 * @module
 */

import { spawn } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { Command } from 'commander';
import { addonStatus } from '../../core/addon.ts';
import { describeDevices } from '../../core/devices.ts';
import { SoulError } from '../../core/errors.ts';
import { packageRoot } from '../../core/package.ts';
import { type OutputOptions, printing } from '../terminal.ts';

interface BuildOptions extends OutputOptions {
  force?: boolean;
}

export function addonCommand(): Command {
  const addon = new Command('addon').description('Builds the native addon, which holds the optimizers.');
  addon
    .command('build')
    .description(
      'Builds the addon from source, for the CPU, if none is there. Needs a C++20 compiler, make and Python.',
    )
    .option(
      '--force',
      'build in any case; what is built is then loaded instead of a prebuilt addon, even one with code for GPUs',
    )
    .option('--json', 'print the result as one JSON object instead of text')
    .action(
      printing(async (options: BuildOptions) => {
        const status = addonStatus();
        const reason = status.loaded && !options.force ? reasonToKeep(status.path) : undefined;
        if (status.loaded && reason !== undefined) {
          const text = `nothing was built: ${reason}; --force builds all the same`;
          return { result: { built: false, path: status.path, reason }, text };
        }
        const words = [join(packageRoot, 'scripts', 'build-addon.mjs'), ...(options.force ? ['--force'] : [])];
        if (!(await build(words))) {
          throw new SoulError('SOUL_ADDON_MISSING', 'the addon could not be built; the lines above say why');
        }
        const path = join(packageRoot, 'build', 'Release', 'soul.node');
        return { result: { built: true, path }, text: `the addon is in ${path}` };
      }),
    );
  return addon;
}

/**
 * Runs the builder; what it says is no result, and goes to stderr. It goes through this process: a compiler that wrote to a
 * pipe whose reader went away would end there.
 */
function build(words: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    process.stderr.write('building the addon, which takes one to three minutes\n');
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const said of [child.stdout, child.stderr]) said.on('data', (text) => process.stderr.write(text));
    child.on('error', () => resolve(false));
    child.on('close', (status) => resolve(status === 0));
  });
}

/** Why the addon that loads is better than what would be built and take its place; undefined where it is not. */
function reasonToKeep(path: string): string | undefined {
  const gpus = describeDevices().cuda.deviceCode ? ' with code for GPUs' : '';
  if (basename(dirname(dirname(path))) === 'prebuilds') {
    return `the package's prebuilt addon${gpus} loads here (${path}), and what is built would take its place`;
  }
  return gpus === '' ? undefined : `an addon${gpus} is there already (${path}), and what is built is for the CPU alone`;
}
