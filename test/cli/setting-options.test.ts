import { describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { addSettingOptions, givenSettings, settingOptions } from '../../lib/cli/setting-options.ts';
import type { Command as CommandName } from '../../lib/run/run-setting.ts';
import { captured } from './captured.ts';

const values: Record<string, [text: string, value: unknown]> = {
  ...{ '--betas': ['0.5,0.25', [0.5, 0.25]], '--seed': ['18446744073709551615', 2n ** 64n - 1n] },
  ...{ '--template': ['{question}{answer}', '{question}{answer}'], '--hessian-chunks': ['3', 3] },
  ...{ '--momentum': ['0.5', 0.5], '--generate-alternatives': ['3', 3], '--estimate-batch-size': ['0.5', 0.5] },
  ...{ '--momentum-bias-correction': ['false', false], '--follow-clipped-fraction': ['true', true] },
  ...{ '--learning-rate-scales': ['embedding=0.5, vector=0', { embedding: 0.5, vector: 0 }] },
  ...{ '--weight-decays': ['matrix=0.25', { matrix: 0.25 }], '--frozen': ['norm', 'norm'] },
  ...{ '--evaluate-figures': ['rougeLRecall, exactMemorization', ['rougeLRecall', 'exactMemorization']] },
  ...{ '--evaluate-data': ['others=a=b.jsonl', { others: 'a=b.jsonl' }] },
  '--lora': [
    'r=4,alpha=8,targets=q_proj+v_proj,rslora',
    { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj'], rankStabilised: true },
  ],
  '--unlearning-layers': ['bottleneck=8,activation=relu', { bottleneck: 8, activation: 'relu' }],
  ...{ '--template-date': ['1999-12-31', '1999-12-31'], '--system': ['Be\\nbrief.', 'Be\nbrief.'] },
};

/** A text for an option, and what it stands for. */
function sampleOf(flags: string, choices: readonly string[] | undefined): [text: string, value: unknown] {
  const [name = '', argument = ''] = flags.split(' ');
  if (values[name]) return values[name];
  if (choices) return [choices.at(-1)!, choices.at(-1)!];
  if (/<(file|files\.\.\.|folder|regex|conditions)>/.test(argument)) return ['a', 'a'];
  if (argument === '<condition>') return ['a=b', 'a=b'];
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
    const [text, value] = /[<[]/.test(flags) ? sampleOf(flags, each.option.argChoices) : ['', true];
    const long = flags.split(' ')[0]!;
    command.parse(text === '' ? [long] : [long, text], { from: 'user' });
    const expected = each.path.reduceRight<unknown>((inner, part) => ({ [part]: inner }), value);
    expect(givenSettings(options, command.opts())).toEqual(expected);
  });

  test('names of files to be measured gather what is given under each, and need a file each', () => {
    const parsed = (...words: string[]) => {
      const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
      command.addOption(options.find(({ path }) => path[0] === 'evaluateData')!.option);
      command.parse(words, { from: 'user' });
      return command.opts().evaluateData;
    };
    const words = ['--evaluate-data', 'a=x', 'b=y', '--evaluate-data', 'a=z'];
    expect(parsed(...words)).toEqual({ a: ['x', 'z'], b: 'y' });
    for (const word of ['x', '=x', 'a=', 'retain=x', '1=x'])
      expect(() => parsed('--evaluate-data', word)).toThrow(/invalid/);
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
  expect(await help('train')).toMatch(/--data <files\.\.\.> examples to learn, .*\(default: adamw\)/);
  expect(await help('unlearn')).toMatch(/--forget <files\.\.\.> examples to forget, .*\(default: sophia\)/);
  expect(await help('train')).not.toMatch(/--(retain|forget|pairing|hessian-data|refusals) /);
});

test('several files and conditions, in one option or several; one stays one', () => {
  const options = settingOptions('unlearn', { optimizer: 'sophia' });
  const settingsOf = (...words: string[]) => {
    const command = addSettingOptions(new Command(), options, {}).exitOverride();
    return givenSettings(options, command.parse(['--model', 'm', '--out', 'o', ...words], { from: 'user' }).opts());
  };
  const others = { model: 'm', out: 'o' };
  expect(settingsOf('--forget', 'a', '--forget-filter', 'x=1, 2')).toEqual({
    ...others,
    target: 'a',
    targetFilter: 'x=1, 2',
  });
  const several = settingsOf(
    ...[
      '--forget',
      'a',
      'b',
      '--forget',
      'c',
      '--retain',
      'd',
      'e',
      '--retain-filter',
      'x=1',
      '--retain-filter',
      'y~z',
    ],
  );
  expect(several).toEqual({
    ...others,
    target: ['a', 'b', 'c'],
    retain: ['d', 'e'],
    retainFilter: ['x=1', 'y~z'],
  });
});
