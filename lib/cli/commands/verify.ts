/**
 * `soul verify`: checks the folder that a run made against its record.
 *
 * @module
 */

import { Command, InvalidArgumentError, Option } from 'commander';
import { printable } from '../../core/errors.ts';
import { parseFigureConditions } from '../../run/figure-condition.ts';
import { conditionLine } from '../../run/run-settings.ts';
import { type Verification, type VerifyOptions, verifyRun } from '../../run/verify/verify-run.ts';
import { conditions as chosenBy, path } from '../arguments.ts';
import { type CommandResult, type OutputOptions, printing, table } from '../terminal.ts';

interface VerifyCommandOptions extends OutputOptions, Omit<VerifyOptions, 'target' | 'require' | 'signal'> {
  forget?: string;
  require?: string[];
}

export function verifyCommand(): Command {
  const pathOption = (flags: string, text: string) => new Option(flags, text).argParser(path);
  return new Command('verify')
    .description(
      'Checks the folder that a run made against its record, run.json: every file, the settings, the figures, and what the run read.',
    )
    .argument('<folder>', 'the out folder of soul unlearn or soul train', (text: string) => path(text))
    .optionsGroup(
      'What the run read (default: the paths in run.json, from the present folder; what is not there is told):',
    )
    .addOption(pathOption('--model <folder>', 'the model that the run began with'))
    .addOption(pathOption('--base <folder>', 'the model that the adapters of the folder belong to'))
    .addOption(pathOption('--forget <file>', 'the examples to forget, or to learn'))
    .optionsGroup('What was deleted:')
    .addOption(pathOption('--data <file>', 'examples that must all be among those that were deleted'))
    .addOption(
      new Option('--filter <condition>', `of them those alone that match a condition: ${conditionLine}`).argParser(
        chosenBy as never,
      ),
    )
    .addOption(pathOption('--key <file>', 'the secret key of the items (default: <folder>.key, if it is there)'))
    .optionsGroup('What is required:')
    .addOption(
      new Option(
        '--require <condition>',
        'a bound on a figure of the record, as "forget.probability<0.2" or "retain.probability.before>0.5"; as often as needed',
      ).argParser(conditions),
    )
    .addOption(pathOption('--signer <file>', 'the record is signed, by the owner of this public key (Ed25519 in PEM)'))
    .optionsGroup('Output:')
    .option('--json', 'print the result as one JSON object instead of text')
    .addHelpText(
      'after',
      '\nExit code 0 where everything that could be checked is as it should be, 1 where something is not.\n' +
        '\nKeys to sign records with (soul unlearn --sign signer.pem):\n' +
        '  openssl genpkey -algorithm ed25519 -out signer.pem\n' +
        '  openssl pkey -in signer.pem -pubout -out signer.pub\n' +
        '\nExample:\n  soul verify ./model-unlearned --data request.jsonl --require "forget.probability<0.2" --signer signer.pub',
    )
    .action((folder: string, options: VerifyCommandOptions) => printing(() => verify(folder, options))(options));
}

/** Conditions of each time that the option is given. */
function conditions(text: string, given: string[] = []): string[] {
  try {
    parseFigureConditions('value', text);
  } catch (error) {
    throw new InvalidArgumentError(`Expected ${(error as { details?: { expected?: string } }).details?.expected}.`);
  }
  return [...given, text];
}

async function verify(folder: string, { forget, json: _, ...options }: VerifyCommandOptions): Promise<CommandResult> {
  const verification = await verifyRun(folder, { ...options, ...(forget === undefined ? {} : { target: forget }) });
  return { result: verification, text: verificationText(verification), failed: !verification.passed };
}

function verificationText({ folder, passed, checks, madeWith }: Verification): string {
  const words = { passed: 'ok', failed: 'FAILED', unknown: '-' } as const;
  const rows = checks.map(({ subject, outcome, text }) => [subject, words[outcome], text]);
  const failures = checks.filter(({ outcome }) => outcome === 'failed').length;
  return [
    table(['what', '', 'found'], rows),
    ...(madeWith
      ? [
          [
            `made with ${madeWith.package}`,
            ...(madeWith.engine === undefined ? [] : [madeWith.engine]),
            `node ${madeWith.node}`,
            `method ${madeWith.method}`,
            `finished ${madeWith.finishedAt}`,
          ]
            .map(printable)
            .join(', '),
        ]
      : []),
    passed
      ? `${folder} is verified.`
      : `${folder} is NOT verified: ${failures} ${failures === 1 ? 'check' : 'checks'} failed.`,
  ].join('\n\n');
}
