/**
 * The page of a study.
 *
 * @module
 */

import { claimsOf, leadersOf } from '../study/analysis/claims.ts';
import { limitsOf } from '../study/analysis/limits.ts';
import { studyFigures } from './figures/study/list.ts';
import { html, type Markup } from './page/html.ts';
import type { PageParts, Section } from './page/page.ts';
import type { Drawer } from './plot/draw.ts';
import { facts } from './sections/facts.ts';
import { figureParts } from './sections/figure-part.ts';
import { generations } from './sections/generations.ts';
import { recordPart, trialRecords } from './sections/records.ts';
import { resultTables } from './sections/study-tables.ts';
import { trialsTable } from './sections/trials-table.ts';
import type { StudySource } from './study-source.ts';

/** @param problems of files that could not be read */
export function studyPage(source: StudySource, problems: readonly string[], drawer: Drawer): PageParts {
  const { study } = source.summary;
  const answers = generations(source);
  const sections: Section[] = [
    {
      id: 'summary',
      title: 'Summary',
      content: [progress(source), problemList(problems), claims(source), optimizerList(source), made(source)],
    },
    { id: 'results', title: 'Results', content: resultTables(source) },
    ...(source.trials.length > 0
      ? [
          {
            id: 'figures',
            title: 'Figures',
            content: html`<div class="figures">${figureParts(studyFigures, source, drawer, figureSettings(source))}</div>`,
          },
        ]
      : []),
    ...(answers ? [{ id: 'answers', title: 'Answers before and after', content: answers }] : []),
    ...(source.trials.length > 0 ? [{ id: 'trials', title: 'All trials', content: trialsTable(source) }] : []),
    {
      id: 'records',
      title: 'Records',
      content: [recordPart('record-study', 'The study in full', study), trialRecords(source)],
    },
  ];
  return { title: study.title || study.name, lead: lead(source), sections };
}

function lead({ summary }: StudySource): Markup {
  const { optimizers, methods, models, trials, draws } = summary.study;
  const count = (number: number, one: string) => `${number} ${one}${number === 1 ? '' : 's'}`;
  return html`<p>${[
    count(optimizers.length, 'optimizer'),
    count(methods.length, 'method'),
    count(models.length, 'model'),
    `${count(trials, 'trial')} and ${count(draws, 'draw')} for each`,
  ].join(', ')}.</p>\n`;
}

function progress({ summary, trials }: StudySource): Markup {
  const { done, total } = summary;
  const diverged = trials.filter(({ outcome }) => outcome === 'diverged').length;
  const complete = [...new Set(summary.cells.map(({ draws }) => draws.length))];
  const state =
    done === total
      ? 'All trials are done.'
      : 'The study is not done: figures are of the draws of which every optimizer has all its trials, so that all are equal.';
  return html`<p><progress max="${total}" value="${done}" aria-label="Trials done"></progress> ${done} of ${total} trials, ${diverged} of them diverged. ${state}</p>
${facts([['draws with all trials', complete.length === 0 ? 'none yet' : complete.toSorted((a, b) => a - b).join(' to ')]])}`;
}

function problemList(problems: readonly string[]): Markup | undefined {
  if (problems.length === 0) return undefined;
  return html`<p class="warning" role="note">Left out: ${problems.join('; ')}</p>\n`;
}

/** What the figures say and do not say, in the sentences of the analysis. */
function claims({ summary, trials }: StudySource): Markup | undefined {
  const all = claimsOf(summary);
  if (all.length === 0) return undefined;
  const shown = all.filter(({ standing }) => standing === 'shown').map(({ sentence }) => sentence);
  const others = all.filter(({ standing }) => standing !== 'shown').map(({ sentence }) => sentence);
  const leaders = ['score', 'equalRetain'].flatMap((figure) => leadersOf(summary, figure));
  const list = (sentences: readonly string[]) => html`<ul>${sentences.map((each) => html`<li>${each}</li>`)}</ul>\n`;
  return html`<h3>The highest means</h3>
${list(leaders)}
<h3>What is shown</h3>
${list(shown.length > 0 ? shown : ['No difference to the first optimizer is shown.'])}
<h3>What is not shown</h3>
${list(limitsOf(summary, trials))}
${others.length > 0 ? html`<details id="not-shown"><summary>Differences that are not shown (${others.length})</summary>${list(others)}</details>` : undefined}`;
}

function optimizerList({ summary }: StudySource): Markup {
  return html`<h3>Optimizers</h3>\n${facts(summary.study.optimizers.map(({ name, text }) => [name, text]))}`;
}

/** Versions and processors of the trials: what all say, or a few of them, and from when to when they ended. */
function made({ trials }: StudySource): Markup | undefined {
  if (trials.length === 0) return undefined;
  const names = [...new Set(trials.flatMap((trial) => Object.keys(trial.made)))];
  const entries = names.flatMap((name) => {
    const values = [...new Set(trials.flatMap((trial) => trial.made[name] ?? []))].sort();
    if (name === 'ended' && values.length > 1) return [[name, `${values[0]} to ${values.at(-1)}`] as const];
    return values.length <= 4 ? [[name, values.join(', ')] as const] : [];
  });
  return html`<h3>How it was made</h3>\n${facts(entries)}`;
}

/** What a figure's settings are: all of the study but its names of files. */
function figureSettings({ summary }: StudySource): object {
  const { name, seed, trials, draws, search, training, evaluation, dtype, threads, methods, optimizers } =
    summary.study;
  const chosen = summary.cells.map(({ model, split, method, optimizer, chosen: own }) => ({
    model,
    split,
    method,
    optimizer,
    chosen: own.map(({ end }) => end),
  }));
  const names = optimizers.map((optimizer) => optimizer.name);
  return {
    study: name,
    seed,
    trials,
    draws,
    methods,
    optimizers: names,
    search,
    training,
    evaluation,
    dtype,
    threads,
    chosen,
  };
}
