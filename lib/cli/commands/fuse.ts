/**
 * `soul fuse`: unlearning layers of several deletions become one.
 *
 * @module
 */

import { Argument, Command, Option } from 'commander';
import { withoutUndefined } from '../../core/optional.ts';
import { fuseFolders } from '../../unlearn/fusion/fuse-folders.ts';
import { number, path } from '../arguments.ts';
import { addOutputOptions, RequiredOption } from '../options.ts';
import { performWork } from '../perform-work.ts';
import { progressOn } from '../progress.ts';
import { requireNoRecord } from '../recorded-folder.ts';
import { type CommandResult, type OutputOptions, printing } from '../terminal.ts';

interface FuseOptions extends OutputOptions {
  out: string;
  base?: string;
  ridge?: number;
  overwrite?: boolean;
}

export function fuseCommand(): Command {
  const command = new Command('fuse')
    .description(
      'Fuses the unlearning layers of several deletions from one model into one set, by least squares: to what each was trained to forget it does what that one did (EUL, arXiv 2310.20150).',
    )
    .addArgument(
      new Argument('<folders...>', 'unlearning layers, each with the gram_matrices.safetensors of its own data set'),
    )
    .optionsGroup('Needed:')
    .addOption(new RequiredOption('--out <folder>', 'where the fused layers go').argParser(path))
    .optionsGroup('Options:')
    .addOption(new Option('--base <folder>', 'the model that all belong to (default: what they name)').argParser(path))
    .addOption(
      new Option(
        '--ridge <number>',
        "how much the layers themselves count beside what they do, as a share of the matrices' mean diagonal (default: 1e-6)",
      ).argParser(number({ low: 0 })),
    )
    .option('--overwrite', 'replace unlearning layers that are in --out already');
  return addOutputOptions(command.optionsGroup('Output:'))
    .addHelpText('after', '\nExample:\n  soul fuse ./deletion-1 ./deletion-2 ./deletion-3 --out ./fused')
    .action((folders: string[], options: FuseOptions) =>
      printing((given: FuseOptions) => fuse(folders, given))(options),
    );
}

async function fuse(folders: readonly string[], options: FuseOptions): Promise<CommandResult> {
  const { out, base, ridge, overwrite } = options;
  await requireNoRecord(out);
  const progress = progressOn('fusing', options);
  const fused = await performWork(progress, (signal) =>
    fuseFolders(folders, out, {
      ...withoutUndefined({ base, ridge, overwrite }),
      signal,
      onProgress: (done, total) => progress.update(done, total),
    }),
  );
  const { config, layers } = fused;
  return {
    result: { out, folders, base: fused.base, layers, bottleneck: config.bottleneck, activation: config.activation },
    text:
      `${folders.length} sets of unlearning layers are fused in ${out}: ${layers} layers, a bottleneck of ${config.bottleneck}, for ` +
      `the model ${fused.base}.`,
  };
}
