import { describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { givenSettings, settingOptions } from '../../lib/cli/setting-options.ts';
import type { Command as CommandName } from '../../lib/run/run-setting.ts';
import { captured } from './captured.ts';

const values: Record<string, [text: string, value: unknown]> = {
  ...{ '--betas': ['0.5,0.25', [0.5, 0.25]], '--seed': ['18446744073709551615', 2n ** 64n - 1n] },
  ...{ '--template': ['{question}{answer}', '{question}{answer}'], '--hessian-chunks': ['3', 3] },
};

/** A text for an option, and what it stands for. */
function sampleOf(flags: string, choices: readonly string[] | undefined): [text: string, value: unknown] {
  const [name = '', argument = ''] = flags.split(' ');
  if (values[name]) return values[name];
  if (choices) return [choices.at(-1)!, choices.at(-1)!];
  if (/<(file|folder|regex)>/.test(argument)) return ['a', 'a'];
  return /<(number|share|steps|tokens)>/.test(argument) && !/clip|rho|rate|decay|epsilon|warmup/.test(name)
    ? ['3', 3]
    : ['0.5', 0.5];
}

describe.each<CommandName>(['train', 'unlearn'])('options of %s', (name) => {
  const options = settingOptions(name, { optimizer: 'sophia' });

  test.each(options.map((each) => [each.option.flags, each] as const))('%s gives its setting', (flags, each) => {
    const command = new Command();
    for (const { option } of settingOptions(name, { optimizer: 'sophia' })) command.addOption(option);
    // What is needed is not asked of a parse.
    for (const option of command.options) option.makeOptionMandatory(false);
    const [text, value] = flags.includes('<') ? sampleOf(flags, each.option.argChoices) : ['', true];
    const long = flags.split(' ')[0]!;
    command.parse(text === '' ? [long] : [long, text], { from: 'user' });
    const expected = each.path.reduceRight<unknown>((inner, part) => ({ [part]: inner }), value);
    expect(givenSettings(options, command.opts())).toEqual(expected);
  });

  test('stand in help once each, with what they say', async () => {
    const { out } = await captured(name, '--help');
    const text = out.replaceAll(/\s+/g, ' ');
    for (const { option } of options) {
      expect(out.split(new RegExp(`^  ${option.flags.replaceAll(/[[\]]/g, '\\$&')}(?= |$)`, 'm'))).toHaveLength(2);
      if (option.long !== '--optimizer') expect(text).toContain(option.description.replaceAll(/\s+/g, ' '));
    }
    const order = ['Needed:', 'Options:', 'Optimizer:', 'Length of the run:', 'Data and figures:', 'Output:'];
    const places = order.map((heading) => out.indexOf(`\n${heading}\n`));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places).not.toContain(-1);
  });
});

test('each command has its own optimizer, and the file of its examples', async () => {
  const help = async (name: string) => (await captured(name, '--help')).out.replaceAll(/\s+/g, ' ');
  expect(await help('train')).toMatch(/--data <file> examples to learn, .*\(default: adamw\)/);
  expect(await help('unlearn')).toMatch(/--forget <file> examples to forget, .*\(default: sophia\)/);
  expect(await help('train')).not.toMatch(/--(retain|forget|pairing|hessian-data|refusals) /);
});
