/**
 * Logs that open-unlearning writes: TOFU_EVAL.json.
 *
 * @module
 */

import { describe, SoulError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { withoutUndefined } from '../../core/optional.ts';
import {
  type AnswerLoss,
  type EvaluationLog,
  type EvaluationSet,
  type LogItem,
  logSections,
  type MembershipAttack,
  type StatedFigure,
} from './log.ts';
import { finite, listOf, loss, share } from './value-readers.ts';

/** How the names of a set's metrics begin. */
const prefixes = { forget: 'forget', retain: 'retain', realAuthors: 'ra', worldFacts: 'wf' } as const;

type NamedSet = keyof typeof prefixes;

const attacks: Readonly<Record<MembershipAttack, string>> = {
  membershipLoss: 'mia_loss',
  membershipZlib: 'mia_zlib',
  membershipMinK: 'mia_min_k',
  membershipMinKPlusPlus: 'mia_min_k_plus_plus',
  membershipReference: 'mia_reference',
};

const ofTokens = { exactMemorization: 'exact_memorization', extractionStrength: 'extraction_strength' } as const;

/** Which figure an aggregate is. */
const aggregates: Readonly<Record<string, readonly [metric: string, set?: EvaluationSet]>> = {
  forget_quality: ['forgetQuality'],
  model_utility: ['modelUtility'],
  privleak: ['privleak'],
  forget_Q_A_Prob: ['probability', 'forget'],
  retain_Q_A_Prob: ['probability', 'retain'],
  ra_Q_A_Prob_normalised: ['probability', 'realAuthors'],
  wf_Q_A_Prob_normalised: ['probability', 'worldFacts'],
  ...Object.fromEntries(
    Object.entries(prefixes).flatMap(([set, prefix]) => [
      [`${prefix}_Q_A_ROUGE`, ['rougeLRecall', set]],
      [`${prefix}_Truth_Ratio`, ['truthRatio', set]],
    ]),
  ),
  ...Object.fromEntries(Object.entries(ofTokens).map(([metric, name]) => [name, [metric, 'forget']])),
  ...Object.fromEntries(Object.entries(attacks).map(([metric, name]) => [name, [metric]])),
};

/** Whether the content of a file has metrics under open-unlearning's names, with their items or as a summary without. */
export function isOpenUnlearning(content: unknown): content is Record<string, unknown> {
  return isObject(content) && Object.keys(content).some((name) => Object.hasOwn(aggregates, name));
}

/**
 * Reads a log of open-unlearning: for each metric an object with `value_by_index`, what was found of each item, and `agg_value`. Items are
 * told apart by their indices. Of membership inference and of figures of tokens there are scores in place of the tokens'
 * figures. Metrics that no figure here is made of are left.
 *
 * @see https://github.com/locuslab/open-unlearning src/evals/metrics
 * @throws SoulError SOUL_BAD_FILE for a summary and aggregates alone; SOUL_BAD_DATA, with `field` and `item`; SOUL_BAD_DATA, with
 *   `section`, for a file that has sections of TOFU's form, too
 */
export function readOpenUnlearning(file: string, content: Record<string, unknown>): EvaluationLog {
  if (Object.values(content).every((value) => typeof value === 'number')) {
    throw new SoulError(
      'SOUL_BAD_FILE',
      `${file} is a summary of open-unlearning, which has no items; give the log beside it, TOFU_EVAL.json`,
      { file },
    );
  }
  const section = Object.values(logSections).find((name) => Object.hasOwn(content, name));
  if (section !== undefined) {
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${file} has metrics of open-unlearning and the section ${section} of TOFU; two logs were mixed`,
      { file, section },
    );
  }
  const reader = new MetricReader(file, content);
  const sets: Partial<Record<EvaluationSet, LogItem[]>> = {};
  for (const set of Object.keys(prefixes) as NamedSet[]) {
    const items = itemsOf(reader, set);
    if (items) sets[set] = items;
  }
  const membership = membershipOf(reader);
  if (Object.keys(sets).length === 0 && Object.keys(membership).length === 0) {
    throw new SoulError(
      'SOUL_BAD_FILE',
      `${file} has aggregates of open-unlearning, but no metric with items, such as forget_Q_A_Prob; give the whole log, TOFU_EVAL.json`,
      { file },
    );
  }
  return {
    recorded: { profile: 'open-unlearning', writtenBy: 'open-unlearning' },
    sets,
    ...(Object.keys(membership).length > 0 ? { membership } : {}),
    stated: statedOf(reader, content),
  };
}

function itemsOf(reader: MetricReader, set: NamedSet): LogItem[] | undefined {
  const prefix = prefixes[set];
  const answers = reader.values(`${prefix}_Q_A_Prob`, 'avg_loss', oneLoss);
  if (!answers) return undefined;
  const like = { metric: `${prefix}_Q_A_Prob`, names: new Set(answers.keys()) };
  const paraphrased = reader.values(`${prefix}_Q_A_PARA_Prob`, 'avg_loss', oneLoss, like);
  const perturbed = reader.values(`${prefix}_Q_A_PERT_Prob`, 'avg_loss', someLosses, like);
  const rouge = `${prefix}_Q_A_ROUGE`;
  const rouge1 = reader.values(rouge, 'rouge1_recall', share, like);
  const rougeL = reader.values(rouge, 'rougeL_recall', share, like);
  const [prompts, generations, texts] = ['input', 'generation', 'ground_truth'].map((field) =>
    reader.values(rouge, field, oneText, like),
  );
  const scores =
    set === 'forget'
      ? Object.entries(ofTokens).map(
          ([name, metric]) => [name, reader.values(metric, 'score', shareOrNone, like)] as const,
        )
      : [];
  return [...answers].map(([index, answer]): LogItem => {
    const given = Object.fromEntries(scores.flatMap(([name, column]) => (column ? [[name, column.get(index)]] : [])));
    const text = texts?.get(index);
    return {
      index,
      answer,
      ...withoutUndefined({
        paraphrased: paraphrased?.get(index),
        perturbed: perturbed?.get(index),
        rouge1Recall: rouge1?.get(index),
        rougeLRecall: rougeL?.get(index),
      }),
      ...(text
        ? {
            texts: {
              prompt: prompts!.get(index)!.text,
              generation: generations!.get(index)!.text,
              answer: text.text,
            },
          }
        : {}),
      ...(Object.keys(given).length > 0 ? { given } : {}),
    };
  });
}

function membershipOf(reader: MetricReader): NonNullable<EvaluationLog['membership']> {
  const found: Partial<Record<MembershipAttack, { forget: number[]; holdout: number[] }>> = {};
  for (const [attack, metric] of Object.entries(attacks) as [MembershipAttack, string][]) {
    const [forget, holdout] = (['forget', 'holdout'] as const).map((part) =>
      reader.values(metric, 'score', finite, undefined, part),
    );
    if (forget && holdout) found[attack] = { forget: [...forget.values()], holdout: [...holdout.values()] };
  }
  return found;
}

function statedOf(reader: MetricReader, content: Record<string, unknown>): StatedFigure[] {
  return Object.entries(aggregates).flatMap(([name, [metric, set]]) => {
    if (!Object.hasOwn(content, name)) return [];
    const value = reader.aggregate(name);
    return value === undefined ? [] : [{ name, metric, ...withoutUndefined({ set }), value }];
  });
}

/** The metrics of a log, a field at a time. */
class MetricReader {
  readonly #file: string;
  readonly #content: Record<string, unknown>;

  constructor(file: string, content: Record<string, unknown>) {
    this.#file = file;
    this.#content = content;
  }

  /**
   * A value of each item, by its index; undefined where the log has no such metric.
   *
   * @param like a metric of the same items
   * @param part in which the items stand, of metrics that have two
   */
  values<Value extends number | object | null>(
    metric: string,
    field: string,
    read: (value: unknown) => Value | string,
    like?: { readonly metric: string; readonly names: ReadonlySet<string> },
    part?: 'forget' | 'holdout',
  ): Map<string, Value> | undefined {
    if (!Object.hasOwn(this.#content, metric)) return undefined;
    const whole = this.#object(this.#content[metric], metric, 'must be an object with value_by_index');
    const place = part === undefined ? metric : `${metric}.${part}`;
    const of = part === undefined ? whole : this.#object(whole[part], place, 'must be an object with value_by_index');
    const items = this.#object(
      of.value_by_index,
      place,
      'must have value_by_index, an object with an entry for each item',
    );
    const names = Object.keys(items);
    if (names.length === 0) throw this.#error(place, 'has no items');
    const missing = like && [...like.names].find((name) => !Object.hasOwn(items, name));
    if (missing !== undefined) throw this.#error(place, `is missing, but ${like!.metric} has it`, missing);
    const extra = like && names.find((name) => !like.names.has(name));
    if (extra !== undefined) throw this.#error(place, `is not among the items of ${like!.metric}`, extra);
    return new Map(
      names.map((name) => {
        const item = this.#object(items[name], place, `must be an object with ${field}`, name);
        const value = read(item[field]);
        if (typeof value !== 'string') return [name, value];
        throw this.#error(place, `has ${field} ${describe(item[field])}, which must be ${value}`, name);
      }),
    );
  }

  /** `agg_value`, where it is not null. */
  aggregate(metric: string): number | undefined {
    const value = this.#object(this.#content[metric], metric, 'must be an object with agg_value').agg_value;
    if (value === undefined || value === null || Number.isNaN(value)) return undefined;
    if (typeof value === 'number') return value;
    throw this.#error(metric, `has agg_value ${describe(value)}, which must be a number or null`);
  }

  #object(value: unknown, metric: string, problem: string, item?: string): Record<string, unknown> {
    if (isObject(value)) return value;
    throw this.#error(metric, `${problem}, but ${value === undefined ? 'is missing' : `is ${describe(value)}`}`, item);
  }

  #error(field: string, problem: string, item?: string): SoulError {
    const where = item === undefined ? field : `${field}, item ${describe(item)}`;
    return new SoulError('SOUL_BAD_DATA', `${this.#file}: ${where} ${problem}`, {
      file: this.#file,
      field,
      ...withoutUndefined({ item }),
    });
  }
}

/** One answer's mean loss; of several wordings their mean, as open-unlearning takes it. */
function oneLoss(value: unknown): AnswerLoss | string {
  const losses = someLosses(value);
  if (typeof losses === 'string') return losses;
  return { meanLoss: losses.reduce((sum, { meanLoss }) => sum + meanLoss, 0) / losses.length };
}

function someLosses(value: unknown): AnswerLoss[] | string {
  const losses = listOf(loss)(Array.isArray(value) ? value : [value]);
  return typeof losses === 'string' ? 'a loss, or a list of losses' : losses.map((meanLoss) => ({ meanLoss }));
}

/** null of an answer that has no token to look at. */
function shareOrNone(value: unknown): number | null | string {
  return value === null ? null : share(value);
}

function oneText(value: unknown): { readonly text: string } | string {
  return typeof value === 'string' ? { text: value } : 'a text';
}
