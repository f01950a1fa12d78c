/**
 * Writes docs/study.md, lib/run/recipes/list.ts and the README's part on studies from what studies/results/ holds: each study in full (study.json)
 * and its finished trials. Every figure and every sentence with one is computed from them; what stands in no other place, the introduction,
 * stands here.
 *
 * @module
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withPart } from '../bench/report/document.ts';
import { escapeMarkdown, printComparison } from '../lib/cli/comparison/forms.ts';
import { SoulError } from '../lib/core/errors.ts';
import { packageRoot } from '../lib/core/package.ts';
import { readStudyFolder, studyName } from '../lib/report/study-folder.ts';
import { defaultMethod, type Recipe, recipeText } from '../lib/run/recipes/recipe.ts';
import { type Claim, claimsOf, leadersOf } from '../lib/study/analysis/claims.ts';
import { figures } from '../lib/study/analysis/figures/list.ts';
import { limitsOf } from '../lib/study/analysis/limits.ts';
import { recipesOf } from '../lib/study/analysis/recipes.ts';
import { summarize } from '../lib/study/analysis/summarize.ts';
import type { StudySummary } from '../lib/study/analysis/summary.ts';
import { studyTables } from '../lib/study/analysis/tables/list.ts';
import { overviewTable } from '../lib/study/analysis/tables/overview-table.ts';
import type { Study, StudyModel, StudySplit } from '../lib/study/definition/study.ts';
import type { TrialRecord } from '../lib/study/trial/record.ts';

export const studyDocument = 'docs/study.md';
const recipesFile = 'lib/run/recipes/list.ts';

/** A study with the trials of it that are done. */
export interface StoredStudy {
  readonly study: Study;
  readonly records: readonly TrialRecord[];
}

const introduction = `# The study

<!-- Written by npm run docs:study from studies/results/; the introduction is in scripts/write-study.ts. -->

Does second order help a model forget? \`soul study\` asks it of any models, data, methods and optimizers; this page is what the studies in
\`studies/results/\` came to. All figures, and all sentences with a figure, are computed from the trials that are stored there.

How it is made fair:

- Every optimizer gets the same number of trials, at the same points of the search (learning rate, weight of the retain set, and the clipped
  share where an optimizer searches it), each as a factor on its own default. A draw fixes the order of the batches; it is the same for all.
- The items that are measured are split into two halves. The *validation* half chooses a trial, the other half is reported.
- *At the end*: the trial with the highest score. With p0, r0 the mean probability of the answers to forget and to keep at the start, p, r at
  the end and pR the retrained model's of the answers to forget, the score is the harmonic mean of (p0 - p) / (p0 - pR) and r / r0, both
  within 0 and 1; without a retrained model pR is 0. A trial that diverged has a score of 0, and no other figure.
- *At equal forgetting*: the trial that keeps most where its forget probability first falls to the retrained model's, between two points of
  the path by linear interpolation.
- Differences are taken draw by draw, with 95 % intervals by Student's t over the draws. A difference is said to be shown where its interval
  excludes 0.
- A draw counts when all trials of all optimizers in it are done.

Of a model that people have, a study also recommends settings, which \`soul unlearn\` takes for models of about that size where the
learning rate is left open, and the method, too, if the study tried the default one. Of a model that is trained for it from random weights it recommends none.`;

/**
 * The studies that are stored under a folder, by name; of those without a finished trial nothing is said.
 *
 * @throws SoulError SOUL_BAD_FILE where a study is damaged, or one of its trials
 */
export async function storedStudies(folder: string): Promise<StoredStudy[]> {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, studyName)))
    .map(({ name }) => name)
    .sort();
  const studies = await Promise.all(names.map((name) => storedStudy(join(folder, name))));
  return studies.filter(({ records }) => records.length > 0);
}

async function storedStudy(folder: string): Promise<StoredStudy> {
  const { source, problems } = await readStudyFolder(folder);
  // A page may leave a trial out and say so; what is committed must be whole.
  if (problems.length > 0) throw new SoulError('SOUL_BAD_FILE', `${folder}: ${problems.join('; ')}`, { folder });
  return { study: source.summary.study, records: source.trials };
}

