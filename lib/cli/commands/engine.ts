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
import { path } from '../arguments.ts';
import { addOutputOptions } from '../options.ts';
import { performWork } from '../perform-work.ts';
import { progressOn } from '../progress.ts';
import { type OutputOptions, printing } from '../terminal.ts';

interface InstallOptions extends OutputOptions {
  cpu?: boolean;
  cuda?: boolean;
  libtorch?: string;
  force?: boolean;
}

export function engineCommand(): Command {
  const engine = new Command('engine').description(
    'Installs the engine that runs models, libtorch, or says what is there.',
  );
  const install = engine
    .command('install')
    .description(
      'Fetches libtorch (PyTorch without Python) and builds the engine for it, once. Needs Python with pip, cmake and a C++20 compiler.',
    )
    .option('--cpu', 'the build of libtorch for the CPU; the default, unless a libtorch is there already')
    .addOption(
      new Option(
        '--cuda',
        'the build for NVIDIA GPUs on Linux: about 3 GB with the nvidia libraries that it depends on',
      ).conflicts('cpu'),
    )
    .addOption(
      new Option('--libtorch <folder>', 'use a libtorch that is there already: a folder with lib and include')
        .argParser(path)
        .conflicts(['cpu', 'cuda']),
    )
    .option('--force', 'install again what is there');
  addOutputOptions(install).action(
    printing(async (options: InstallOptions) => {
      const progress = progressOn('engine', options);
      const installed = await performWork(progress, (signal) =>
        installEngine({
          ...(options.cuda ? { variant: 'cuda' } : options.cpu ? { variant: 'cpu' } : {}),
          force: options.force ?? false,
          ...(options.libtorch === undefined ? {} : { libtorch: options.libtorch }),
          // A warning stays; all else is shown for as long as it lasts.
          onProgress: (line) => (line.startsWith('warning: ') ? progress.warn : progress.phase)(`engine: ${line}`),
          signal,
        }),
      );
      const text = `engine: ready, libtorch ${installed.torchVersion}, ${installed.binary}`;
      return { result: installed, text };
    }),
  );
  engine
    .command('status')
    .description('Says whether the engine is installed, and where. Exit code 3 if it is not.')
    .option('--json', 'print the result as one JSON object instead of text')
    .option('--quiet', 'print nothing if it is installed')
    .action(
      printing(async (options: OutputOptions) => {
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
        if (options.quiet) return undefined;
        return { result: status, text: `installed: libtorch ${status.torchVersion}, ${status.binary}` };
      }),
    );
  return engine;
}
