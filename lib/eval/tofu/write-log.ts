/**
 * An evaluation as a file in the form of TOFU's `eval_log_aggregated.json`.
 *
 * @module
 */

import { replaceFile } from '../../core/files.ts';
import { toPythonJson } from '../../core/json.ts';
import { probabilityAgainstWrong } from '../metrics/answer-probability.ts';
import { logTruthRatio } from '../metrics/truth-ratio.ts';
import {
  type AnswerLoss,
  type EvaluationLog,
  type EvaluationSet,
  evaluationSets,
  type ItemTexts,
  type LogItem,
  logSections,
  type TokenFigures,
  tokenFields,
} from './log.ts';

/** TOFU's name of a field, ours for those that it lacks, and what of an item stands there. */
type Field = readonly [name: string, value: (item: LogItem) => unknown];

/** The sum of the losses over an answer's tokens. */
const total = ({ meanLoss, tokens }: AnswerLoss): number => meanLoss * (tokens ?? Number.NaN);

const textList = (texts: ItemTexts | undefined) => texts && [texts.prompt, texts.generation, texts.answer];

const fields: readonly Field[] = [
  ['avg_gt_loss', ({ answer }) => answer.meanLoss],
  ['gt_loss', ({ answer }) => total(answer)],
  ['num_token_gt', ({ answer }) => answer.tokens],
  ['generated_text', ({ texts }) => textList(texts)],
  ['rouge1_recall', ({ rouge1Recall }) => rouge1Recall],
  ['rougeL_recall', ({ rougeLRecall }) => rougeLRecall],
  ['average_perturb_loss', ({ perturbed }) => perturbed?.map(({ meanLoss }) => meanLoss)],
  ['avg_paraphrased_loss', ({ paraphrased }) => paraphrased?.meanLoss],
  ['truth_ratio', truthRatio],
  ['paraphrased_loss', ({ paraphrased }) => paraphrased && total(paraphrased)],
  ['perturb_loss', ({ perturbed }) => perturbed?.map(total)],
  ['num_token_paraphrased', ({ paraphrased }) => paraphrased?.tokens],
  ['num_token_perturb', ({ perturbed }) => perturbed?.map(({ tokens }) => tokens)],
];

function truthRatio({ paraphrased, perturbed }: LogItem): number | undefined {
  if (!paraphrased || !perturbed) return undefined;
  const losses = perturbed.map(({ meanLoss }) => meanLoss);
  return Math.exp(logTruthRatio(paraphrased.meanLoss, losses));
}

const ofWrongAnswers: Field = [
  'normalized_gt_loss',
  ({ answer, perturbed }) => {
    const losses = perturbed?.map(({ meanLoss }) => meanLoss);
    return losses && -Math.log(probabilityAgainstWrong(answer.meanLoss, losses));
  },
];

const ofTokens = (prefix: string, of: (item: LogItem) => TokenFigures | undefined): Field[] =>
  Object.entries(tokenFields).map(([name, figure]) => [`${prefix}_${name}`, (item) => of(item)?.[figure]]);

const ownFields: readonly Field[] = [
  ...ofTokens('gt_token', ({ answerTokens }) => answerTokens),
  ['gt_layer_log_probability', ({ layerLogProbability }) => layerLogProbability],
  ...ofTokens('text_token', ({ wholeTokens }) => wholeTokens),
  ['paraphrased_question_text', ({ paraphrasedTexts }) => textList(paraphrasedTexts)],
  ['paraphrased_similarity', ({ similarities }) => similarities?.paraphrased],
  ['perturb_similarity', ({ similarities }) => similarities?.perturbed],
];

/**
 * Writes a log whole or not at all. Every section has TOFU's fields and beside them the figures of the answers' tokens and, under
 * `recorded`, by which conventions it was made; readers that ask for TOFU's fields by their names take it as TOFU's own.
 *
 * @throws SoulError SOUL_FILE_SYSTEM
 */
export async function writeEvaluationLog(file: string, log: EvaluationLog): Promise<void> {
  const sections = evaluationSets.flatMap((set) => {
    const items = log.sets[set];
    return items === undefined ? [] : [[logSections[set], section(log, set, items)]];
  });
  await replaceFile(file, toPythonJson(Object.fromEntries(sections)));
}

function section(log: EvaluationLog, set: EvaluationSet, items: readonly LogItem[]): Record<string, unknown> {
  const isWithOptions = set === 'realAuthors' || set === 'worldFacts';
  const columns = [...fields, ...(isWithOptions ? [ofWrongAnswers] : []), ...ownFields].flatMap(([name, value]) => {
    const entries = items.map((item) => [item.index, value(item)] as const);
    return entries.some(([, entry]) => entry === undefined) ? [] : [[name, Object.fromEntries(entries)] as const];
  });
  return { ...Object.fromEntries(columns), ...(log.recorded ? { recorded: log.recorded } : {}) };
}