/** The whole document. */
export function studyText(studies: readonly StoredStudy[]): string {
  const sections =
    studies.length === 0
      ? ['No trial of any study is stored yet: nothing is shown so far, one way or the other.']
      : studies.flatMap(studySections);
  return `${[introduction, ...sections, figuresSection()].join('\n\n')}\n`;
}

function studySections({ study, records }: StoredStudy): string[] {
  const summary = summarize(study, records);
  const claims = claimsOf(summary);
  const of = (standing: Claim['standing']) =>
    claims.filter((claim) => claim.standing === standing).map(({ sentence }) => sentence);
  const leaders = ['score', 'equalRetain'].flatMap((figure) => leadersOf(summary, figure));
  const shown = of('shown');
  return [
    `## ${escapeMarkdown(study.title)}`,
    ...(leaders.length > 0 ? ['### The highest means', list(leaders)] : []),
    '### What it shows',
    list(
      shown.length > 0
        ? shown
        : [
            claims.length > 0
              ? 'No difference to the first optimizer.'
              : 'No draw is done for all optimizers yet: nothing.',
          ],
    ),
    '### What it does not show',
    list([...of('not shown'), ...of('untold'), ...limitsOf(summary, records)]),
    ...studyTables(summary).flatMap((table) => [
      `### ${escapeMarkdown(table.title)}`,
      printComparison('markdown', table),
    ]),
    ...recipeSection(recipesOf(study, records)),
    '### How it was made',
    list(settingsOf(summary, records)),
  ];
}

/** What the README says of studies: one table, and of each study what leads and by how much. */
export function readmeText(studies: readonly StoredStudy[]): string {
  const summaries = studies.map(({ study, records }) => summarize(study, records));
  const table = overviewTable(summaries);
  if (table === undefined) return 'No study is stored yet.';
  return [
    printComparison('markdown', table),
    ...summaries.map((summary) => {
      const sentences = ['score', 'equalRetain'].flatMap((figure) => leadersOf(summary, figure));
      return `*${escapeMarkdown(summary.study.title)}*: ${sentences.map(escapeMarkdown).join(' ')}`;
    }),
  ].join('\n\n');
}

/** The README with that part in its place. */
export function readmeWith(readme: string, studies: readonly StoredStudy[]): string {
  return withPart(readme, 'study', readmeText(studies));
}

function list(sentences: readonly string[]): string {
  return sentences.map((sentence) => `- ${escapeMarkdown(sentence)}`).join('\n');
}

const taken =
  'takes the first of these for models from a hundredth to a hundred times the size, whether or not its lead over the next is shown above; the learning rate goes with the square root of the size.';

function recipeSection(recipes: readonly Recipe[]): string[] {
  if (recipes.length === 0) return [];
  return [
    '### What it recommends',
    recipes.some(({ method }) => method === defaultMethod)
      ? `\`soul unlearn\` without a method and a learning rate ${taken}`
      : `\`soul unlearn --method ${recipes[0]!.method}\` without a learning rate ${taken} The default method, ${defaultMethod}, was not tried: without \`--method\` it stays.`,
    recipes.map((recipe) => `${recipe.rank}. ${escapeMarkdown(recipeText(recipe))}`).join('\n'),
  ];
}

