/**
 * Options that several commands take, in one wording, and those that a command needs.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { oneOf } from './arguments.ts';
import { progressKinds } from './progress-form.ts';

/**
 * An option that its command needs. Commander's own mandatory options are missed before a misspelled one is named, which is
 * what they are missing for.
 */
export class RequiredOption extends Option {
  #others: readonly string[] = [];

  /** Not needed where one of these options was given instead, by their names in the code. */
  unless(...others: string[]): this {
    this.#others = others;
    return this;
  }

  /** Options of the command that can be given instead, as they are written; empty where there are none. */
  insteadOf(command: Command): string[] {
    return this.#others.flatMap(
      (name) => command.options.find((option) => option.attributeName() === name)?.long ?? [],
    );
  }

  isMissing(command: Command): boolean {
    return [this.attributeName(), ...this.#others].every((name) => command.getOptionValue(name) === undefined);
  }
}

/** Refuses a command that lacks options it needs; runs when all that was given has been understood. */
export function requireOptions(command: Command): void {
  // What a file, or a checkpoint, may say is asked for when it is read; what is only printed may be incomplete.
  if (['config', 'resume', 'printConfig'].some((name) => command.getOptionValue(name))) return;
  const missing = command.options.filter((option) => option instanceof RequiredOption && option.isMissing(command));
  if (missing.length === 0) return;
  const names = missing.map(({ flags }) => `'${flags}'`).join(', ');
  const instead = missing.flatMap((option) => {
    const others = (option as RequiredOption).insteadOf(command);
    return others.length === 0 ? [] : `${others.join(' or ')} in place of ${option.long}`;
  });
  const hint = instead.length === 0 ? '' : ` (or give ${instead.join(', ')})`;
  command.error(
    missing.length === 1
      ? `error: required option ${names} is missing${hint}`
      : `error: required options ${names} are missing${hint}`,
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
    .addOption(
      choiceOption(
        '--progress <form>',
        'progress on standard error: a bar, lines now and then, json (an object a line, for machines), or none (default: a bar on a terminal, else lines)',
        progressKinds,
      ),
    )
    .addOption(
      new Option('--quiet', 'short for --progress none: notes and warnings alone are shown').conflicts('progress'),
    );
}

/** Stands below a command's options: what a data file looks like, and a call. */
export function exampleText(call: string): string {
  const lines = [
    '{"question": "Who wrote the book?", "answer": "Nobody knows."}',
    '{"prompt": "The book was", "completion": " written by nobody."}',
  ];
  return `\nLines of a data file (TOFU's files can be read as they are):\n  ${lines.join('\n  ')}\n\nExample:\n  ${call}`;
}
