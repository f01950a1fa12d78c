/**
 * `soul train`: plain fine-tuning through the loop that unlearning uses.
 *
 * @module
 */

import { Command } from 'commander';
import { path } from '../arguments.ts';
import { exampleText, RequiredOption } from '../options.ts';
import { addRunOptions, performRun, type RunOptions, runSettings } from '../run-options.ts';
import { printing } from '../terminal.ts';

interface TrainOptions extends RunOptions {
  data: string;
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
    .action(
      printing((options: TrainOptions) =>
        performRun({ ...runSettings(options), target: options.data, method: 'finetune' }, options, {
          target: 'train',
          verb: 'training',
        }),
      ),
    );
}
