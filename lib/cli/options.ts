/**
 * Options that several commands take, in one wording, and those that a command needs.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { oneOf } from './arguments.ts';

/**
 * An option that its command needs. Commander's own mandatory options are missed before a misspelled one is named, which is
 * what they are missing for.
 */
export class RequiredOption extends Option {}

/** Refuses a command that lacks options it needs; runs when all that was given has been understood. */
export function requireOptions(command: Command): void {
  // What a file may say is asked for when it is read.
  if (command.getOptionValue('config') !== undefined) return;
  const missing = command.options.filter(
    (option) => option instanceof RequiredOption && command.getOptionValue(option.attributeName()) === undefined,
  );
  if (missing.length === 0) return;
  const names = missing.map(({ flags }) => `'${flags}'`).join(', ');
  command.error(
    missing.length === 1
      ? `error: required option ${names} is missing`
      : `error: required options ${names} are missing`,
    { code: 'commander.missingMandatoryOptionValue' },
  );
}

/** An option that takes one of some words. */
export function choiceOption(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices).argParser(oneOf(choices));
}

/** What is printed, and where. */
export function addOutputOptions(command: Command): Command {
  return command
    .option('--json', 'print the result as one JSON object instead of text')
    .option('--quiet', 'show no progress; notes and warnings are shown');
}

/** Stands below a command's options: what a data file looks like, and a call. */
export function exampleText(call: string): string {
  const lines = [
    '{"question": "Who wrote the book?", "answer": "Nobody knows."}',
    '{"prompt": "The book was", "completion": " written by nobody."}',
  ];
  return `\nLines of a data file (TOFU's files can be read as they are):\n  ${lines.join('\n  ')}\n\nExample:\n  ${call}`;
}
