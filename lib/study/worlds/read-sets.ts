/**
 * The data of a model and split, read and encoded as runs do it.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { chooseTemplate } from '../../data/choose-template.ts';
import { encodeExamples } from '../../data/encode.ts';
import type { ExampleSet } from '../../data/example-set.ts';
import type { ExampleTemplate } from '../../data/example-template.ts';
import { readExampleSet } from '../../data/read-example-set.ts';
import { readTofuSets, type TofuSets } from '../../eval/tofu/sets.ts';
import { openModelFolder, tokenizerOf } from '../../model/open-model-folder.ts';
import type { HuggingFaceTokenizer } from '../../model/tokenizer.ts';
import { type EncodedFile, type RunSets, readRunSets } from '../../run/data-sets.ts';
import { type ChosenAlgorithm, chooseAlgorithm } from '../../run/run-defaults.ts';
import { completeRunSettings, neededSets } from '../../run/settings.ts';
import { chosenOf } from '../definition/inside.ts';
import type { Study, StudySplit } from '../definition/study.ts';
import { evenly } from './halves.ts';

/** A split whose data lie in files. */
export type FileSplit = Extract<StudySplit, { readonly forget: readonly string[] }>;

/** The data of a split, with what reads them. */
export interface StudySets {
  readonly tokenizer: HuggingFaceTokenizer;
  readonly template: ExampleTemplate;
  readonly run: RunSets & { readonly retain: EncodedFile };
  readonly utility: Readonly<Record<string, EncodedFile>>;
  readonly tofu?: TofuSets;
  /** SHA-256 of all files, and what chose among them. */
  readonly files: Readonly<Record<'forget' | 'retain', object> & Partial<Record<'utility' | 'tofu', object>>>;
}

/**
 * Reads the data that a split names for the model in a folder.
 *
 * @throws SoulError of {@link readRunSets}, {@link readExampleSet} and {@link readTofuSets}; SOUL_BAD_DATA for a set of a single example;
 *   SOUL_UNSUPPORTED for a method that needs other answers to the questions
 */
export async function readStudySets(
  study: Study,
  split: FileSplit,
  folder: string,
  onNote: (note: string) => void,
): Promise<StudySets> {
  const { evaluation, training } = study;
  const opened = await openModelFolder(folder);
  if (opened.isAdapter) {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `${folder} holds adapters; a study starts from whole models: soul merge makes one of it`,
      { folder },
    );
  }
  const tokenizer = await tokenizerOf(opened);
  const template = await chooseTemplate(opened.tokenizer, tokenizer, {});
  const chosen = neediest(
    study.methods.flatMap((method) => study.optimizers.map((optimizer) => chosenOf(method, optimizer))),
  );
  const settings = completeRunSettings(
    {
      model: folder,
      target: [...split.forget],
      retain: [...split.retain],
      out: folder,
      method: chosen.algorithm.name as never,
      methodSettings: chosen.settings as never,
      optimizer: 'adamw',
      maximumLength: training.maximumLength,
      ...withoutUndefined({
        targetFilter: split.forgetFilter && [...split.forgetFilter],
        retainFilter: split.retainFilter && [...split.retainFilter],
      }),
    },
    chosen,
  );
  const run = await readRunSets(settings, tokenizer, template, chosen, onNote);
  for (const set of [run.target, run.retain!]) checkHalves(split.name, set);
  const encode = (set: ExampleSet): EncodedFile => ({
    ...set,
    ...encodeExamples(tokenizer, set.items, run.encoding),
  });
  const utility: Record<string, EncodedFile> = {};
  for (const [name, files] of Object.entries(split.utility ?? {})) {
    const set = await readExampleSet(files);
    const places = evenly(set.items.length, evaluation.utility);
    utility[name] = encode({ ...set, items: places.map((place) => set.items[place]!) });
  }
  const tofu =
    split.tofu === undefined || evaluation.tofu === 0
      ? undefined
      : await readTofuSets(split.tofu, split.tofuSplit!, { limit: evaluation.tofu });
  const of = ({ files, filters }: ExampleSet) => ({ sha256: files.map(({ sha256 }) => sha256), filters });
  return {
    tokenizer,
    template,
    run: { ...run, retain: run.retain! },
    utility,
    ...withoutUndefined({ tofu }),
    files: {
      forget: of(run.target),
      retain: of(run.retain!),
      utility: Object.fromEntries(Object.entries(utility).map(([name, set]) => [name, of(set)])),
      ...(tofu ? { tofu: { split: tofu.split, ...tofu.sha256 } } : {}),
    },
  };
}

/** What chooses a trial may not be what is reported of it. */
function checkHalves(split: string, { items, file }: ExampleSet): void {
  if (items.length > 1) return;
  throw new SoulError(
    'SOUL_BAD_DATA',
    `the split ${split} takes one example of ${file} alone; a study needs two of each set, one to choose by and one to report`,
    { split, examples: items.length },
  );
}

/** Of a study's methods one that needs most of the data: what is read for it serves all. */
function neediest(all: readonly ChosenAlgorithm[]): ChosenAlgorithm {
  const teaching = all.find((chosen) => neededSets(chosen).includes('alternatives'));
  if (teaching) {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `${teaching.algorithm.name} teaches other answers to the questions, which a study has none of; leave it out`,
      { method: teaching.algorithm.name },
    );
  }
  const count = (chosen: ChosenAlgorithm) => neededSets(chosen).filter((set) => set !== 'retain').length;
  return all.toSorted((a, b) => count(b) - count(a))[0] ?? chooseAlgorithm('graddiff');
}
