/**
 * Prepares what the trials of a model and split begin with, and finds again what was prepared.
 *
 * @module
 */

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { throwIfCancelled } from '../../core/cancellation.ts';
import { SoulError } from '../../core/errors.ts';
import { type FileLock, lockFile } from '../../core/file-lock.ts';
import { makeFolders } from '../../core/files.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { packageVersion } from '../../core/package.ts';
import { modelChecksums } from '../../run/checksums.ts';
import type { Study } from '../definition/study.ts';
import { worldFiles, writeWorld } from '../demo/world.ts';
import { measuredItems } from './halves.ts';
import { completeTraining, fineTuneBase, type MadeModels, type MakingOptions, makeDemoModels } from './make-models.ts';
import { prepareFolder } from './prepared-folder.ts';
import { type FileSplit, readStudySets, type StudySets } from './read-sets.ts';
import { digestOf, pairName, type StudyPair, type StudyWorld } from './world.ts';

/** Where a study keeps what it makes for its trials. */
export const preparedName = 'prepared';

/**
 * Reads the data of a pair, and makes its models in `prepared/<model>.<split>` of the study's folder where they are not there yet. One
 * process does it at a time; others wait. A model that is finished is not made again, one that was made from something else is refused.
 *
 * @param andThen what else is prepared, by the same process alone
 * @throws SoulError of reading the data, of training; SOUL_EXISTS of {@link prepareFolder}; SOUL_CANCELLED
 */
export async function prepareWorld<Result>(
  study: Study,
  pair: StudyPair,
  studyFolder: string,
  options: MakingOptions,
  andThen: (world: StudyWorld) => Promise<Result>,
): Promise<Result> {
  const folder = join(studyFolder, preparedName, pairName(pair));
  await makeFolders(folder);
  const lock = await waitForLock(join(folder, 'lock'), folder, options);
  try {
    return await andThen(await prepare(study, pair, folder, options));
  } finally {
    lock.release();
  }
}

async function prepare(study: Study, pair: StudyPair, folder: string, options: MakingOptions): Promise<StudyWorld> {
  const { model, split } = pair;
  const { seed, evaluation, dtype } = study;
  const onNote = (text: string) => options.onEvent?.({ kind: 'note', text });
  options.onEvent?.({ kind: 'phase', phase: `reading the data of ${split.name}` });
  let models: Partial<MadeModels> & { readonly original: string };
  let sets: StudySets;
  let modelFrom: object;
  if ('made' in split) {
    const world = join(folder, 'world');
    const from = digestOf({ made: split.made, seed, version: packageVersion });
    await prepareFolder(world, from, (place) => writeWorld(place, seed));
    models = await makeDemoModels(folder, world, digestOf({ from, dtype }), seed, options);
    modelFrom = { made: split.made, seed };
    sets = await readStudySets(study, demoSplit(split.name, world), models.original, onNote);
  } else if ('base' in model) {
    sets = await readStudySets(study, split, model.base, onNote);
    modelFrom = {
      base: await modelChecksums(model.base, options.signal),
      training: completeTraining(model.training),
      ...{ seed, dtype },
    };
    // Of the data what it learns: other sets to be measured leave the model as it is.
    const { forget, retain } = sets.files;
    const learned = { forget, retain, template: sets.template.record, maximumLength: sets.run.encoding.maximumLength };
    models = await fineTuneBase(
      folder,
      model.base,
      digestOf({ ...modelFrom, ...learned, threads: study.threads }),
      study,
      model.training,
      sets,
      options,
    );
  } else if ('model' in model) {
    models = { original: model.model, ...withoutUndefined({ retrained: model.retrained }) };
    sets = await readStudySets(study, split, model.model, onNote);
    modelFrom = {
      model: await modelChecksums(model.model, options.signal),
      ...(model.retrained === undefined ? {} : { retrained: await modelChecksums(model.retrained, options.signal) }),
    };
  } else {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the model ${model.name} is the demo's, which knows the split that is \`made: demo\` alone, not ${split.name}`,
      { argument: 'models', model: model.name, split: split.name },
    );
  }
  const { tokenizer, template, run, utility, tofu, files } = sets;
  return {
    ...pair,
    folder,
    ...models,
    ...{ tokenizer, template, maximumLength: run.encoding.maximumLength },
    sets: {
      target: run.target.encoded,
      retain: run.retain.encoded,
      refusals: run.refusals,
      ...withoutUndefined({ groups: run.groups }),
    },
    measured: {
      forget: measuredItems(run.target, evaluation.forget, seed, 'forget'),
      retain: measuredItems(run.retain, evaluation.retain, seed, 'retain'),
    },
    utility: Object.fromEntries(Object.entries(utility).map(([name, set]) => [name, set.encoded])),
    ...withoutUndefined({ tofu }),
    from: digestOf({ model: modelFrom, files, template: template.record }),
    checkTokens: run.checkTokens,
  };
}

/** The split of the demo's data in a folder that {@link writeWorld} filled. */
export function demoSplit(name: string, world: string): FileSplit {
  const at = (file: string) => join(world, file);
  return {
    name,
    forget: [at(worldFiles.forget)],
    retain: [at(worldFiles.retain)],
    utility: {
      realAuthors: [at(join(worldFiles.tofu, 'real_authors_perturbed.json'))],
      worldFacts: [at(join(worldFiles.tofu, 'world_facts_perturbed.json'))],
    },
    tofu: at(worldFiles.tofu),
    tofuSplit: worldFiles.tofuSplit,
  };
}

const waitMilliseconds = 300;

/** Locks a file as soon as nobody else has it. */
async function waitForLock(path: string, name: string, { signal, onEvent }: MakingOptions): Promise<FileLock> {
  for (let told = false; ; told = true) {
    throwIfCancelled(signal, 'the study was cancelled while another process prepared its models');
    try {
      return lockFile(path, name);
    } catch (error) {
      if (!(error instanceof SoulError) || error.code !== 'SOUL_BUSY') throw error;
      if (!told) onEvent?.({ kind: 'phase', phase: `waiting for another process to prepare ${name}` });
    }
    await delay(waitMilliseconds);
  }
}
