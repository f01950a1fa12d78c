/**
 * TOFU's evaluation sets from its folder.
 *
 * @module
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkInteger } from '../../core/checks.ts';
import { invalidArgument, SoulError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { checkNames } from '../../core/option-names.ts';
import { type Example, whereIs } from '../../data/example.ts';
import { readExamples } from '../../data/read-examples.ts';
import type { EvaluationSet } from './log.ts';

export interface TofuSetsOptions {
  /** A file of questions with answers like those of the forget set, which the model never saw. */
  holdout?: string;
  /** The first items of each set alone. */
  limit?: number;
}

/** Questions of each set with their right answers and wrong ones; those of `holdout` need none. */
export interface TofuSets {
  readonly split: string;
  readonly examples: Readonly<Partial<Record<EvaluationSet, readonly Example[]>>>;
  /** Of each file, hexadecimal SHA-256. */
  readonly sha256: Readonly<Partial<Record<EvaluationSet, string>>>;
}

/**
 * Reads `<split>_perturbed.json`, `retain_perturbed.json`, `real_authors_perturbed.json` and `world_facts_perturbed.json` of a folder,
 * as the data set locuslab/TOFU has them.
 *
 * @param split for instance `'forget10'`
 * @throws SoulError as {@link readExamples}; SOUL_NOT_FOUND, with the `splits` that there are, for another; SOUL_BAD_DATA for an item
 *   without wrong answers, or of the forget or retain set without a paraphrased answer
 */
export async function readTofuSets(folder: string, split: string, options: TofuSetsOptions = {}): Promise<TofuSets> {
  checkNames('options', options, ['holdout', 'limit']);
  const { holdout, limit } = options;
  if (limit !== undefined) checkInteger('limit', limit);
  if (typeof split !== 'string' || !/^\w+$/.test(split)) {
    throw invalidArgument('split', "the name of a forget set of TOFU, such as 'forget10'", split);
  }
  await requireSplit(folder, split);
  const files: [EvaluationSet, string][] = [
    ['forget', forgetFile(folder, split)],
    ['retain', join(folder, 'retain_perturbed.json')],
    ['realAuthors', join(folder, 'real_authors_perturbed.json')],
    ['worldFacts', join(folder, 'world_facts_perturbed.json')],
    ...(holdout === undefined ? [] : [['holdout', holdout] as [EvaluationSet, string]]),
  ];
  const sets = await Promise.all(
    files.map(async ([set, file]) => {
      const { items, sha256 } = await readExamples(file);
      const examples = items.slice(0, limit);
      for (const example of examples) checkAlternatives(set, example);
      return { set, examples, sha256 };
    }),
  );
  return {
    split,
    examples: Object.fromEntries(sets.map(({ set, examples }) => [set, examples])),
    sha256: Object.fromEntries(sets.map(({ set, sha256 }) => [set, sha256])),
  };
}

/** Where the forget set of a split lies in TOFU's folder. */
export function forgetFile(folder: string, split: string): string {
  return join(folder, `${split}_perturbed.json`);
}

/** Says which splits there are, where the one that was named is not. */
async function requireSplit(folder: string, split: string): Promise<void> {
  const file = forgetFile(folder, split);
  if (await exists(file)) return;
  const others = ['retain', 'real_authors', 'world_facts'];
  const names = (await readdir(folder).catch(() => [])).flatMap(
    (name) => /^(\w+)_perturbed\.json$/.exec(name)?.[1] ?? [],
  );
  const splits = names.filter((name) => !others.includes(name)).sort();
  const advice =
    splits.length > 0
      ? `the splits there are ${splits.join(', ')}`
      : `${folder} is not the folder of the data set locuslab/TOFU with its files *_perturbed.json`;
  throw new SoulError('SOUL_NOT_FOUND', `the data file ${file} does not exist: ${advice}`, { file, split, splits });
}

function checkAlternatives(set: EvaluationSet, example: Example): void {
  if (set === 'holdout') return;
  const { paraphrasedAnswer, perturbedAnswers = [] } = example.alternatives ?? {};
  const isParaphrased = set === 'forget' || set === 'retain';
  const lacking =
    perturbedAnswers.length === 0
      ? '"perturbed_answer", wrong answers'
      : isParaphrased && paraphrasedAnswer === undefined
        ? '"paraphrased_answer", the right answer in other words'
        : undefined;
  if (lacking === undefined) return;
  throw new SoulError(
    'SOUL_BAD_DATA',
    `${whereIs(example)} has no ${lacking}; expected a file of TOFU whose name ends with _perturbed`,
    { ...example.source },
  );
}
