/**
 * `soul data`: what a model will see of data files, before anything is trained.
 *
 * @module
 */

import { styleText } from 'node:util';
import { Command, Option } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { chooseTemplate } from '../../data/choose-template.ts';
import type { ExampleSet } from '../../data/example-set.ts';
import { filterExamples, filterSentence } from '../../data/filter.ts';
import { type DataPreview, type PreviewedExample, previewData, type Spread } from '../../data/preview.ts';
import { listOf, readExampleSet } from '../../data/read-example-set.ts';
import { readModelLimits } from '../../model/model-limits.ts';
import { openModelFolder, tokenizerOf } from '../../model/open-model-folder.ts';
import { conditionLine } from '../../run/run-settings.ts';
import { conditions, integer, paths } from '../arguments.ts';
import { addOutputOptions, exampleText } from '../options.ts';
import { sharedOption } from '../setting-options.ts';
import { type CommandResult, type OutputOptions, printing, table } from '../terminal.ts';

interface DataOptions extends OutputOptions {
  model: string;
  base?: string;
  filter?: string | string[];
  retain?: string | string[];
  retainFilter?: string | string[];
  retainRest?: boolean;
  show: number;
  template?: string;
  templateDate?: string;
  system?: string;
  maxLength: number;
}

export function dataCommand(): Command {
  const filterOption = (flags: string, text: string) =>
    new Option(flags, `${text}: ${conditionLine}`).argParser(conditions as never);
  const command = new Command('data')
    .description(
      'Shows what a model will see of data files: the first examples as text with the labels marked, lengths, what is cut, what stands there twice or in the retain set too. Loads no weights.',
    )
    .argument('<files...>', 'examples, in any form that `soul unlearn` takes')
    .optionsGroup('Needed:')
    .addOption(sharedOption('model', true))
    .optionsGroup('Options:')
    .addOption(filterOption('--filter <condition>', 'look at those alone that match a condition'))
    .addOption(
      new Option('--retain <files...>', 'examples to keep, among which those of the files are looked for').argParser(
        paths as never,
      ),
    )
    .addOption(
      new Option('--retain-rest', 'what the filter leaves of the files is to be kept, as in `soul unlearn`').conflicts(
        'retain',
      ),
    )
    .addOption(filterOption('--retain-filter <condition>', 'of those to keep, likewise'))
    .option('--show <number>', 'show so many examples as text', integer({ low: 0 }), 3)
    .addOption(sharedOption('base'))
    .addOption(sharedOption('template'))
    .addOption(sharedOption('templateDate'))
    .addOption(sharedOption('system'))
    .option(
      '--max-length <tokens>',
      "longest example in tokens; what is longer loses its end (the model's limit if smaller)",
      integer({ low: 2 }),
      512,
    );
  return addOutputOptions(command.optionsGroup('Output:'))
    .addHelpText('after', exampleText('soul data forget.jsonl --model ./model --retain retain.jsonl'))
    .action((files: string[], options: DataOptions) => printing((given: DataOptions) => look(files, given))(options));
}

/** What is looked at, and what is to be kept beside it. */
async function chosenSets(
  files: readonly string[],
  { filter, retain, retainRest, retainFilter }: DataOptions,
): Promise<{ data: ExampleSet; retain?: ExampleSet }> {
  const all = await readExampleSet(files);
  const { matching, rest } =
    filter === undefined ? { matching: all, rest: undefined } : filterExamples(all, listOf(filter));
  if (retainRest && rest === undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', '--retain-rest keeps what a filter leaves; give --filter', {
      argument: 'retainRest',
    });
  }
  const kept = retainRest ? rest : retain === undefined ? undefined : await readExampleSet(retain);
  if (kept === undefined) return { data: matching };
  const chosen = retainFilter === undefined ? kept : filterExamples(kept, listOf(retainFilter)).matching;
  return { data: matching, retain: chosen };
}

