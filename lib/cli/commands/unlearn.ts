/**
 * `soul unlearn`: makes a model forget a set of examples.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { type MethodName, methodNames } from '../../unlearn/methods.ts';
import { numberAtLeast } from '../arguments.ts';
import { addRunOptions, performRun, type RunOptions, runSettings } from '../run-options.ts';

interface UnlearnOptions extends RunOptions {
  forget: string;
  retain?: string;
  objective: MethodName;
  forgetWeight?: number;
  retainWeight?: number;
  beta?: number;
  reduction?: 'sum' | 'mean';
  pairing?: 'fresh' | 'fixed';
  refusals?: string;
  hessianData?: 'retain' | 'forget' | 'both';
}

export function unlearnCommand(): Command {
  const command = new Command('unlearn').description(
    'Makes a model forget the examples of one file while it keeps those of another.',
  );
  return addRunOptions(command, ownOptions(), { optimizer: 'sophia' })
    .addHelpText(
      'after',
      '\nExample:\n  soul unlearn --model ./model --forget forget.jsonl --retain retain.jsonl --objective npo --out ./model-unlearned',
    )
    .action(async (options: UnlearnOptions) => {
      if (options.objective !== 'npo' && (options.beta !== undefined || options.reduction !== undefined)) {
        throw new SoulError(
          'SOUL_INVALID_ARGUMENT',
          `--beta and --reduction belong to --objective npo, not to ${options.objective}`,
        );
      }
      if (options.objective !== 'po' && options.refusals !== undefined) {
        throw new SoulError(
          'SOUL_INVALID_ARGUMENT',
          `--refusals belongs to --objective po, not to ${options.objective}`,
        );
      }
      const shared = runSettings(options);
      await performRun(
        withoutUndefined({
          ...shared,
          target: options.forget,
          retain: options.retain,
          method: options.objective,
          methodOptions: withoutUndefined({
            forgetCoefficient: options.forgetWeight,
            retainCoefficient: options.retainWeight,
            beta: options.beta,
            reduction: options.reduction,
          }),
          pairing: options.pairing,
          refusals: options.refusals,
          hessianData: options.hessianData,
        }),
        options,
        { target: 'forget', verb: 'unlearning' },
      );
    });
}

function ownOptions(): Option[] {
  const { finetune: _, ...objectives } = methodNames;
  const described = Object.entries(objectives).map(([name, text]) => `${name} (${text})`);
  return [
    new Option(
      '--forget <file>',
      'JSON lines to forget: question and answer, or prompt and completion',
    ).makeOptionMandatory(),
    new Option(
      '--retain <file>',
      'JSON lines to keep; every objective but ascent needs them, unless --retain-weight is 0',
    ),
    new Option('--objective <name>', described.join('; ')).choices(Object.keys(objectives)).default('graddiff'),
    new Option('--forget-weight <number>', 'coefficient of the forget term (default: 1)').argParser(numberAtLeast(0)),
    new Option('--retain-weight <number>', 'coefficient of the retain term (default: 1)').argParser(numberAtLeast(0)),
    new Option('--beta <number>', 'npo: inverse temperature (default: 0.1)').argParser(numberAtLeast(0)),
    new Option('--reduction <kind>', "npo: a sequence's loss is its tokens' sum or mean (default: sum)").choices([
      'sum',
      'mean',
    ]),
    new Option(
      '--pairing <kind>',
      'partners of forget examples drawn afresh each epoch, or fixed (default: fresh)',
    ).choices(['fresh', 'fixed']),
    new Option('--refusals <file>', 'po: refusals to teach, one a line (default: a built-in list)'),
    new Option('--hessian-data <set>', 'sophia: whose curvature (default: retain where there is one)').choices([
      'retain',
      'forget',
      'both',
    ]),
  ];
}
