/**
 * What `soul compare` refuses before it evaluates a model, which may take hours.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { checkComparable, type NamedLog } from '../../eval/comparison/comparable.ts';
import { checkReference } from '../../eval/figures/measure-log.ts';
import { evaluationProfile, type ProfileName } from '../../eval/profiles.ts';
import type { EvaluationLog } from '../../eval/tofu/log.ts';
import { questionsOf } from '../../eval/tofu/questions.ts';
import type { TofuSets } from '../../eval/tofu/sets.ts';
import type { NamedPath } from '../named-paths.ts';
import { attackedName } from './evaluate-models.ts';

/** Options that are about rows. */
export interface RowOptions {
  readonly tofu?: string;
  readonly attacks: readonly string[];
  readonly attacked?: readonly string[];
  readonly retrained?: string;
  readonly baseline?: string;
}

/** A row as it was given: the file of a log, or what should be a model's folder. */
export interface GivenRow extends NamedPath {
  readonly isLog: boolean;
  readonly isThere: boolean;
}

/** The attacks on a model that is evaluated. */
export function attacksOf(name: string, { attacks, attacked = [name] }: RowOptions): readonly string[] {
  return attacked.includes(name) ? attacks : [];
}

/** @throws SoulError SOUL_INVALID_ARGUMENT for options that name no row, or need a model's folder */
export function checkRows(given: readonly GivenRow[], options: RowOptions): void {
  const folder = given.find((each) => !each.isLog);
  const refused = (problem: string, argument: string) => new SoulError('SOUL_INVALID_ARGUMENT', problem, { argument });
  if (folder && options.tofu === undefined) {
    throw refused(
      `${folder.path} is not the file of a log: ${folder.isThere ? '' : 'nothing is there by that name; '}to evaluate the model of a folder, name TOFU's files with --tofu`,
      'tofu',
    );
  }
  if (!folder && options.attacks.length > 0) {
    throw refused('logs alone cannot be attacked: --attacks needs the folder of a model', 'attacks');
  }
  for (const name of options.attacked ?? []) {
    const row = given.find((each) => each.name === name);
    if (row && !row.isLog) continue;
    const models = given.filter((each) => !each.isLog).map((each) => each.name);
    const there = models.length > 0 ? models.join(', ') : 'of which there are none';
    throw refused(`--attacked must name models that are evaluated, but has ${name} (${there})`, 'attacked');
  }
  const rows = given.flatMap(({ name, isLog }) => [
    name,
    ...(isLog ? [] : attacksOf(name, options).map((attack) => attackedName(name, attack))),
  ]);
  for (const option of ['retrained', 'baseline'] as const) {
    const name = options[option];
    if (name === undefined || rows.includes(name)) continue;
    throw refused(`--${option} must name a row (${rows.join(', ')}), but is ${name}`, option);
  }
}

/** Options that say how a model is evaluated; figures of logs alone are as they are. */
const evaluatingOptions = ['split', 'holdout', 'embedder', 'limit', 'template', 'templateDate', 'system', 'maxLength'];
const relearningOptions = ['relearnShare', 'relearnSteps', 'relearnLearningRate'];

/**
 * @param isGiven whether an option was given, by its name in the code
 * @throws SoulError SOUL_INVALID_ARGUMENT for one that would change nothing
 */
export function checkUnused(
  given: readonly GivenRow[],
  { attacks }: RowOptions,
  isGiven: (option: string) => boolean,
): void {
  const refuse = (names: readonly string[], problem: string) => {
    const argument = names.find(isGiven);
    if (argument === undefined) return;
    const option = `--${argument.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${option} ${problem}`, { argument });
  };
  if (attacks.length === 0) refuse(['attacked'], 'belongs to attacks; name them with --attacks');
  if (!attacks.includes('relearn')) refuse(relearningOptions, 'belongs to relearning; add it with --attacks relearn');
  if (given.every(({ isLog }) => isLog)) {
    refuse(evaluatingOptions, 'says how models are evaluated, but there are logs alone; leave it out');
  }
}

/** What models will be asked. */
export interface AskedQuestions {
  /** Of one of the models. */
  readonly name: string;
  readonly profile: ProfileName;
  readonly split: string;
  readonly limit: number | undefined;
  readonly sets: TofuSets;
  readonly embedder: string | undefined;
}

/**
 * @param asked where models are evaluated
 * @throws SoulError as `compareLogs`
 */
export function checkLogs(
  logs: readonly NamedLog[],
  reference: EvaluationLog | undefined,
  asked: AskedQuestions | undefined,
): void {
  if (!asked) {
    checkComparable(logs);
    return;
  }
  const { name, profile, split, limit, sets, embedder } = asked;
  const questions = questionsOf(sets, profile);
  const recorded = { profile, split, data: sets.sha256, ...withoutUndefined({ limit, embedder }) };
  checkComparable([...logs, { name, log: { ...questions, recorded } }]);
  if (reference) checkReference(questions, reference, evaluationProfile(profile));
}
