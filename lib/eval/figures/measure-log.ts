/**
 * All figures of an evaluation log.
 *
 * @module
 */

import { checkChoice } from '../../core/checks.ts';
import { describe, SoulError } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { withoutUndefined } from '../../core/optional.ts';
import type { TemplateRecord } from '../../data/example-template.ts';
import { Bootstrap, type BootstrapOptions, bootstrapOptionNames, figureOf } from '../metrics/bootstrap.ts';
import type { TruthRatioOptions } from '../metrics/truth-ratio.ts';
import { evaluationProfile, type Profile, type ProfileName } from '../profiles.ts';
import { type EvaluationLog, evaluationSets, logSections } from '../tofu/log.ts';
import type { Figure, Metric, Outcome, Subject } from './figure.ts';
import { metrics } from './list.ts';
import { lensFigures } from './logit-lens.ts';

/** Relative, of a figure that a log states. */
const statedTolerance = 1e-5;

export interface MeasureLogOptions extends BootstrapOptions {
  /**
   * By whose conventions; by default those that the log was made by, 'tofu' where it does not say. A log is measured in its own profile
   * alone.
   */
  profile?: ProfileName;
  /** Mean of the truth ratio in place of the profile's: TOFU has published figures of both. */
  truthRatioMean?: 'geometric' | 'arithmetic';
  /** The log of a model that was trained without the forget set: the same sets, asked in the same way. */
  reference?: EvaluationLog;
  /** The log of the model before unlearning, likewise: for what is gone layer by layer. */
  original?: EvaluationLog;
}

/** Figures of one log in one profile. */
export interface LogFigures {
  readonly profile: ProfileName;
  readonly truthRatioMean: NonNullable<TruthRatioOptions['mean']>;
  /** What embedded sentences for the accuracy; absent where nothing did. */
  readonly embedder?: string;
  /** How many items of each set were measured. */
  readonly items: Readonly<Record<string, number>>;
  readonly figures: readonly Figure[];
  /** What should be known of the figures. */
  readonly notes: readonly string[];
}

/**
 * Every figure that a log gives, with an interval over its items.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a profile that is not the log's; SOUL_BAD_DATA, with `section`, `field` and `item`, for a
 *   reference of other questions
 */
export function measureLog(log: EvaluationLog, options: MeasureLogOptions = {}): LogFigures {
  checkNames('options', options, [...bootstrapOptionNames, 'profile', 'truthRatioMean', 'reference', 'original']);
  const {
    profile: _profile,
    truthRatioMean: _mean,
    reference: _reference,
    original: _original,
    ...resampling
  } = options;
  const subject = subjectOf(log, options);
  const { profile } = subject;
  const bootstrap = new Bootstrap(resampling);
  const ofSets = metrics.flatMap((metric) =>
    (metric.sets ?? [undefined])
      .filter((set) => set === undefined || log.sets[set] !== undefined)
      .map((set) => ({
        metric: metric.name,
        ...withoutUndefined({ set }),
        ...figureFrom(metric.estimate(subject, set), bootstrap),
      })),
  );
  const ofLayers = lensFigures(subject).map(({ metric, set, layer, outcome }) => ({
    ...{ metric, set },
    ...withoutUndefined({ layer }),
    ...figureFrom(outcome, bootstrap),
  }));
  const figures = [...ofSets, ...ofLayers];
  const { items, notes } = countItems(subject);
  return {
    profile: profile.name,
    truthRatioMean: profile.truthRatio.mean,
    ...withoutUndefined({ embedder: log.recorded?.embedder }),
    items,
    figures,
    notes: [...notes, ...notesOf(figures), ...outsideInterval(figures), ...statedOtherwise(subject, figures)],
  };
}

const layerTitles: Readonly<Record<string, string>> = {
  logitLens: 'logit lens, mean log p',
  logitLensErasure: 'erased by the logit lens',
};

/**
 * A log as figures are computed from it.
 *
 * @throws SoulError as {@link measureLog}
 */
export function subjectOf(log: EvaluationLog, options: Omit<MeasureLogOptions, keyof BootstrapOptions>): Subject {
  const { profile: wanted, truthRatioMean, reference, original } = options;
  const own = evaluationProfile(wanted ?? log.recorded?.profile ?? 'tofu');
  checkProfile('log', log, own);
  if (reference) checkReference(log, reference, own);
  if (original) checkReference(log, original, own, 'original');
  const mean = checkChoice('truthRatioMean', truthRatioMean ?? own.truthRatio.mean, ['geometric', 'arithmetic']);
  const profile = { ...own, truthRatio: { ...own.truthRatio, mean } };
  return { profile, log, ...withoutUndefined({ reference, original }) };
}

/** A metric's title, for tables. */
export function metricTitle(name: string): string {
  return metrics.find((metric: Metric) => metric.name === name)?.title ?? layerTitles[name] ?? name;
}

