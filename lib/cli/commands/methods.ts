/**
 * `soul methods`: the algorithms that there are, and all that is to be known of one.
 *
 * @module
 */

import { Command } from 'commander';
import { learningRatesOf } from '../../run/optimizer-choice.ts';
import type { Algorithm, LearningRates } from '../../unlearn/algorithm.ts';
import {
  type AlgorithmDescription,
  describeAlgorithm,
  expectedText,
  needText,
  promiseText,
  type SettingDescription,
} from '../../unlearn/description.ts';
import { algorithm, algorithms } from '../../unlearn/registry.ts';
import { type CommandResult, listing, type OutputOptions, printing } from '../terminal.ts';

interface MethodsOptions extends OutputOptions {
  name?: string;
}

export function methodsCommand(): Command {
  return new Command('methods')
    .description('Lists the methods of unlearning; of one of them, its paper, formula, needs and settings.')
    .argument('[name]', 'a method; without one, all are listed')
    .option('--json', 'print the result as one JSON object instead of text')
    .addHelpText('after', '\nExamples:\n  soul methods\n  soul methods npo')
    .action((name: string | undefined, options: OutputOptions) =>
      printing(showMethods)(name === undefined ? options : { ...options, name }),
    );
}

function showMethods({ name }: MethodsOptions): CommandResult {
  if (name !== undefined) {
    const description = described(algorithm(name));
    return { result: description, text: methodText(description) };
  }
  const rows = algorithms.map((each) => [each.name, each.summary]);
  return {
    result: { methods: algorithms.map(described) },
    text: `${listing(rows)}\n\nsoul methods <name> says more; finetune is what \`soul train\` does.`,
  };
}

/** With the learning rates of all optimizers. */
function described(each: Algorithm): AlgorithmDescription {
  const description = describeAlgorithm(each);
  const { learningRates } = description;
  return learningRates ? { ...description, learningRates: learningRatesOf(learningRates) } : description;
}

function methodText(method: AlgorithmDescription): string {
  const { name, summary, paper, formula, departures, needs, settings, learningRates } = method;
  const facts: [string, string][] = [
    ['paper', paper],
    ['formula', formula],
    ...(departures === undefined ? [] : [['departs', departures] as [string, string]]),
    ['needs', needs.length === 0 ? 'nothing but the examples that it runs over' : needs.map(needText).join('; ')],
    ['promises', promiseText(method)],
  ];
  return [
    listing([[name, summary]]),
    '',
    listing(facts),
    '',
    settingLines(settings),
    '',
    learningRates === undefined ? 'It takes no steps, and has no learning rate.' : rateLine(learningRates),
  ].join('\n');
}

function settingLines(settings: readonly SettingDescription[]): string {
  if (settings.length === 0) return 'It has no settings.';
  const rows = settings.map(({ name, text, ...setting }) => [
    `${name}${setting.default === undefined ? '' : `=${setting.default}`}`,
    `${text} (${expectedText(setting)})`,
  ]);
  return `Settings, with the defaults of a run (--set name=value):\n${listing(rows)}`;
}

function rateLine(rates: LearningRates): string {
  const each = Object.entries(rates).map(([optimizer, rate]) => `${optimizer} ${rate.toExponential()}`);
  return `Learning rates for 7 billion weights: ${each.join(', ')}; for others, times sqrt(7e9 / weights), but sgd's as it is.`;
}
