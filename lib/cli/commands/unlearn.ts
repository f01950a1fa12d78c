/**
 * `soul unlearn`: makes a model forget a set of examples.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { type AlgorithmName, algorithm, algorithms } from '../../unlearn/registry.ts';
import { number, oneOf, path } from '../arguments.ts';
import { parseSettings, setOption } from '../method-settings.ts';
import { choiceOption, exampleText, RequiredOption } from '../options.ts';
import { addRunOptions, performRun, type RunOptions, runSettings } from '../run-options.ts';
import { type CommandResult, printing } from '../terminal.ts';

interface UnlearnOptions extends RunOptions {
  forget: string;
  retain?: string;
  method?: AlgorithmName;
  objective?: AlgorithmName;
  set?: string[];
  forgetWeight?: number;
  retainWeight?: number;
  beta?: number;
  reduction?: 'sum' | 'mean';
  pairing?: 'fresh' | 'fixed';
  refusals?: string;
  alternatives?: string;
  allowOverlap?: boolean;
  hessianData?: 'retain' | 'forget' | 'both';
}

/** All but fine-tuning, which forgets nothing. */
const names = algorithms.map(({ name }) => name as AlgorithmName).filter((name) => name !== 'finetune');

export function unlearnCommand(): Command {
  const command = new Command('unlearn').description(
    'Makes a model forget the examples of one file while it keeps those of another.',
  );
  return addRunOptions(command, { needed: [forgetOption()], others: ownOptions() }, { optimizer: 'sophia' })
    .addHelpText(
      'after',
      exampleText(
        'soul unlearn --model ./model --forget forget.jsonl --retain retain.jsonl --method npo --out ./model-unlearned',
      ),
    )
    .action(printing(unlearn));
}

async function unlearn(options: UnlearnOptions): Promise<CommandResult> {
  const { beta, reduction, forgetWeight, retainWeight } = options;
  if (options.method !== undefined && options.objective !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', '--objective is the old name of --method; give one of them');
  }
  const method = options.method ?? options.objective ?? 'npo';
  const chosen = algorithm(method);
  const shortcuts = { forgetCoefficient: forgetWeight, retainCoefficient: retainWeight, beta, reduction };
  const settings = withoutUndefined({
    ...runSettings(options),
    target: options.forget,
    retain: options.retain,
    method,
    methodSettings: parseSettings(chosen, options.set ?? [], withoutUndefined(shortcuts)),
    allowOverlap: options.allowOverlap,
    pairing: options.pairing,
    refusals: options.refusals,
    alternatives: options.alternatives,
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
  return [
    new Option(
      '--retain <file>',
      'examples to keep, in the same form; most methods need them, unless --retain-weight is 0',
    ).argParser(path),
    new Option('--allow-overlap', 'run although the file to keep holds examples of the file to forget'),
    new Option(
      '--method <name>',
      `how it forgets, one of ${names.join(', ')}; \`soul methods\` says more (default: npo)`,
    ).argParser(oneOf(names)),
    new Option('--objective <name>', 'the old name of --method').argParser(oneOf(names)).hideHelp(),
    setOption(),
    new Option('--forget-weight <number>', 'factor of the loss on what to forget (default: 1)').argParser(number()),
    new Option('--retain-weight <number>', 'factor of the loss on what to keep (default: 5)').argParser(number()),
    new Option('--beta <number>', 'short for --set beta=<number>').argParser(number({ lowExclusive: true })),
    choiceOption('--reduction <kind>', 'short for --set reduction=<kind>', ['sum', 'mean']),
    choiceOption(
      '--pairing <kind>',
      'which example to keep stands beside one to forget: drawn afresh in each epoch, or the same in all (default: fresh)',
      ['fresh', 'fixed'],
    ),
    new Option(
      '--refusals <file>',
      'answers to teach instead, for methods that teach refusals, one a line: plain text, or JSON objects with "answer" (default: a built-in list)',
    ).argParser(path),
    new Option(
      '--alternatives <file>',
      'other answers to the questions to forget, in the form of the data files, for methods that teach those',
    ).argParser(path),
    choiceOption(
      '--hessian-data <set>',
      'sophia: the examples whose curvature is estimated (default: retain if there is a retain file, else forget)',
      ['retain', 'forget', 'both'],
    ),
  ];
}
