/**
 * The page of a run.
 *
 * @module
 */

import { loose } from '../run/loose.ts';
import { runFigures } from './figures/run/list.ts';
import { html, type Markup } from './page/html.ts';
import { numberText } from './page/numbers.ts';
import type { PageParts, Section } from './page/page.ts';
import { table } from './page/table.ts';
import type { Drawer } from './plot/draw.ts';
import type { RunSource } from './run-source.ts';
import { facts } from './sections/facts.ts';
import { figureParts } from './sections/figure-part.ts';
import { recordPart } from './sections/records.ts';

const states = {
  finished: 'finished',
  running: 'goes on',
  interrupted: 'was cut off; soul unlearn --resume, or soul train --resume, goes on with it',
  unreadable: 'has no record that can be read',
} as const;

export function runPage(source: RunSource, drawer: Drawer): PageParts {
  const { run, record, evaluations } = source;
  const { settings } = run;
  const figures = figureParts(runFigures, source, drawer, settings ?? {});
  const sections: Section[] = [
    { id: 'summary', title: 'Summary', content: [summary(source), before(source)] },
    {
      id: 'figures',
      title: 'Figures',
      content:
        figures.length > 0
          ? html`<div class="figures">${figures}</div>`
          : html`<p class="quiet">No step is done yet.</p>`,
    },
    ...(evaluations.length > 0 ? [{ id: 'on-the-way', title: 'Figures on the way', content: measured(source) }] : []),
    ...(settings
      ? [{ id: 'settings', title: 'Settings', content: recordPart('all-settings', 'All settings', settings) }]
      : []),
    ...(record === undefined
      ? []
      : [{ id: 'record', title: 'Record', content: recordPart('whole-record', 'run.json', record) }]),
  ];
  const what = [run.method, run.optimizer].filter((each) => each !== undefined).join(', ');
  return { title: what === '' ? 'Run' : `Run: ${what}`, lead: html`<p>The run ${states[run.state]}.</p>\n`, sections };
}

function summary({ run, record, spans }: RunSource): Markup {
  const { verdict, steps, ofSteps, seconds, startedAt, finishedAt, wroteAt } = run;
  const { peakMemory } = loose(loose(record).results);
  const count = steps ?? spans.at(-1)?.step;
  return html`${verdict && html`<p><strong>${verdict.sentence}</strong>${verdict.advice && ` ${verdict.advice}`}</p>`}
${facts([
  ['steps', count === undefined ? undefined : ofSteps === undefined ? count : `${count} of ${ofSteps}`],
  ['time of the method', seconds === undefined ? undefined : `${numberText(seconds, 'seconds')} s`],
  ['peak memory', typeof peakMemory === 'number' ? numberText(peakMemory, 'bytes') : undefined],
  ['began', startedAt],
  ['finished', finishedAt],
  ['last step', finishedAt === undefined ? wroteAt : undefined],
])}`;
}

function before({ run }: RunSource): Markup | undefined {
  const sets = Object.entries(run.evaluation ?? {});
  if (sets.length === 0) return undefined;
  return table({
    id: 'table-before-after',
    caption: 'Mean probability of the answers; target is what is to be forgotten, or learned.',
    columns: [
      { head: 'set', cell: ([set]) => set },
      { head: 'examples', cell: ([, { examples }]) => examples },
      {
        head: 'before',
        cell: ([, { before: value }]) => numberText(value, 'probability'),
        by: ([, each]) => each.before,
      },
      { head: 'after', cell: ([, { after }]) => numberText(after, 'probability'), by: ([, each]) => each.after },
    ],
    rows: sets,
    data: sets.map(([set, { examples, before: first, after }]) => ({ set, examples, before: first, after })),
  });
}

function measured({ evaluations }: RunSource): Markup {
  const names = [...new Set(evaluations.flatMap(({ figures }) => Object.keys(figures)))];
  return table({
    id: 'table-on-the-way',
    caption: 'Means over the examples of each set.',
    columns: [
      { head: 'step', cell: ({ step }) => step },
      { head: 'moment', cell: ({ moment }) => moment },
      { head: 'set', cell: ({ set }) => set },
      ...names.map((name) => ({
        head: name,
        cell: ({ figures }: (typeof evaluations)[number]) => numberText(figures[name], 'probability'),
        by: ({ figures }: (typeof evaluations)[number]) => figures[name],
      })),
    ],
    rows: evaluations,
    data: evaluations.map(({ step, moment, set, figures }) => ({ step, moment, set, ...figures })),
  });
}
