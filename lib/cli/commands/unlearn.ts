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
  const { finetune: _, ...objectives } = methodNames;
  const command = new Command('unlearn')
    .description('Makes a model forget the examples of one file while it keeps those of another.')
    .requiredOption('--forget <file>', 'JSON lines to forget: question and answer, or prompt and completion')
    .option('--retain <file>', 'JSON lines to keep; every objective but ascent needs them')
    .addOption(
      new Option(
        '--objective <name>',
        Object.entries(objectives)
          .map(([name, text]) => `${name} (${text})`)
          .join('; '),
      )
        .choices(Object.keys(objectives))
        .default('graddiff'),
    )
    .option('--forget-weight <number>', 'coefficient of the forget term (default: 1)', numberAtLeast(0))
    .option('--retain-weight <number>', 'coefficient of the retain term (default: 1)', numberAtLeast(0))
    .option('--beta <number>', 'npo: inverse temperature (default: 0.1)', numberAtLeast(0))
    .addOption(
      new Option('--reduction <kind>', "npo: a sequence's loss is its tokens' sum or mean (default: sum)").choices([
        'sum',
        'mean',
      ]),
    )
    .addOption(
      new Option(
        '--pairing <kind>',
        'retain examples drawn afresh each step, or one fixed partner for each forget example (default: fresh)',
      ).choices(['fresh', 'fixed']),
    )
    .option('--refusals <file>', 'po: refusals to teach, one a line (default: a built-in list)')
    .addOption(
      new Option('--hessian-data <set>', 'sophia: whose curvature (default: retain where there is one)').choices([
        'retain',
        'forget',
        'both',
      ]),
    );
  return addRunOptions(command, { optimizer: 'sophia' })
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
          curvature: withoutUndefined({ ...shared.curvature, data: options.hessianData }),
        }),
        options,
        { target: 'forget', verb: 'unlearning' },
      );
    });
}