/** Settings, and what the records say of machines and versions. */
function settingsOf({ study, done, total }: StudySummary, records: readonly TrialRecord[]): string[] {
  const { models, splits, methods, optimizers, search, training, evaluation } = study;
  const { epochs, steps, batchSize, maximumLength } = training;
  const length = steps === undefined ? `${epochs ?? 'as many as a run takes'} epochs` : `${steps} steps`;
  return [
    `Trials: ${done} of ${total} done; ${study.trials} for each optimizer and draw, ${study.draws} draws, seed ${study.seed}.`,
    `Models: ${models.map(modelText).join('; ')}.`,
    `Data: ${splits.map(splitText).join('; ')}.`,
    `Methods: ${methods.map(({ name, settings }) => withSettings(name, settings)).join('; ')}.`,
    ...optimizers.map(({ name, text }) => `Optimizer ${name}: ${text}.`),
    `Search, on logarithmic scales: learning rate ${range(search.learningRate)} times the default, retain coefficient ${range(search.retainCoefficient)} times the default, clipped share ${range(search.clippedFraction)}.`,
    `Descent: ${length}, batches of ${batchSize}, at most ${maximumLength} tokens, ${study.dtype}, ${study.threads} ${study.threads === 1 ? 'thread' : 'threads'} a trial.`,
    `Measured: ${evaluation.points} ${evaluation.points === 1 ? 'point' : 'points'} of each path beside its start.`,
    ...madeOf(records),
  ];
}

/** Without the folder, which is of one machine. */
function modelText(model: StudyModel): string {
  if ('made' in model) return `${model.name}, trained for it from random weights`;
  if ('base' in model) return withSettings(`${model.name}, fine-tuned for it`, model.training ?? {});
  return `${model.name}${model.retrained === undefined ? ', without a retrained model' : ''}`;
}

function splitText(split: StudySplit): string {
  if ('made' in split) return `${split.name}, made for it`;
  const { forgetFilter = [], retainFilter = [], utility = {} } = split;
  const parts = [
    ...(forgetFilter.length > 0 ? [`forget ${forgetFilter.join(', ')}`] : []),
    ...(retainFilter.length > 0 ? [`keep ${retainFilter.join(', ')}`] : []),
    ...(Object.keys(utility).length > 0 ? [`beside it ${Object.keys(utility).join(', ')}`] : []),
  ];
  return [split.name, ...parts].join(', ');
}

function withSettings(name: string, settings: object): string {
  const entries = Object.entries(settings).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  return entries.length > 0 ? `${name} (${entries.join(', ')})` : name;
}

function range([low, high]: readonly [number, number]): string {
  return `${low} to ${high}`;
}

/** Each fact of how records were made, with its values; of times the first and the last. */
function madeOf(records: readonly TrialRecord[]): string[] {
  const names = [...new Set(records.flatMap(({ made }) => Object.keys(made)))].sort();
  return names.map((name) => {
    const values = [...new Set(records.flatMap(({ made }) => made[name] ?? []))].sort();
    const isTime = values.every((value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value));
    return `Made, ${name}: ${isTime && values.length > 1 ? `${values[0]} to ${values.at(-1)}` : values.join('; ')}.`;
  });
}

function figuresSection(): string {
  const lines = figures.map(({ label, text }) => `- *${escapeMarkdown(label)}*: ${escapeMarkdown(text)}`);
  return ['## The figures', lines.join('\n')].join('\n\n');
}

/** What all studies recommend. */
export function storedRecipes(studies: readonly StoredStudy[]): Recipe[] {
  return studies.flatMap(({ study, records }) => recipesOf(study, records));
}

function recipesText(recipes: readonly Recipe[]): string {
  return `/**
 * What committed studies recommend. Written by npm run docs:study from studies/results/; see docs/study.md.
 *
 * @module
 */

import type { Recipe } from './recipe.ts';

export const recipes: readonly Recipe[] = ${JSON.stringify(recipes, null, 2)};
`;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const studies = await storedStudies(join(packageRoot, 'studies/results'));
  writeFileSync(join(packageRoot, studyDocument), studyText(studies));
  writeFileSync(join(packageRoot, recipesFile), recipesText(storedRecipes(studies)));
  execFileSync('npx', ['biome', 'check', '--write', recipesFile], { cwd: packageRoot, stdio: 'ignore' });
  const readme = join(packageRoot, 'README.md');
  writeFileSync(readme, readmeWith(readFileSync(readme, 'utf8'), studies));
  for (const file of [studyDocument, recipesFile, 'README.md']) console.log(`written: ${file}`);
}
