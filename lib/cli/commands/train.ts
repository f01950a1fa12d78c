/**
 * `soul train`: plain fine-tuning through the loop that unlearning uses.
 *
 * @module
 */

import { Command } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { path } from '../arguments.ts';
import { readConfiguration } from '../configuration.ts';
import { exampleText, RequiredOption } from '../options.ts';
import { addRunOptions, performRun, type RunOptions, runSettings } from '../run-options.ts';
import { type CommandResult, printing } from '../terminal.ts';

interface TrainOptions extends RunOptions {
  data?: string;
}

export function trainCommand(): Command {
  const data = new RequiredOption(
    '--data <file>',
    'examples to learn, a JSON object a line: question and answer, or prompt and completion',
  ).argParser(path);
  const command = new Command('train').description('Fine-tunes a model on examples.');
  return addRunOptions(command, { needed: [data] }, { optimizer: 'adamw' })
    .addHelpText(
      'after',
      exampleText('soul train --model ./model --data examples.jsonl --epochs 3 --out ./model-tuned'),
    )
    .action(printing(train));
}

async function train(options: TrainOptions): Promise<CommandResult> {
  const { config } = options;
  const file = await readConfiguration(config);
  const method = 'finetune';
  if ((file.method ?? method) !== method || file.algorithmFile !== undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${config} is for the method ${file.method ?? `of ${file.algorithmFile}`}; run it with: soul unlearn --config ${config}`,
      { argument: 'method', file: config },
    );
  }
  const given = {
    ...runSettings(options),
    ...(options.data === undefined ? {} : { target: options.data }),
    method,
  } as const;
  const words = { target: 'train', targetOption: '--data', verb: 'training', optimizer: 'adamw' } as const;
  return performRun({ file, given, isOwnMethod: true }, options, words);
}
