/**
 * `soul train`: plain fine-tuning through the loop that unlearning uses.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { addRunOptions, performRun, type RunOptions, runSettings } from '../run-options.ts';

interface TrainOptions extends RunOptions {
  data: string;
}

export function trainCommand(): Command {
  const data = new Option('--data <file>', 'JSON lines: question and answer, or prompt and completion');
  const command = new Command('train').description('Fine-tunes a model on examples.');
  return addRunOptions(command, [data.makeOptionMandatory()], { optimizer: 'adamw' })
    .addHelpText(
      'after',
      '\nExample:\n  soul train --model ./model --data examples.jsonl --epochs 3 --out ./model-tuned',
    )
    .action((options: TrainOptions) =>
      performRun({ ...runSettings(options), target: options.data, method: 'finetune' }, options, {
        target: 'train',
        verb: 'training',
      }),
    );
}