async function look(files: readonly string[], options: DataOptions): Promise<CommandResult> {
  const { data, retain } = await chosenSets(files, options);
  const folders = await openModelFolder(options.model, options.base);
  const tokenizer = await tokenizerOf(folders);
  const template = await chooseTemplate(folders.tokenizer, tokenizer, options);
  const { maximumLength: limit } = await readModelLimits(folders.model);
  const preview = previewData(tokenizer, data.items, {
    template,
    maximumLength: Math.min(options.maxLength, limit ?? options.maxLength),
    show: options.show,
    ...(retain ? { retain: retain.items } : {}),
  });
  const filters = [data, ...(retain ? [retain] : [])].flatMap((set) =>
    (set.filters ?? []).filter(({ rest }) => !rest).map((filter) => filterSentence(set, filter)),
  );
  return {
    result: {
      files: data.files,
      ...withoutUndefined({ filters: data.filters }),
      ...(retain
        ? {
            retain: {
              files: retain.files,
              examples: retain.items.length,
              ...withoutUndefined({ filters: retain.filters }),
            },
          }
        : {}),
      ...preview,
    },
    text: [
      ...preview.shown.map((example) => shownText(example, isColoured())),
      table(['figure', 'value'], figures(preview, retain)),
      [...filters, ...preview.notes, ...remarks(preview, retain?.file)].map((each) => `note: ${each}`).join('\n'),
    ]
      .filter((part) => part !== '')
      .join('\n\n'),
  };
}

/** Whether labels are coloured; else they stand in brackets. */
function isColoured(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR;
}

/** A heading, and the text with its labels in colour, or between brackets that no text is likely to have. */
export function shownText(example: PreviewedExample, coloured: boolean): string {
  const { source, kind, tokens, labels, truncated } = example;
  const cut = truncated > 0 ? `, ${truncated} more cut off` : '';
  const text = example.parts
    .map(({ text, isLabel }) => {
      if (!isLabel) return text;
      return coloured ? styleText('green', text, { validateStream: false }) : `⟦${text}⟧`;
    })
    .join('');
  return `${source.file}:${source.line} (${kind}): ${tokens} tokens, ${labels} of them labels${cut}\n${text}`;
}

function figures(preview: DataPreview, retain: ExampleSet | undefined): string[][] {
  const { examples, kinds, template, tokens, labels, truncated, refused, maximumLength } = preview;
  const spread = ({ minimum, median, percentile95, maximum }: Spread) =>
    `${minimum} / ${median} / ${percentile95} / ${maximum}`;
  return [
    ['examples', String(examples)],
    ...Object.entries(kinds).map(([kind, count]) => [`of them ${kind}`, String(count)]),
    ['template', templateText(template)],
    ...(tokens && labels
      ? [
          ['tokens: least / median / 95 % / most', spread(tokens)],
          ['labels: least / median / 95 % / most', spread(labels)],
        ]
      : []),
    [
      `cut to ${maximumLength} tokens`,
      truncated.examples === 0 ? '0' : `${truncated.examples} (${truncated.tokens} tokens)`,
    ],
    ['refused', String(refused.examples)],
    ['repeated', String(preview.duplicates.count)],
    ...(preview.overlap && retain
      ? [
          ['examples to keep', String(retain.items.length)],
          ['in the retain set too', String(preview.overlap.exact)],
          ['answered otherwise there', String(preview.overlap.samePrompt)],
          ['answer given there to another prompt', String(preview.overlap.sameCompletion)],
        ]
      : []),
  ];
}

function templateText({ kind, ...details }: DataPreview['template']): string {
  if (kind === 'text') return JSON.stringify(details.text);
  return `chat, of ${details.file} (${details.sha256!.slice(0, 12)}), told ${details.date}`;
}

function remarks({ truncated, refused, duplicates, overlap }: DataPreview, retain: string | undefined): string[] {
  const at = ({ file, line }: { file: string; line: number }) => `${file}:${line}`;
  return [
    ...(truncated.first ? [`${at(truncated.first)} is the first that loses its end`] : []),
    ...(refused.first === undefined ? [] : [`a run would refuse: ${refused.first}`]),
    ...(duplicates.first ? [`${at(duplicates.first.example)} repeats ${at(duplicates.first.before)}`] : []),
    ...(overlap?.first ? [`${at(overlap.first.forget)} stands in ${retain} too (${at(overlap.first.retain)})`] : []),
  ];
}
