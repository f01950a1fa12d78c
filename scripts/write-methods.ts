/**
 * Writes docs/methods.md: what there is to forget by, from lib/unlearn, and the settings of a run, from lib/run. What stands in no
 * other place, the introduction, stands here.
 *
 * @module
 */

import { readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { packageRoot } from '../lib/core/package.ts';
import { learningRatesOf } from '../lib/run/optimizer-choice.ts';
import { defaultText, type RunSchema } from '../lib/run/run-setting.ts';
import { runSettings } from '../lib/run/run-settings.ts';
import {
  type AlgorithmDescription,
  describeAlgorithm,
  expectedText,
  needText,
  promiseText,
} from '../lib/unlearn/description.ts';
import { algorithms } from '../lib/unlearn/registry.ts';

export const methodsFile = 'docs/methods.md';

const introduction = `# Methods

<!-- Written by npm run docs:methods, from lib/unlearn and lib/run/run-settings.ts; the introduction is in scripts/write-methods.ts. -->

\`soul methods\` lists what \`soul unlearn --method\` takes (\`finetune\` is \`soul train\`), \`soul methods npo\` says all of one. Whatever makes a model forget is one of
three things here, each a small file:

1. *Terms*: a method minimises the sum of its terms. A term is an *objective* on the sequences of a *source*, times a coefficient. An
   objective is a pure function from the label tokens' losses to their weights in the gradient; it knows no model. A source is the
   forget set with its own answers, with refusals or with other answers in their place, the two as pairs, or the retain set.
   Where a method compares with the starting model, that model's values are computed before the first step; only terms of the
   divergence of whole distributions (\`retainLoss=kl\`, \`eul\`) hold a second model.
2. A *gradient rule*: how the terms' gradients become one. Without a rule they are added. A rule sees the inner products of the
   gradients alone and gives each a coefficient. They run over the weights that may move: gradients of those that the run or a mask
   freezes are set to 0 before, so that what a rule promises of the sum holds among the weights that are stepped.
3. An *algorithm*: what happens around a descent, or in its place: masks, several descents, merging, one pass over all weights.

Any of them runs with any optimizer. Where the run freezes weights (\`--trainable\`, \`--frozen\`), shares of weights below (\`ratio\`, \`share\`,
\`density\`) are of the others. The learning rates below are for models of 7 billion weights; a run takes them times
sqrt(7e9 / weights), but sgd's as it is, since its steps are as long as the gradient (\`lib/run/optimizers\`). What a method promises is what the tests hold it to with adamw, sign
and sgd, on a model that knows the answers; with sgd not \`uce\`, \`wga\`, \`pdu\`, \`mollm\`, \`task-arithmetic\`, \`spunge\` and \`fo-zo\`. Their
gradients are short while the model is sure of the answers and long soon after, so that one rate for all steps forgets too little or
takes the rest along; give \`--learning-rate\` by what the verdict says, or take another optimizer.

## How sets are paired

An epoch runs over the forget set in a new order; a step takes \`--batch-size\` examples of it. A source of the forget set's questions
gives the same examples to each term. Of the retain set one example is drawn beside each: afresh in each epoch, or with
\`--pairing fixed\` the same in all, as TOFU's code has it. Refusals and other answers are drawn in the same way. Every draw is a
function of the seed and the step.

Terms may take turns (\`turns\` of a method, as in \`eul\`): each turn goes through its terms' own set by itself, in batches of
\`--batch-size\`, all of it or so many examples (\`examples\`, \`perTarget\`), and then the next turn comes. An epoch is one of each turn then;
\`--epochs\` counts these rounds, and a step tells the losses of the terms that took part in it.

## Settings of a method

\`--set name=value\` gives one, as often as needed: \`soul unlearn --method npo --set beta=0.2 --set retainLoss=kl\`. Names and defaults
are in the tables below; a name that the method does not have is refused with the nearest that it has. An algorithm around any method
takes that one's settings, too: \`--method sam --set method=npo --set method.beta=0.2\`, in a file \`"methodSettings": { "method":
{ "name": "npo", "beta": 0.2 } }\`; what is not given is as in a run of that method. \`--forget-weight\`, \`--retain-weight\`, \`--beta\` and
\`--reduction\` are short for \`--set forgetCoefficient\`, \`retainCoefficient\`, \`beta\` and \`reduction\`.
In the library they are \`methodSettings\` of a run, and the second argument of \`method('npo', { beta: 0.2 })\`, whose defaults
are the papers'; a run's may differ (\`retainCoefficient\`).

## A method of your own

\`soul unlearn --algorithm ./mine.ts\` runs what a file exports as \`default\` or \`algorithm\`: what \`defineMethod\` or \`defineAlgorithm\`
makes, or a plain \`{ name, terms, rule, turns }\`. It is an ES module, .js, .mjs, .ts or .mts; TypeScript needs Node.js 22.18 or newer, or
tsx beside the file. In it \`soul-unlearn\` and its parts (\`soul-unlearn/unlearn\`) are the package whose command runs, wherever the file
lies. Its settings are given by \`--set\`; run.json has its SHA-256. What goes wrong in it is told with its name, and, in a term or its
objective, with theirs. An algorithm that needs groups names the setting with the field that makes them (\`groupsBy\`); one may refuse
sets and models before the model is loaded (\`checkSets\`, \`checkModel\`), and say which of its settings a verdict should advise to
change (\`advice\`).
A run of it is resumed by running it again from its beginning, without the descents that were done. What else is long, or reads weights
that a descent has changed, it does in \`lab.stage\`, which is not done again either; copies of the weights are \`lab.snapshot()\`, and what
its hooks remember is told in \`hooks.stored\`. What to heed: [architecture.md](architecture.md#runs-that-are-resumed).
[examples/own-method.ts](../examples/own-method.ts) has an objective of its own, [examples/own-rule.ts](../examples/own-rule.ts) a
gradient rule, [examples/own-algorithm.ts](../examples/own-algorithm.ts) two descents. To add one to the package:
[architecture.md](architecture.md).
`;

const configurationText = `## Configuration files

\`--config\` of \`soul unlearn\` and \`soul train\` takes a JSON or YAML file with these names, or the run.json of an earlier run;
[configuration.md](configuration.md) says how they count and are written.

\`\`\`json
{
  "model": "./model",
  "target": "forget.jsonl",
  "retain": "retain.jsonl",
  "method": "npo",
  "methodSettings": { "beta": 0.2 },
  "optimizer": "sophia",
  "optimizerSettings": { "learningRate": 2e-5 },
  "load": { "device": "cpu", "threads": 4 }
}
\`\`\`
`;

/** What a declaration's comment says. */
interface Documented {
  readonly name: string;
  readonly type: string;
  /** Its paragraphs, each on one line. */
  readonly paragraphs: readonly string[];
}

interface DocumentedFunction extends Documented {
  readonly options: readonly Documented[];
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
}

function commentOf(node: ts.Node): readonly string[] {
  const text = ts
    .getJSDocCommentsAndTags(node)
    .map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? '')
    .at(0);
  return (text ?? '')
    .split(/\n\s*\n/)
    .map((paragraph) =>
      paragraph
        .replaceAll(/\{@link (\w+)\}/g, '`$1`')
        .replaceAll(/\s+/g, ' ')
        .trim(),
    )
    .filter((paragraph) => paragraph !== '');
}

