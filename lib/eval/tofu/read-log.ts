/**
 * Logs of evaluations on TOFU's sets, ours and those that others published.
 *
 * @module
 */

import { describe, SoulError } from '../../core/errors.ts';
import { readJsonFile, readTextFile } from '../../core/files.ts';
import { isObject } from '../../core/json.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { type ProfileName, profileNames } from '../profiles.ts';
import {
  type AnswerLoss,
  type EvaluationLog,
  type EvaluationSet,
  evaluationSets,
  type LogItem,
  logSections,
  type Recording,
  type Similarities,
  type TokenFigures,
  tokenFields,
} from './log.ts';
import { isOpenUnlearning, readOpenUnlearning } from './read-open-unlearning.ts';
import { cosine, count, finite, flag, listOf, logProbability, loss, share, threeTexts } from './value-readers.ts';

/** Losses are sums over float32 numbers: a mean times its count is the sum to about this share, of sums below 1 to this. */
const rounding = 1e-3;

/**
 * Reads a log in the form of TOFU's `eval_log_aggregated.json`: an object with a section for each set, in it an object or a list for
 * each field, with a value for each item. Items are told apart by their names, in lists by their place. A log of open-unlearning is read
 * as {@link readOpenUnlearning} says.
 *
 * @throws SoulError SOUL_NOT_FOUND; SOUL_BAD_FILE for what is no such file; SOUL_BAD_DATA, with `section`, `field` and `item` in the
 *   details, for a value that cannot be, a field that has other items than the section's first, and figures that contradict each other
 */
