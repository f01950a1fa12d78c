/**
 * `soul engine`: installs libtorch and the engine built on it, or says what is there.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { soulCommand } from '../../core/package.ts';
import { describeEngine } from '../../torch/engine.ts';
import { installEngine } from '../../torch/install.ts';
import { progressOn } from '../progress.ts';
import { type OutputOptions, printResult } from '../terminal.ts';

interface InstallOptions extends OutputOptions {
  cpu?: boolean;
  cuda?: boolean;
  libtorch?: string;
  force?: boolean;
}

export function engineCommand(): Command {
  const engine = new Command('engine').description('the libtorch engine that runs models');
  engine
    .command('install')
    .description('fetch libtorch and build the engine for it, once; needs Python with pip, cmake and a C++20 compiler')
    .option('--cpu', 'the CPU build of libtorch (default, where no libtorch is there already)')
    .addOption(
      new Option(
        '--cuda',
        'the CUDA build, for NVIDIA GPUs on Linux: about 3 GB with the nvidia libraries that it depends on',
      ).conflicts('cpu'),
    )
    .addOption(
      new Option('--libtorch <folder>', 'a libtorch that is there already: a folder with lib and include').conflicts([
        'cpu',
        'cuda',
      ]),
    )
    .option('--force', 'install again what is there')
    .option('--json', 'print the result as JSON on stdout')
    .option('--quiet', 'no progress')
    .action(async (options: InstallOptions) => {
      const progress = progressOn('engine', { quiet: options.quiet ?? false });
      const installed = await installEngine({
        ...(options.cuda ? { variant: 'cuda' } : options.cpu ? { variant: 'cpu' } : {}),
        force: options.force ?? false,
        ...(options.libtorch === undefined ? {} : { libtorch: options.libtorch }),
        onProgress: (line) => progress.log(`engine: ${line}`),
      });
      printResult(options, installed, `engine: ready, libtorch ${installed.torchVersion}, ${installed.binary}`);
    });
  engine
    .command('status')
    .description('say whether the engine is installed, and where; exit code 3 when it is not')
    .option('--json', 'print the result as JSON on stdout')
    .option('--quiet', 'print nothing, only exit')
    .action(async (options: OutputOptions) => {
      const status = await describeEngine();
      if (!status.installed) {
        throw new SoulError(
          'SOUL_ENGINE_MISSING',
          `the libtorch engine is not installed; run: ${soulCommand('engine install')}`,
          {
            ...status,
          },
        );
      }
      if (!options.quiet) printResult(options, status, `installed: libtorch ${status.torchVersion}, ${status.binary}`);
    });
  return engine;
}