/** The members of an interface of a file. */
function membersOf(source: ts.SourceFile, name: string): Documented[] {
  const found = source.statements.find((each) => ts.isInterfaceDeclaration(each) && each.name.text === name);
  if (found === undefined) return [];
  return (found as ts.InterfaceDeclaration).members.filter(ts.isPropertySignature).map((member) => ({
    name: member.name.getText(),
    type: member.type?.getText() ?? '',
    paragraphs: commentOf(member),
  }));
}

/** The functions and constants of a folder's files that are, or make, something of a type. */
function makersOf(folder: string, type: string): DocumentedFunction[] {
  const files = readdirSync(join(packageRoot, folder)).map((name) => join(packageRoot, folder, name));
  return files.flatMap((file) => {
    const source = parse(file);
    return source.statements.flatMap((statement): DocumentedFunction[] => {
      if (
        !ts.canHaveModifiers(statement) ||
        !ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
      ) {
        return [];
      }
      if (ts.isFunctionDeclaration(statement) && statement.type?.getText() === type) {
        const parameters = statement.parameters.map((parameter) => parameter.type?.getText() ?? '');
        const options = parameters.flatMap((name) => membersOf(source, name));
        return [{ name: statement.name!.text, type, paragraphs: commentOf(statement), options }];
      }
      if (!ts.isVariableStatement(statement)) return [];
      return statement.declarationList.declarations
        .filter((declaration) => declaration.type?.getText() === type)
        .map((declaration) => ({
          name: declaration.name.getText(),
          type,
          paragraphs: commentOf(statement),
          options: [],
        }));
    });
  });
}

const sourcePattern = /^Sources?: /;

function sourceOf({ paragraphs }: Documented): string {
  return paragraphs.find((paragraph) => sourcePattern.test(paragraph))?.replace(sourcePattern, '') ?? '';
}

