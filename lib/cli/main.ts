#!/usr/bin/env node
/**
 * The `soul` command.
 *
 * @module
 */

import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { asSoulError, SoulError, type SoulErrorCode } from '../core/errors.ts';
import { toJson } from '../core/json.ts';
import { packageVersion } from '../core/package.ts';
import { addonCommand } from './commands/addon.ts';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { engineCommand } from './commands/engine.ts';
import { evalCommand } from './commands/eval.ts';
import { trainCommand } from './commands/train.ts';
import { unlearnCommand } from './commands/unlearn.ts';

/** Exit codes, as `soul --help` lists them. */
const exitCodes = { success: 0, failure: 1, usage: 2, missing: 3, cancelled: 130 } as const;

/** Runs the command line and returns its exit code; errors are printed on stderr, as JSON where --json was given. */
export async function main(words: readonly string[]): Promise<number> {
  const json = words.includes('--json');
  const program = new Command('soul')
    .description('Makes language models forget: second-order unlearning on Hugging Face model folders.')
    .version(packageVersion)
    .showHelpAfterError('(add --help for the options)')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong arguments or input, 3 addon or engine missing, 130 interrupted.' +
        '\nWith --json every command prints its result, or its error, as one JSON object on stdout.',
    );
  const commands = [
    unlearnCommand(),
    trainCommand(),
    evalCommand(),
    demoCommand(),
    doctorCommand(),
    engineCommand(),
    addonCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of everyCommand(program)) command.exitOverride();

  try {
    await program.parseAsync([...words], { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.success;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(asSoulError(error), json);
    if (error.exitCode === 0) return exitCodes.success;
    if (json) printError('SOUL_INVALID_ARGUMENT', error.message.replace(/^error: /, ''));
    return exitCodes.usage;
  }
}

function* everyCommand(command: Command): Generator<Command> {
  yield command;
  for (const child of command.commands) yield* everyCommand(child);
}

function printError(code: SoulErrorCode, message: string, details: object = {}): void {
  process.stdout.write(toJson({ error: { code, message, details } }));
}

function report(error: unknown, json: boolean): number {
  const known = error instanceof SoulError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (json) {
    printError(known?.code ?? 'SOUL_INTERNAL', message, known?.details);
  }
  process.stderr.write(known ? `soul: ${message}\n` : `soul: ${error instanceof Error ? error.stack : message}\n`);
  switch (known?.code) {
    case 'SOUL_INVALID_ARGUMENT':
    case 'SOUL_NOT_FOUND':
    case 'SOUL_EXISTS':
    case 'SOUL_BAD_FILE':
    case 'SOUL_BAD_DATA':
    case 'SOUL_UNSUPPORTED':
      return exitCodes.usage;
    case 'SOUL_ADDON_MISSING':
    case 'SOUL_ENGINE_MISSING':
      return exitCodes.missing;
    case 'SOUL_CANCELLED':
      return exitCodes.cancelled;
    default:
      return exitCodes.failure;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
}
