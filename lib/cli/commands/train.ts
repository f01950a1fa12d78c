/**
 * `soul train`: plain fine-tuning through the loop that unlearning uses.
 *
 * @module
 */

import { Command } from 'commander';
import { SoulError } from '../../core/errors.ts';
import type { RunSettings } from '../../run/settings.ts';
import { exampleText } from '../options.ts';
import { performRun } from '../perform-run.ts';
import { configurationOf } from '../resume.ts';
import { addRunOptions, type RunOptions } from '../run-options.ts';
import { type CommandResult, printing } from '../terminal.ts';

export function trainCommand(): Command {
  const command = new Command('train').description('Fine-tunes a model on examples.');
  const settingsOf = addRunOptions(command, 'train', { optimizer: 'adamw' });
  return command
    .addHelpText(
      'after',
      exampleText('soul train --model ./model --data examples.jsonl --epochs 3 --out ./model-tuned'),
    )
    .action(printing((options: RunOptions) => train(options, settingsOf(options))));
}

async function train(options: RunOptions, settings: Partial<RunSettings>): Promise<CommandResult> {
  const { config } = options;
  const configuration = await configurationOf(options, settings);
  const file = configuration.settings;
  const method = 'finetune';
  if ((file.method ?? method) !== method || file.algorithmFile !== undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${config ?? 'the run'} is for the method ${file.method ?? `of ${file.algorithmFile}`}; run it with: soul unlearn ${config === undefined ? '--resume' : `--config ${config}`}`,
      { argument: 'method', file: config },
    );
  }
  const words = {
    command: 'train',
    target: 'train',
    targetOption: '--data',
    verb: 'training',
    optimizer: 'adamw',
  } as const;
  return performRun({ configuration, given: { ...settings, method }, isOwnMethod: true }, options, words);
}
