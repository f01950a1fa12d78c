/**
 * `soul merge`: adapters folded into their base.
 *
 * @module
 */

import { Argument, Command, Option } from 'commander';
import { printable, SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { requireOtherThanBase } from '../../model/adapter/adapter-folder.ts';
import { adaptedModules } from '../../model/adapter/adapter-layout.ts';
import { readModelConfig } from '../../model/config.ts';
import { requireRoom } from '../../model/model-folder.ts';
import { mergeableAdapters, openOneOf } from '../../model/open-model-folder.ts';
import { TorchLM } from '../../torch/torch-lm.ts';
import { path } from '../arguments.ts';
import { threadsOption } from '../model-options.ts';
import { addOutputOptions, choiceOption, RequiredOption } from '../options.ts';
import { performWork } from '../perform-work.ts';
import { progressOn } from '../progress.ts';
import { requireNoRecord } from '../recorded-folder.ts';
import { type CommandResult, type OutputOptions, printing } from '../terminal.ts';

interface MergeOptions extends OutputOptions {
  out: string;
  base?: string;
  dtype?: 'f32' | 'bf16';
  threads?: number;
  overwrite?: boolean;
}

export function mergeCommand(): Command {
  const command = new Command('merge')
    .description(
      'Folds adapters into the weights of their base and writes a whole model, like every other. What adapters made a model forget can be had back by taking them off; of the merged model that is no longer so.',
    )
    .addArgument(new Argument('<adapter>', 'the folder of the adapters, as PEFT writes it').argParser(path))
    .optionsGroup('Needed:')
    .addOption(new RequiredOption('--out <folder>', 'where the model is written').argParser(path))
    .optionsGroup('Options:')
    .addOption(
      new Option(
        '--base <folder>',
        'the model that the adapters belong to (default: what their adapter_config.json names)',
      ).argParser(path),
    )
    .addOption(
      choiceOption(
        '--dtype <name>',
        "number format of the merged weights; sums are float32 and rounded once (default: bf16 where the base's config.json says so, else f32)",
        ['f32', 'bf16'],
      ),
    )
    .addOption(threadsOption('threads (default: all that this process may use)'))
    .option('--overwrite', 'replace a model that is in the output folder');
  return addOutputOptions(command.optionsGroup('Output:'))
    .addHelpText('after', '\nExample:\n  soul merge ./runs/npo --out ./runs/npo-merged')
    .action((adapter: string, options: MergeOptions) =>
      printing((given: MergeOptions) => merge(adapter, given))(options),
    );
}

async function merge(adapter: string, options: MergeOptions): Promise<CommandResult> {
  const { out, threads, overwrite = false } = options;
  const progress = progressOn('merging', options);
  return performWork(progress, async (signal) => {
    const opened = await openOneOf(adapter, options.base);
    const stored = await mergeableAdapters(adapter, opened);
    if (stored === undefined) {
      throw new SoulError('SOUL_INVALID_ARGUMENT', `${adapter} is a whole model: there is nothing to merge`, {
        argument: 'adapter',
      });
    }
    const { model: base } = opened;
    const config = await readModelConfig(base);
    await requireOtherThanBase(out, base);
    await requireNoRecord(out);
    await requireRoom(out, overwrite);
    const { dtype = storedDType(config.source) } = options;
    progress.phase('loading the base and its adapters');
    const onNote = (note: string) => progress.note(note);
    const model = await TorchLM.load(adapter, { base, dtype, signal, onNote, ...withoutUndefined({ threads }) });
    try {
      progress.phase('merging and writing');
      await model.saveMerged(out, { overwrite, signal });
      const { rank, alpha, targets, rankStabilised } = stored;
      const matrices = adaptedModules(config, stored).length;
      return {
        result: { adapter, base, out, dtype, rank, alpha, rankStabilised, targets, matrices },
        text: `${printable(out)}: ${printable(base)} with the adapters of ${matrices} matrices folded in, in ${dtype}`,
      };
    } finally {
      model.release();
    }
  });
}

function storedDType({ dtype, torch_dtype: older }: Readonly<Record<string, unknown>>): 'f32' | 'bf16' {
  return (dtype ?? older) === 'bfloat16' ? 'bf16' : 'f32';
}
