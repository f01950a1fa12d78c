/**
 * `soul unlearn`: makes a model forget a set of examples.
 *
 * @module
 */

import { Command } from 'commander';
import type { RunSettings } from '../../run/settings.ts';
import { type MethodOptions, methodOptions, unlearningRun } from '../method-choice.ts';
import { exampleText } from '../options.ts';
import { performRun } from '../perform-run.ts';
import { configurationOf } from '../resume.ts';
import { addRunOptions, type RunOptions } from '../run-options.ts';
import { type CommandResult, printing } from '../terminal.ts';

export function unlearnCommand(): Command {
  const command = new Command('unlearn').description(
    'Makes a model forget the examples of one file while it keeps those of another.',
  );
  const settingsOf = addRunOptions(command, 'unlearn', { optimizer: 'sophia', own: methodOptions() });
  return command
    .addHelpText(
      'after',
      exampleText(
        'soul unlearn --model ./model --forget forget.jsonl --retain retain.jsonl --method npo --out ./model-unlearned',
      ),
    )
    .action(printing((options: RunOptions & MethodOptions) => unlearn(options, settingsOf(options))));
}

async function unlearn(options: RunOptions & MethodOptions, settings: Partial<RunSettings>): Promise<CommandResult> {
  const run = await unlearningRun(options, await configurationOf(options, settings), settings);
  const words = {
    command: 'unlearn',
    target: 'forget',
    targetOption: '--forget',
    verb: 'unlearning',
    optimizer: 'sophia',
  } as const;
  return performRun(run, options, words);
}