/** A text in which no < begins a tag; what stands in backticks is shown as it is. */
function escaped(text: string): string {
  const parts = text.split(/(`[^`]*`)/);
  return parts.map((part, i) => (i % 2 === 1 ? part : part.replaceAll('<', '&lt;'))).join('');
}

/** A text in a cell of a table. */
function cell(text: string): string {
  return escaped(text).replaceAll('|', '\\|');
}

function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

function link(name: string): string {
  return `[\`${name}\`](#${name.toLowerCase()})`;
}

function algorithmSection(method: AlgorithmDescription): string {
  const { name, summary, paper, formula, departures, needs, settings, learningRates } = method;
  const facts = [
    `- Paper: ${paper}`,
    `- Formula: \`${formula}\``,
    ...(departures === undefined ? [] : [`- Departs from it: ${escaped(departures)}`]),
    `- Needs: ${needs.length === 0 ? 'nothing but the examples that it runs over' : needs.map(needText).join('; ')}`,
    `- Promises: ${promiseText(method)}`,
    learningRates === undefined
      ? '- Learning rates: none, it takes no steps'
      : `- Learning rates: ${Object.entries(learningRatesOf(learningRates))
          .map(([optimizer, rate]) => `${rate.toExponential()} (${optimizer})`)
          .join(', ')}`,
  ];
  const rows = settings.map((setting) => [
    code(setting.name),
    cell(expectedText(setting)),
    setting.default === undefined ? '' : code(String(setting.default)),
    cell(setting.text),
  ]);
  return [
    `### ${name}`,
    `${summary[0]!.toUpperCase()}${summary.slice(1)}.`,
    facts.join('\n'),
    ...(rows.length > 0 ? [table(['setting', 'what it may be', 'default of a run', 'what it does'], rows)] : []),
  ].join('\n\n');
}

function makerSection({ name, paragraphs, options }: DocumentedFunction): string {
  return [`### ${name}`, ...paragraphs.map(escaped), ...(options.length > 0 ? [optionList(options)] : [])].join('\n\n');
}

function optionList(options: readonly Documented[]): string {
  return options.map(({ name, paragraphs }) => `- \`${name}\`: ${escaped(paragraphs.join(' '))}`).join('\n');
}

function makerTable(what: string, makers: readonly DocumentedFunction[]): string {
  const rows = makers.map((maker) => [link(maker.name), cell(maker.paragraphs[0] ?? ''), cell(sourceOf(maker))]);
  return table([what, 'what it computes', 'paper'], rows);
}

/** The settings of a run as files have them, and the options that give them. */
function configurationSection(): string {
  const rows = [...settingRows(runSettings)];
  return `${configurationText}\n${table(['setting', 'option', 'what it says'], rows)}`;
}

function* settingRows(schema: RunSchema, prefix = ''): Generator<string[]> {
  for (const [name, entry] of Object.entries(schema)) {
    if (entry.kind === 'group') {
      yield* settingRows(entry.members, `${prefix}${name}.`);
      continue;
    }
    const { option, by = [] } = entry;
    const options = typeof option === 'string' ? [option] : [...Object.values(option ?? {}), ...by];
    const flags = options.map((each) => code((typeof each === 'string' ? each : each.flags).split(' ')[0]!));
    const otherwise = defaultText(entry);
    const parts = [
      entry.text,
      entry.choices && `One of ${entry.choices.join(', ')}`,
      otherwise === undefined ? undefined : `Default: ${otherwise}`,
    ];
    yield [code(prefix + name), flags.join(', '), cell(parts.filter((part) => part !== undefined).join('. '))];
  }
}

/** The whole document. */
export function methodsDocument(): string {
  const methods = algorithms.map(describeAlgorithm);
  const objectives = makersOf('lib/unlearn/objectives', 'Objective');
  const rules = makersOf('lib/unlearn/rules', 'GradientRule');
  const methodRows = methods.map(({ name, summary, paper, formula }) => [
    link(name),
    cell(summary),
    cell(paper),
    code(formula),
  ]);
  const sections = [
    introduction.trimEnd(),
    configurationSection(),
    '## Overview',
    `${methods.length} methods and algorithms; \`finetune\` is what \`soul train\` does:`,
    table(['name', 'what it does', 'paper', 'formula'], methodRows),
    'Objectives, exported from `soul-unlearn/unlearn`:',
    makerTable('objective', objectives),
    'Gradient rules, exported there too:',
    makerTable('rule', rules),
    '## Methods and algorithms',
    ...methods.map(algorithmSection),
    '## Objectives',
    ...objectives.map(makerSection),
    '## Gradient rules',
    ...rules.map(makerSection),
  ];
  return `${sections.join('\n\n')}\n`;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  writeFileSync(join(packageRoot, methodsFile), methodsDocument());
  console.log(`written: ${methodsFile}`);
}