/** The figure of an estimate with its interval, or why there is none. */
export function figureFrom(outcome: Outcome, bootstrap: Bootstrap): Omit<Figure, 'metric' | 'set'> {
  if (typeof outcome === 'string') return { why: outcome };
  const { map = (figure: number) => figure, details, note, trivial } = outcome;
  const figure = figureOf(outcome);
  const value = map(figure);
  if (Number.isNaN(value)) return { why: 'undefined', ...withoutUndefined({ note }) };
  const drawn = trivial ? undefined : bootstrap.interval(outcome);
  const ends = drawn?.map(map).sort((a, b) => a - b) as [number, number] | undefined;
  return { value, ...withoutUndefined({ interval: ends, details: details?.(figure), note }) };
}

/**
 * Refuses a log that was made by other conventions.
 *
 * @param argument what the log is called in the error
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkProfile(argument: string, { recorded }: EvaluationLog, profile: Profile): void {
  if (recorded === undefined || recorded.profile === profile.name) return;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${argument} was made by the conventions of ${recorded.profile} and cannot be measured by those of ${profile.name}, which asks models otherwise; evaluate the model again in that profile`,
    { argument, expected: profile.name, found: recorded.profile },
  );
}

/**
 * Refuses a reference by other conventions, or of another split: it would give figures, and mean nothing. It may have more items, of
 * which the first are the log's.
 *
 * @throws SoulError as {@link measureLog}
 */
export function checkReference(
  log: EvaluationLog,
  reference: EvaluationLog,
  profile: Profile,
  argument: 'reference' | 'original' = 'reference',
): void {
  checkProfile(argument, reference, profile);
  if (guardrailOf(reference) !== undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the ${argument} was asked behind a guardrail; expected the log of a model that was asked as it is`,
      { argument },
    );
  }
  for (const set of evaluationSets) {
    const [own, other] = [log.sets[set], reference.sets[set]];
    if (!own || !other) continue;
    const section = logSections[set];
    const mixed = (problem: string, field: string, item?: string) =>
      new SoulError(
        'SOUL_BAD_DATA',
        `the ${argument} log is of other questions than the log: ${section}, ${field}${item === undefined ? '' : `, item ${describe(item)}`} ${problem}`,
        { section, field, ...withoutUndefined({ item }) },
      );
    if (other.length < own.length) throw mixed(`has ${other.length} items, not ${own.length}`, 'avg_gt_loss');
    for (const [i, { index, texts }] of own.entries()) {
      const answer = other[i]!.texts?.answer;
      if (texts === undefined || answer === undefined || texts.answer.trim() === answer.trim()) continue;
      throw mixed(`has the answer ${describe(answer)}, not ${describe(texts.answer)}`, 'generated_text', index);
    }
  }
}

/** The instruction that stood before each question; undefined where none did. */
function guardrailOf({ recorded }: EvaluationLog): string | undefined {
  return (recorded?.template as Partial<TemplateRecord> | undefined)?.guardrail;
}

/** How many items of each set a profile looks at, with a note where it leaves some out. */
export function countItems({ log, profile }: Subject): { items: Record<string, number>; notes: string[] } {
  const items: Record<string, number> = {};
  const notes: string[] = [];
  if (guardrailOf(log) !== undefined) {
    notes.push('an instruction to refuse stood before each question (input-based baseline), which changes no weight');
  }
  for (const set of evaluationSets) {
    const all = log.sets[set]?.length;
    if (all === undefined) continue;
    const isCut = profile.items !== undefined && all > profile.items && (set === 'forget' || set === 'retain');
    items[set] = isCut ? profile.items! : all;
    if (isCut) notes.push(`the first ${profile.items} of ${all} items of ${set}, as ${profile.name} takes them`);
  }
  return { items, notes };
}

/** What a log states of a figure and its items do not give. Numbers behind it are float32. */
function statedOtherwise({ log: { stated = [] }, reference }: Subject, figures: readonly Figure[]): string[] {
  return stated.flatMap(({ name, metric, set, value }) => {
    // It may have been computed beside a retrained model that is not here.
    if (metric === 'privleak' && reference === undefined) return [];
    const own = figures.find((figure) => figure.metric === metric && figure.set === set)?.value;
    if (own === undefined || isStated(own, value)) return [];
    return [`the log states ${name} as ${value}, but its items give ${own}`];
  });
}

/** Whether a figure is the one that a log states; an infinite one is near to itself alone. */
function isStated(own: number, value: number): boolean {
  if (own === value) return true;
  return (
    Number.isFinite(value) && Math.abs(own - value) <= statedTolerance * Math.max(Math.abs(value), Number.MIN_VALUE)
  );
}

/** Of a p-value its resamples may all be on one side: who does not know takes it for a mistake. */
function outsideInterval(figures: readonly Figure[]): string[] {
  return figures
    .filter(({ value, interval }) => value !== undefined && interval && (value < interval[0] || value > interval[1]))
    .filter(({ metric }) => metric === 'forgetQuality')
    .map(
      ({ metric }) =>
        `${metricTitle(metric)}: p lies outside of its interval, since samples that are drawn anew are further apart than those that were measured`,
    );
}

function notesOf(figures: readonly Figure[]): string[] {
  return [...new Set(figures.flatMap(({ metric, note }) => (note ? [`${metricTitle(metric)}: ${note}`] : [])))];
}
