/**
 * `soul unlearn`: makes a model forget a set of examples.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { type MethodName, methodNames } from '../../unlearn/methods.ts';
import { number, path } from '../arguments.ts';
import { choiceOption, exampleText, RequiredOption } from '../options.ts';
import { addRunOptions, performRun, type RunOptions, runSettings } from '../run-options.ts';
import { type CommandResult, printing } from '../terminal.ts';

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
  allowOverlap?: boolean;
  hessianData?: 'retain' | 'forget' | 'both';
}

export function unlearnCommand(): Command {
  const command = new Command('unlearn').description(
    'Makes a model forget the examples of one file while it keeps those of another.',
  );
  return addRunOptions(command, { needed: [forgetOption()], others: ownOptions() }, { optimizer: 'sophia' })
    .addHelpText(
      'after',
      exampleText(
        'soul unlearn --model ./model --forget forget.jsonl --retain retain.jsonl --objective npo --out ./model-unlearned',
      ),
    )
    .action(printing(unlearn));
}

async function unlearn(options: UnlearnOptions): Promise<CommandResult> {
  const { objective, beta, reduction, refusals, forgetWeight, retainWeight } = options;
  if (objective !== 'npo' && (beta !== undefined || reduction !== undefined)) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `--beta and --reduction belong to --objective npo, not to ${objective}`,
    );
  }
  if (objective !== 'po' && refusals !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `--refusals belongs to --objective po, not to ${objective}`);
  }
  if (forgetWeight === 0 && (retainWeight === 0 || objective === 'ascent')) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      objective === 'ascent'
        ? '--forget-weight 0 leaves ascent nothing to train with; give it a number above 0'
        : '--forget-weight 0 and --retain-weight 0 leave nothing to train with; give one of them a number above 0',
    );
  }
  const settings = withoutUndefined({
    ...runSettings(options),
    target: options.forget,
    retain: options.retain,
    method: objective,
    methodOptions: withoutUndefined({
      forgetCoefficient: forgetWeight,
      retainCoefficient: retainWeight,
      beta,
      reduction,
    }),
    allowOverlap: options.allowOverlap,
    pairing: options.pairing,
    refusals,
    hessianData: options.hessianData,
  });
  return performRun(settings, options, { target: 'forget', verb: 'unlearning' });
}

function forgetOption(): Option {
  return new RequiredOption(
    '--forget <file>',
    'examples to forget, a JSON object a line: question and answer, or prompt and completion',
  ).argParser(path);
}

function ownOptions(): Option[] {
  const { finetune: _, ...objectives } = methodNames;
  const described = Object.entries(objectives).map(([name, text]) => `${name} (${text})`);
  return [
    new Option(
      '--retain <file>',
      'examples to keep, in the same form; every objective but ascent needs them, unless --retain-weight is 0',
    ).argParser(path),
    new Option('--allow-overlap', 'run although the file to keep holds examples of the file to forget'),
    choiceOption('--objective <name>', described.join('; '), Object.keys(objectives)).default('npo'),
    new Option('--forget-weight <number>', 'factor of the loss on what to forget (default: 1)').argParser(number()),
    new Option('--retain-weight <number>', 'factor of the loss on what to keep (default: 5)').argParser(number()),
    new Option(
      '--beta <number>',
      'npo: how soon it lets go of what is forgotten already; near 0 it is plain ascent (default: 0.1)',
    ).argParser(number({ lowExclusive: true })),
    choiceOption('--reduction <kind>', "npo: an example's loss is its tokens' sum or mean (default: sum)", [
      'sum',
      'mean',
    ]),
    choiceOption(
      '--pairing <kind>',
      'which example to keep stands beside one to forget: drawn afresh in each epoch, or the same in all (default: fresh)',
      ['fresh', 'fixed'],
    ),
    new Option(
      '--refusals <file>',
      'po: answers to teach instead, one a line: plain text, or JSON objects with "answer" (default: a built-in list)',
    ).argParser(path),
    choiceOption(
      '--hessian-data <set>',
      'sophia: the examples whose curvature is estimated (default: retain if there is a retain file, else forget)',
      ['retain', 'forget', 'both'],
    ),
  ];
}
