/**
 * `soul study`: optimizers compared fairly, on models and data that a file names.
 *
 * @module
 */

import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { replaceFile } from '../../core/files.ts';
import { toJson } from '../../core/json.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { summarize } from '../../study/analysis/summarize.ts';
import type { StudySummary } from '../../study/analysis/summary.ts';
import { studyTables } from '../../study/analysis/tables/list.ts';
import { checkPlaces } from '../../study/definition/check-places.ts';
import { exampleStudy } from '../../study/definition/example.ts';
import { readStudy } from '../../study/definition/read-study.ts';
import { planStudy } from '../../study/plan-study.ts';
import { portableStudy } from '../../study/portable-study.ts';
import { prepareStudy, studyProgress, workOnTrials } from '../../study/run-study.ts';
import type { Part } from '../../study/search/tasks.ts';
import { nativeEngine } from '../../torch/engine.ts';
import { integer, path } from '../arguments.ts';
import { printComparison } from '../comparison/forms.ts';
import { chooseDevice, deviceName, type WantedDevice } from '../device-choice.ts';
import { deviceLine, shownDevice } from '../model-options.ts';
import { addOutputOptions } from '../options.ts';
import { performWork } from '../perform-work.ts';
import { progressOn } from '../progress.ts';
import { shellWord } from '../shell-word.ts';
import { runJobs } from '../study/jobs.ts';
import { studyLoading } from '../study/loading.ts';
import { showingPreparation, showingTrials } from '../study/show-events.ts';
import { planJobs, planText } from '../study/show-plan.ts';
import { type CommandResult, type OutputOptions, printing } from '../terminal.ts';

interface StudyCommandOptions extends OutputOptions {
  out?: string;
  part?: Part;
  jobs?: number;
  plan?: boolean;
  example?: boolean;
  device: WantedDevice;
}

export function studyCommand(): Command {
  const command = new Command('study')
    .description(
      'Compares optimizers fairly on models and data that a file names: every one with the same number of trials over the same draws of ' +
        'batches, chosen by one half of the examples and reported on the other. What is done is kept, and the same command goes on from it.',
    )
    .addArgument(new Argument('[file]', 'the study, JSON or YAML (--example shows one)').argParser(path))
    .addOption(
      new Option(
        '--out <folder>',
        "models, trials and figures go here (default: the file's path without its ending)",
      ).argParser(path),
    )
    .addOption(
      new Option(
        '--part <k/n>',
        'do the k-th of n parts of the trials, as on another machine; when all are done, copy the files of their trials/ into that of one folder, and run the command there without --part',
      ).argParser(part),
    )
    .addOption(
      new Option(
        '--jobs <number>',
        'trials at a time, each in a process of its own (default: the processors divided by the threads of the study, fewer where memory does not hold them)',
      ).argParser(integer({ high: 1024 })),
    )
    .option('--plan', 'say how many trials there are, how long they take and in how much memory, and do none')
    .option('--example', 'print a study to begin with, and do nothing else')
    .addOption(
      new Option('--device <name>', 'where the models run: cpu, cuda, cuda:N or auto')
        .argParser(deviceName)
        .default('cpu' satisfies WantedDevice),
    );
  addOutputOptions(command).addHelpText(
    'after',
    '\nExample:\n  soul study --example > study.yaml\n  soul study study.yaml\n  soul watch study       (meanwhile; soul report study writes the page to a file)',
  );
  return command.action((file: string | undefined, options: StudyCommandOptions) =>
    printing((given: StudyCommandOptions) => runTheStudy(file, given))(options),
  );
}

function part(text: string): Part {
  const [, k, n] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const [number, of] = [Number(k), Number(n)];
  if (number >= 1 && number <= of) return { part: number, of };
  throw new InvalidArgumentError('Expected a part of several, as 2/4.');
}

async function runTheStudy(file: string | undefined, options: StudyCommandOptions): Promise<CommandResult> {
  if (options.example) {
    const example = exampleStudy();
    return { result: { example }, text: example.trimEnd() };
  }
  if (file === undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'name the file of a study; soul study --example prints one', {
      argument: 'file',
    });
  }
  const study = await readStudy(file);
  await checkPlaces(study);
  const folder = resolve(options.out ?? folderOf(file));
  await checkOut(folder);
  const choice = chooseDevice(options.device);
  nativeEngine();
  const progress = progressOn('study', options);
  progress.log(deviceLine({ ...choice, threads: study.threads }));
  const loading = studyLoading(study, choice.device);
  const shared = { folder, ...loading, ...withoutUndefined({ part: options.part }) };
  return performWork(progress, async (signal) => {
    const own = { ...shared, signal, onEvent: showingPreparation(progress) };
    const plan = planJobs(await planStudy(study, own), study, choice.device, options.jobs);
    if (options.plan) return { result: { ...shownDevice(choice), ...plan }, text: planText(study, plan) };
    for (const line of planText(study, plan).split('\n')) progress.log(line);
    const pairs = await prepareStudy(study, own);
    const onEvent = showingTrials(progress, plan.done, plan.trials);
    if (plan.jobs === 1) await workOnTrials(study, pairs, { ...shared, signal, onEvent });
    else {
      const task = { study, folder, device: choice.device, ...withoutUndefined({ part: options.part }) };
      await runJobs(plan.jobs, task, { signal, onEvent, onDeath: (text) => progress.note(text) });
    }
    progress.end();
    const { done, left } = await studyProgress(study, pairs, shared);
    // Trials of other parts may have been laid beside its own.
    const all = options.part ? (await studyProgress(study, pairs, { folder })).done : done;
    const summary = summarize(portableStudy(study, folder), all);
    await replaceFile(join(folder, 'summary.json'), toJson(summary));
    const shown = { folder, done: done.length, left: left.length, summary };
    return {
      result: { ...shownDevice(choice), ...shown },
      text: studyText(summary, folder, left.length, options.part),
    };
  });
}

async function checkOut(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined || found.isDirectory()) return;
  throw new SoulError('SOUL_INVALID_ARGUMENT', `--out must name a folder, but ${folder} is a file`, {
    argument: 'out',
  });
}

/** Beside the study's file, under its name. */
function folderOf(file: string): string {
  const name = basename(file, extname(file));
  return join(dirname(file), name === basename(file) ? `${name}.study` : name);
}

function studyText(summary: StudySummary, folder: string, left: number, part: Part | undefined): string {
  const tables = studyTables(summary).map((each) => `${each.title}\n${printComparison('text', each)}`);
  const others =
    left === 0
      ? []
      : [`trials that are left: ${left}; another process is at them, or their worker ended before its time`];
  const { done, total } = summary;
  const rest =
    part && left === 0 && done < total
      ? [
          `Part ${part.part} of ${part.of} is done; the folder has ${done} of ${total} trials. Copy those of the other parts to ${join(folder, 'trials')}, and run the command without --part.`,
        ]
      : [];
  const where = `in ${folder}: trials/, summary.json\nas one page with figures: soul report ${shellWord(folder)}`;
  return [...tables, ...others, ...rest, where].join('\n\n');
}
