#!/usr/bin/env node
/**
 * The `soul` command.
 *
 * @module
 */

import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, Help } from 'commander';
import { asSoulError, SoulError, type SoulErrorCode } from '../core/errors.ts';
import { toJson } from '../core/json.ts';
import { packageVersion } from '../core/package.ts';
import { addonCommand } from './commands/addon.ts';
import { askCommand } from './commands/ask.ts';
import { attackCommand } from './commands/attack.ts';
import { compareCommand } from './commands/compare.ts';
import { dataCommand } from './commands/data.ts';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { engineCommand } from './commands/engine.ts';
import { evalCommand } from './commands/eval.ts';
import { fuseCommand } from './commands/fuse.ts';
import { mergeCommand } from './commands/merge.ts';
import { methodsCommand } from './commands/methods.ts';
import { planCommand } from './commands/plan.ts';
import { reportCommand } from './commands/report.ts';
import { runsCommand } from './commands/runs.ts';
import { studyCommand } from './commands/study.ts';
import { trainCommand } from './commands/train.ts';
import { unlearnCommand } from './commands/unlearn.ts';
import { verifyCommand } from './commands/verify.ts';
import { watchCommand } from './commands/watch.ts';
import { exitCodeOf } from './interrupt.ts';
import { requireOptions } from './options.ts';
import { jsonLine } from './progress-json.ts';
import { outliveReaders } from './streams.ts';
import { FailedResult } from './terminal.ts';

/** Exit codes, as `soul --help` lists them; a command that a signal ended has those of {@link exitCodeOf}. */
const exitCodes = { success: 0, failure: 1, usage: 2, missing: 3 } as const;

/** Runs the command line and returns its exit code; errors are printed on stderr, as JSON where --json was given. */
export async function main(words: readonly string[]): Promise<number> {
  const isGiven = (option: RegExp) => option.test(words.join('\n'));
  const json = words.includes('--json') || isGiven(/(^|\n)--format[=\n]json(\n|$)/);
  const forMachines = isGiven(/(^|\n)--progress[=\n]json(\n|$)/);
  const program = new Command('soul')
    .description(
      'Makes language models forget: takes a Hugging Face model folder and what to forget, and writes a new model folder.',
    )
    .version(packageVersion)
    .showHelpAfterError('(add --help for the options)')
    .addHelpText(
      'after',
      '\nExit codes:\n' +
        '  0    done; also where the reader of the result went away, as in: soul doctor | head -1\n' +
        '  1    failed; of soul verify: the folder is not what its record says, or not what is required\n' +
        '  2    wrong options, wrong input, or an output that is there already\n' +
        '  3    addon or engine missing\n' +
        '  130  ended in order by Ctrl-C (SIGINT); 143 by SIGTERM, 129 by SIGHUP\n' +
        '\nWith --json every command prints its result, or its error, as one JSON object on standard output. Progress and\n' +
        'messages go to standard error.',
    )
    .configureHelp({
      // What an option without its word stands for is told by its text; commander would add the empty word itself.
      optionDescription: (option) => (option.optional ? option.description : new Help().optionDescription(option)),
    })
    .hook('preAction', (_, command) => requireOptions(command));
  const commands = [
    unlearnCommand(),
    methodsCommand(),
    trainCommand(),
    dataCommand(),
    planCommand(),
    evalCommand(),
    compareCommand(),
    askCommand(),
    attackCommand(),
    fuseCommand(),
    mergeCommand(),
    runsCommand(),
    reportCommand(),
    watchCommand(),
    verifyCommand(),
    demoCommand(),
    studyCommand(),
    doctorCommand(),
    engineCommand(),
    addonCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of everyCommand(program)) {
    if (command.parent) command.copyInheritedSettings(command.parent);
    command.exitOverride();
  }

  try {
    await program.parseAsync([...words], { from: 'user' });
    return exitCodes.success;
  } catch (error) {
    if (error instanceof FailedResult) return exitCodes.failure;
    if (!(error instanceof CommanderError)) return report(asSoulError(error), json, forMachines);
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

/** @param forMachines whether standard error is read line by line, as JSON */
function report(error: unknown, json: boolean, forMachines: boolean): number {
  const known = error instanceof SoulError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (json) printError(known?.code ?? 'SOUL_INTERNAL', message, known?.details);
  const text = `soul: ${known || !(error instanceof Error) ? message : error.stack}\n`;
  const { code = 'SOUL_INTERNAL', details = {} } = known ?? {};
  process.stderr.write(forMachines ? jsonLine({ kind: 'error', error: { code, message, details } }) : text);
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
      return exitCodeOf(known.details.signal);
    default:
      return exitCodes.failure;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await outliveReaders(() => main(process.argv.slice(2)));
}