export async function readEvaluationLog(file: string): Promise<EvaluationLog> {
  const content = await readJsonFile(file, { nan: Number.NaN }).catch(async (error: unknown) => {
    throw (await isJsonLines(file)) ? dataFile(file, error) : error;
  });
  if (content === undefined) throw new SoulError('SOUL_NOT_FOUND', `there is no log ${file}`, { file });
  if (isOpenUnlearning(content)) return readOpenUnlearning(file, content);
  const sections = isObject(content) ? evaluationSets.filter((set) => Object.hasOwn(content, logSections[set])) : [];
  if (sections.length === 0) {
    const names = evaluationSets.map((set) => logSections[set]).join(', ');
    const found = isObject(content) ? `has ${Object.keys(content).slice(0, 5).map(describe).join(', ')}` : 'has none';
    throw new SoulError(
      'SOUL_BAD_FILE',
      `${file} is no evaluation log: expected an object with one or more of the sections ${names}, as in TOFU's eval_log_aggregated.json; it ${found}`,
      { file },
    );
  }
  const read = sections.map((set) => {
    const reader = new SectionReader(file, logSections[set], (content as Record<string, unknown>)[logSections[set]]);
    return { set, items: reader.items(), recorded: reader.recorded() };
  });
  const [first, ...others] = read;
  for (const name of ['profile', 'embedder'] as const) {
    const other = others.find(({ recorded }) => recorded?.[name] !== first!.recorded?.[name]);
    if (!other) continue;
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${file}: ${logSections[first!.set]} was recorded with ${name} ${first!.recorded?.[name] ?? 'unknown'}, ${logSections[other.set]} with ${other.recorded?.[name] ?? 'unknown'}; a log has one`,
      { file, section: logSections[other.set], field: 'recorded' },
    );
  }
  return {
    ...(first!.recorded ? { recorded: first!.recorded } : {}),
    sets: Object.fromEntries(read.map(({ set, items }) => [set, items])) as Partial<Record<EvaluationSet, LogItem[]>>,
  };
}

/** One section of a log, column by column. */
class SectionReader {
  readonly #file: string;
  readonly #section: string;
  readonly #fields: Record<string, unknown>;
  /** The names of the items, in the order of the first field. */
  readonly #names: readonly string[];

  constructor(file: string, section: string, content: unknown) {
    this.#file = file;
    this.#section = section;
    if (!isObject(content)) throw this.#error('must be an object with a field for each figure');
    this.#fields = content;
    const first = content.avg_gt_loss;
    if (first === undefined) throw this.#error('lacks the field "avg_gt_loss", the mean loss of each answer');
    if (typeof first !== 'object' || first === null) {
      throw this.#error(`must be an object or a list, but is ${describe(first)}`, 'avg_gt_loss');
    }
    this.#names = Object.keys(first);
    if (this.#names.length === 0) throw this.#error('has no items', 'avg_gt_loss');
  }

  recorded(): Recording | undefined {
    const { recorded } = this.#fields;
    if (recorded === undefined) return undefined;
    const profile = isObject(recorded) ? recorded.profile : undefined;
    if (profileNames.includes(profile as ProfileName)) {
      const { embedder } = recorded as { embedder?: unknown };
      if (embedder === undefined || typeof embedder === 'string') return recorded as Recording;
      throw this.#error(`must name an embedder by a text, but has ${describe(embedder)}`, 'recorded');
    }
    throw this.#error(
      `must name one of the profiles ${profileNames.join(', ')}, but has ${describe(profile)}`,
      'recorded',
    );
  }

  items(): LogItem[] {
    const answers = this.#losses('avg_gt_loss', 'gt_loss', 'num_token_gt')!;
    const paraphrased = this.#losses('avg_paraphrased_loss', 'paraphrased_loss', 'num_token_paraphrased');
    const perturbed = this.#perturbed();
    const rouge1 = this.#column('rouge1_recall', share);
    const rougeL = this.#column('rougeL_recall', share);
    const texts = this.#column('generated_text', threeTexts);
    const answerTokens = this.#tokens('gt_token');
    const wholeTokens = this.#tokens('text_token');
    const paraphrasedTexts = this.#column('paraphrased_question_text', threeTexts);
    const similarities = this.#similarities(perturbed);
    const layers = this.#layers(answers);
    return this.#names.map((index, i) => ({
      index,
      answer: answers[i]!,
      ...withoutUndefined({
        paraphrased: paraphrased?.[i],
        perturbed: perturbed?.[i],
        texts: texts?.[i],
        rouge1Recall: rouge1?.[i],
        rougeLRecall: rougeL?.[i],
        answerTokens: answerTokens?.[i],
        layerLogProbability: layers?.[i],
        wholeTokens: wholeTokens?.[i],
        paraphrasedTexts: paraphrasedTexts?.[i],
        similarities: similarities?.[i],
      }),
    }));
  }

  /** Mean losses with the number of tokens, where the section says it. */
  #losses(mean: string, sum: string, tokens: string): AnswerLoss[] | undefined {
    const means = this.#column(mean, loss);
    const sums = this.#column(sum, loss);
    const counts = this.#column(tokens, count);
    return means?.map((meanLoss, i) => {
      this.#checkSum(mean, i, meanLoss, sums?.[i], counts?.[i]);
      return { meanLoss, ...withoutUndefined({ tokens: counts?.[i] }) };
    });
  }

  #perturbed(): AnswerLoss[][] | undefined {
    const mean = 'average_perturb_loss';
    const means = this.#column(mean, listOf(loss));
    const sums = this.#column('perturb_loss', listOf(loss));
    const counts = this.#column('num_token_perturb', listOf(count));
    return means?.map((losses, i) => {
      for (const [name, others] of [
        ['perturb_loss', sums],
        ['num_token_perturb', counts],
      ] as const) {
        if (others && others[i]!.length !== losses.length) {
          throw this.#error(`has ${others[i]!.length} values, but ${mean} has ${losses.length}`, name, i);
        }
      }
      return losses.map((meanLoss, k) => {
        const [sum, tokens] = [sums?.[i]?.[k], counts?.[i]?.[k]];
        this.#checkSum(mean, i, meanLoss, sum, tokens);
        return { meanLoss, ...withoutUndefined({ tokens }) };
      });
    });
  }

  /** Similarities to the right answer and to wrong ones, of which there are both or neither. */
  #similarities(perturbed: readonly (readonly AnswerLoss[])[] | undefined): Similarities[] | undefined {
    const names = ['paraphrased_similarity', 'perturb_similarity'] as const;
    const right = this.#column(names[0], cosine);
    const wrong = this.#column(names[1], listOf(cosine));
    if (!right && !wrong) return undefined;
    if (!right || !wrong)
      throw this.#error(`lacks the field "${names[right ? 1 : 0]}", but has "${names[right ? 0 : 1]}"`);
    if (this.recorded()?.embedder === undefined) {
      throw this.#error(`must name the embedder whose figures "${names[0]}" has`, 'recorded');
    }
    return right.map((paraphrased, i) => {
      const [found, losses] = [wrong[i]!.length, perturbed ? perturbed[i]!.length : wrong[i]!.length];
      if (found !== losses)
        throw this.#error(`has ${found} values, but there are ${losses} wrong answers`, names[1], i);
      return { paraphrased, perturbed: wrong[i]! };
    });
  }

  /** A mean that its sum and count do not give belongs to another item, or another model. */
  #checkSum(field: string, i: number, mean: number, sum: number | undefined, tokens: number | undefined): void {
    if (sum === undefined || tokens === undefined) return;
    const expected = mean * tokens;
    if (sum === expected || Math.abs(sum - expected) <= rounding * Math.max(1, Math.abs(sum))) return;
    throw this.#error(
      `is ${mean}, but the sum of its ${tokens} tokens is ${sum}; fields of two logs were mixed`,
      field,
      i,
    );
  }

  #tokens(prefix: string): TokenFigures[] | undefined {
    const columns = Object.entries(tokenFields).map(
      ([name, figure]) =>
        [figure, this.#column(`${prefix}_${name}`, listOf(tokenReaders[figure])), `${prefix}_${name}`] as const,
    );
    const [[, first]] = columns as [(typeof columns)[number]];
    if (!first) return undefined;
    return first.map((values, i) => {
      const figures = columns.map(([figure, column, name]) => {
        const own = column?.[i];
        if (own?.length === values.length) return [figure, own];
        const found = own ? `has ${own.length} values` : 'is missing';
        throw this.#error(`${found}, but ${columns[0]![2]} has ${values.length}`, name, i);
      });
      return Object.fromEntries(figures) as unknown as TokenFigures;
    });
  }

  /** Readings of layers, of which the last is the answer's own. */
  #layers(answers: readonly AnswerLoss[]): number[][] | undefined {
    const field = 'gt_layer_log_probability';
    const layers = this.#column(field, listOf(logProbability));
    for (const [i, own] of (layers ?? []).entries()) {
      if (own.length !== layers![0]!.length)
        throw this.#error(`has ${own.length} values, not ${layers![0]!.length}`, field, i);
      const [last, expected] = [own.at(-1)!, -answers[i]!.meanLoss];
      if (last === expected || Math.abs(last - expected) <= rounding * Math.max(1, -expected)) continue;
      throw this.#error(
        `ends with ${last}, but the answer's mean is ${expected}; fields of two logs were mixed`,
        field,
        i,
      );
    }
    return layers;
  }

  /** The values of a field in the order of the items; undefined where the section has no such field. */
  #column<Value>(
    field: string,
    read: (value: unknown) => Value | string,
  ): (Value extends string ? never : Value)[] | undefined {
    const column = this.#fields[field];
    if (column === undefined) return undefined;
    if (typeof column !== 'object' || column === null) {
      throw this.#error(`must be an object or a list, but is ${describe(column)}`, field);
    }
    const values = column as Record<string, unknown>;
    const extra = Object.keys(values).find((name) => !this.#isName(name));
    if (extra !== undefined) throw this.#error(`is not among the items of avg_gt_loss`, field, extra);
    return this.#names.map((name, i) => {
      if (!Object.hasOwn(values, name)) throw this.#error('is missing', field, i);
      const value = read(values[name]);
      if (typeof value === 'string') throw this.#error(`must be ${value}, but is ${describe(values[name])}`, field, i);
      return value as Value extends string ? never : Value;
    });
  }

  #isName(name: string): boolean {
    return Object.hasOwn(this.#fields.avg_gt_loss as object, name);
  }

  #error(problem: string, field?: string, item?: number | string): SoulError {
    const name = typeof item === 'number' ? this.#names[item] : item;
    const where = [this.#section, field, name === undefined ? undefined : `item ${describe(name)}`].filter(Boolean);
    return new SoulError('SOUL_BAD_DATA', `${this.#file}: ${where.join(', ')} ${problem}`, {
      file: this.#file,
      section: this.#section,
      ...withoutUndefined({ field, item: name }),
    });
  }
}

const tokenReaders = { logProbability, isArgmax: flag, mean: finite, variance: finite };

/** Whether a file has an object on its first line, and more lines. */
async function isJsonLines(file: string): Promise<boolean> {
  const text = await readTextFile(file).catch(() => undefined);
  const end = text?.indexOf('\n') ?? -1;
  if (end < 0) return false;
  try {
    return isObject(JSON.parse(text!.slice(0, end)));
  } catch {
    return false;
  }
}

function dataFile(file: string, cause: unknown): SoulError {
  return new SoulError(
    'SOUL_BAD_FILE',
    `${file} is no evaluation log but JSON lines, as data has; a log is what \`soul eval --tofu\` writes, or TOFU's eval_log_aggregated.json`,
    { file },
    { cause },
  );
}
