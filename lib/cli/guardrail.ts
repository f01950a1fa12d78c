/**
 * `--guardrail`: the model as it is, asked behind an instruction and refusals.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { ExampleTemplate } from '../data/example-template.ts';
import { GuardrailTemplate, spread, tokensBefore } from '../data/guardrail-template.ts';
import { openLines } from '../data/lines.ts';
import { readExamples } from '../data/read-examples.ts';
import { readRefusals } from '../data/read-refusals.ts';
import { forgetFile } from '../eval/tofu/sets.ts';
import { recurringNames } from '../eval/tofu/subjects.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import { integer, path } from './arguments.ts';

export interface GuardrailChoice {
  guardrail?: boolean;
  guardrailSubjects?: string;
  guardrailExamples?: number;
  refusals?: string;
}

/** Attribute names of the options, for those that they do not go with. */
export const guardrailOptions = ['guardrail', 'guardrailSubjects', 'guardrailExamples', 'refusals'];

export function addGuardrailOptions(command: Command): Command {
  return command
    .option(
      '--guardrail',
      'with --tofu: forget by the prompt alone (the input-based baseline): an instruction and refusals stand before each question',
    )
    .addOption(
      new Option(
        '--guardrail-subjects <file>',
        'whom or what the instruction names, one a line (default: the names that recur in the forget set)',
      ).argParser(path),
    )
    .addOption(
      new Option(
        '--guardrail-examples <number>',
        'so many questions of the forget set stand there, each with a refusal (default: 4)',
      ).argParser(integer({ low: 0 })),
    )
    .addOption(
      new Option('--refusals <file>', 'refusals of those questions, one a line (default: own ones)').argParser(path),
    );
}

/**
 * @param template over which the guardrail is put
 * @param given.maximumLength of the model
 * @throws SoulError SOUL_INVALID_ARGUMENT for options of a guardrail without it, and for one that leaves the model no room; of what reads
 *   the files
 */
export async function chooseGuardrail(
  template: ExampleTemplate,
  tokenizer: TextTokenizer,
  options: GuardrailChoice & { readonly tofu: string; readonly split: string },
  given: { readonly maximumLength: number | undefined },
): Promise<ExampleTemplate> {
  const { guardrail, guardrailSubjects, guardrailExamples = 4, refusals } = options;
  if (!guardrail) return checkUnused(options, template);
  // The same questions whatever the limit of items.
  const questions = (await readExamples(forgetFile(options.tofu, options.split))).items.map(({ prompt }) => prompt);
  const subjects = guardrailSubjects === undefined ? recurringNames(questions) : await readSubjects(guardrailSubjects);
  const chosen = GuardrailTemplate.over(template, {
    subjects,
    questions: spread(questions, guardrailExamples),
    ...withoutUndefined({ refusals: refusals === undefined ? undefined : (await readRefusals(refusals)).items }),
  });
  const before = tokensBefore(tokenizer, chosen);
  if (given.maximumLength !== undefined && before >= given.maximumLength) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the guardrail takes ${before} tokens, but the model reads ${given.maximumLength} at most; use fewer examples (--guardrail-examples) or subjects (--guardrail-subjects)`,
      { argument: 'guardrail', expected: given.maximumLength, found: before },
    );
  }
  return chosen;
}

function checkUnused(options: GuardrailChoice, template: ExampleTemplate): ExampleTemplate {
  const { guardrailSubjects, guardrailExamples, refusals } = options;
  const [unused] = Object.entries({
    ...{ 'guardrail-subjects': guardrailSubjects, 'guardrail-examples': guardrailExamples, refusals },
  }).filter(([, value]) => value !== undefined);
  if (unused === undefined) return template;
  throw new SoulError('SOUL_INVALID_ARGUMENT', `--${unused[0]} belongs to a guardrail; add --guardrail`, {
    argument: unused[0],
  });
}

async function readSubjects(file: string): Promise<string[]> {
  const subjects: string[] = [];
  for await (const { text } of openLines(file).lines) if (text.trim() !== '') subjects.push(text.trim());
  if (subjects.length > 0) return subjects;
  throw new SoulError('SOUL_BAD_DATA', `the file ${file} names nothing; expected a subject a line`, { file });
}
