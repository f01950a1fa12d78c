/**
 * Which figures stand in a table of models, and in which order; a new layout is an entry here.
 *
 * @module
 */

import { describe, SoulError } from '../../core/errors.ts';
import { closestName } from '../../core/option-names.ts';
import { metrics } from '../figures/list.ts';
import { metricTitle } from '../figures/measure-log.ts';
import type { ProfileName } from '../profiles.ts';
import { type EvaluationSet, evaluationSets } from '../tofu/log.ts';

/** One figure of each model. */
export interface ComparisonColumn {
  /** The metric; of several names the first that is about the set. */
  readonly metric: string | readonly string[];
  /** Absent for a figure of all sets. */
  readonly set?: EvaluationSet;
  /** Above the column; the metric's title by default. */
  readonly title?: string;
  /** Above it and those beside it that have the same; the set's title by default. */
  readonly group?: string;
}

export interface ComparisonLayout {
  readonly name: string;
  /** In a few words. */
  readonly summary: string;
  /** By whose conventions models are evaluated for it, unless another is asked for. */
  readonly profile?: ProfileName;
  readonly columns: readonly ComparisonColumn[];
  /** Whether columns in which no model has a value are left out. */
  readonly sparse?: boolean;
}

/** What sets are called above columns. */
export const setTitles: Readonly<Record<EvaluationSet, string>> = {
  forget: 'forget',
  retain: 'retain',
  realAuthors: 'authors',
  worldFacts: 'facts',
  holdout: 'holdout',
};

const accuracy = { metric: ['accuracy', 'containsAnswer'], title: 'accuracy' } as const;
const rouge = { metric: 'rougeLRecall', title: 'ROUGE-L' } as const;

export const comparisonLayouts: readonly ComparisonLayout[] = [
  {
    name: 'short',
    summary: 'what was forgotten and what was kept, in a few figures',
    columns: [
      { metric: 'forgetQuality' },
      { metric: 'modelUtility' },
      { metric: 'probability', set: 'forget' },
      { ...rouge, set: 'forget' },
      { metric: 'truthRatio', set: 'forget' },
      { metric: 'extractionStrength', set: 'forget' },
      { metric: 'membershipMinK', group: 'forget', title: 'MIA, min-k' },
      { metric: 'probability', set: 'retain' },
      { ...rouge, set: 'retain' },
    ],
  },
  {
    name: 'soul',
    // Jia et al. 2024, table 2.
    summary: "the figures of SOUL's table on TOFU",
    profile: 'soul',
    columns: [
      { metric: 'forgetQuality', group: 'forget', title: 'forget quality' },
      { ...accuracy, set: 'forget' },
      { ...rouge, set: 'forget' },
      { metric: 'membershipMinK', group: 'forget', title: 'MIA' },
      { ...accuracy, set: 'retain' },
      { ...rouge, set: 'retain' },
      { ...accuracy, set: 'realAuthors' },
      { ...rouge, set: 'realAuthors' },
      { ...accuracy, set: 'worldFacts' },
      { ...rouge, set: 'worldFacts' },
    ],
  },
  {
    name: 'full',
    summary: 'every figure that a model has',
    sparse: true,
    columns: metrics.flatMap(({ name, sets }) => columnsOf(name, sets)),
  },
];

/**
 * A layout by its name, or one of columns that are named: a metric, as `modelUtility`, or of one set, as `forget.probability`.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a name that nothing has, with the nearest that there is
 */
export function comparisonLayout(text: string): ComparisonLayout {
  const named = comparisonLayouts.find(({ name }) => name === text);
  if (named) return named;
  const columns = text
    .split(',')
    .map((name) => name.trim())
    .flatMap(columnsNamed);
  return { name: text, summary: 'as named', columns };
}

function columnsNamed(text: string): ComparisonColumn[] {
  const [first = '', second] = text.split('.');
  const [set, name] = second === undefined ? [undefined, first] : [first, second];
  const metric = metrics.find((each) => each.name === name);
  const isAbout = set === undefined || metric?.sets?.includes(set as EvaluationSet);
  if (metric && isAbout) {
    return columnsOf(metric.name, set === undefined ? metric.sets : [set as EvaluationSet]);
  }
  const known = [
    ...comparisonLayouts.map((layout) => layout.name),
    ...metrics.flatMap((each) => [each.name, ...(each.sets ?? []).map((own) => `${own}.${each.name}`)]),
  ];
  const closest = closestName(text, known);
  const hint = closest === undefined ? '' : `; did you mean ${closest}?`;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `table must name a layout (${comparisonLayouts.map((layout) => layout.name).join(', ')}) or metrics, as in modelUtility,forget.probability, but has ${describe(text)}${hint}`,
    { argument: 'table', found: text },
  );
}

function columnsOf(metric: string, sets: readonly EvaluationSet[] | undefined): ComparisonColumn[] {
  return sets === undefined
    ? [{ metric }]
    : evaluationSets.filter((set) => sets.includes(set)).map((set) => ({ metric, set }));
}

/** Which of a column's metrics is about its set. */
export function metricOf({ metric, set }: ComparisonColumn): (typeof metrics)[number] | undefined {
  const names = typeof metric === 'string' ? [metric] : metric;
  return names
    .map((name) => metrics.find((each) => each.name === name))
    .find((each) => each !== undefined && (set === undefined || (each.sets?.includes(set) ?? false)));
}

/** What stands above a column. */
export function columnTitle(column: ComparisonColumn): { group: string; title: string } {
  const { set, group, title, metric } = column;
  const name = metricOf(column)?.name ?? (typeof metric === 'string' ? metric : metric[0]!);
  return { group: group ?? (set === undefined ? '' : setTitles[set]), title: title ?? metricTitle(name) };
}
