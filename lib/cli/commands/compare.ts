/**
 * `soul compare`: several models side by side in one table.
 *
 * @module
 */

import { stat } from 'node:fs/promises';
import { Argument, Command, Option } from 'commander';
import { attackDefaults, standingAttacks } from '../../attack/index.ts';
import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import type { NamedLog } from '../../eval/comparison/comparable.ts';
import { compareLogs } from '../../eval/comparison/compare-logs.ts';
import { type ComparisonLayout, comparisonLayout, comparisonLayouts } from '../../eval/comparison/layouts.ts';
import { OnnxEmbedder } from '../../eval/embedding/onnx-embedder.ts';
import { type ProfileName, profileNames } from '../../eval/profiles.ts';
import { readEvaluationLog } from '../../eval/tofu/read-log.ts';
import { readTofuSets, type TofuSets } from '../../eval/tofu/sets.ts';
import { mergeableAdapters, openOneOf } from '../../model/open-model-folder.ts';
import { integer, listed, number, path } from '../arguments.ts';
import { attacksOf, checkLogs, checkRows, checkUnused, type GivenRow } from '../comparison/checks.ts';
import { type EvaluatedRow, evaluateModel } from '../comparison/evaluate-models.ts';
import { type ComparisonForm, comparisonForms } from '../comparison/forms.ts';
import { comparisonResult } from '../comparison/result.ts';
import { addLoadingOptions, decideLoading, deviceLine, type ModelOptions } from '../model-options.ts';
import { namedPaths } from '../named-paths.ts';
import { addOutputOptions, choiceOption } from '../options.ts';
import { performWork } from '../perform-work.ts';
import { progressOn } from '../progress.ts';
import { sharedOption } from '../setting-options.ts';
import { type CommandResult, listing, type OutputOptions, printing } from '../terminal.ts';

interface CompareOptions extends ModelOptions, OutputOptions {
  table: string;
  format: ComparisonForm | 'json';
  intervals: boolean;
  baseline?: string;
  retainLog?: string;
  retrained?: string;
  profile?: ProfileName;
  truthRatioMean?: 'geometric' | 'arithmetic';
  tofu?: string;
  split: string;
  holdout?: string;
  embedder?: string;
  limit?: number;
  logs?: string;
  attacks: string[];
  attacked?: string[];
  relearnShare: number;
  relearnSteps: number;
  relearnLearningRate: number;
  batchSize: number;
  batchTokens?: number;
  template?: string;
  templateDate?: string;
  system?: string;
  maxLength: number;
}

export function compareCommand(): Command {
  const file = (flags: string, text: string) => new Option(flags, text).argParser(path);
  const attackNames = standingAttacks.map(({ name }) => name);
  const command = new Command('compare')
    .description(
      "Several models side by side in one table, with intervals, and a mark where two do not differ. Each is the log of an evaluation, or a model's folder, which is evaluated first (--tofu).",
    )
    .addArgument(new Argument('<models...>', 'logs and folders of models; NAME=PATH gives a row its name'))
    .optionsGroup('The table:')
    .option('--table <name>', `${layoutNames()}, or metrics, as in modelUtility,forget.probability`, 'short')
    .addOption(
      choiceOption('--format <name>', 'text, markdown, latex, or json, the same as --json', [
        ...comparisonForms,
        'json',
      ])
        .default('text')
        .conflicts('json'),
    )
    .option('--no-intervals', 'values alone')
    .option('--baseline <row>', 'the row that the others are compared with (default: the best of each column)')
    .addOption(
      file('--retain-log <file>', 'the log of a model that was trained without the forget set, for the forget quality'),
    )
    .addOption(new Option('--retrained <row>', 'the row of such a model, in place of its log').conflicts('retainLog'))
    .addOption(
      choiceOption('--truth-ratio-mean <name>', "mean of the truth ratio in place of the profile's", [
        'geometric',
        'arithmetic',
      ]),
    )
    .optionsGroup('Models that are evaluated:')
    .addOption(file('--tofu <folder>', "the folder of TOFU's files, *_perturbed.json among them"))
    .addOption(new Option('--split <name>', 'the forget set').default('forget10'))
    .addOption(
      choiceOption(
        '--profile <name>',
        "whose conventions figures follow (default: those of the logs, or the table's, or tofu)",
        profileNames,
      ),
    )
    .addOption(
      file('--holdout <file>', 'texts that no model saw, like those of the forget set, for membership inference'),
    )
    .addOption(
      file(
        '--embedder <folder>',
        "a sentence embedding model with its ONNX file, for SOUL's accuracy (needs the package @huggingface/transformers)",
      ),
    )
    .option('--limit <number>', 'ask only the first questions of each set, so many', integer())
    .addOption(
      file(
        '--logs <folder>',
        'where logs are kept; one of the same model, data and options is taken, and an evaluation that was cut off goes on there (default: evaluation-logs in this folder)',
      ),
    )
    .option('--batch-size <number>', 'examples at a time: fewer need less memory', integer(), 16)
    .option('--batch-tokens <number>', 'tokens at a time, likewise (default: no bound)', integer())
    .addOption(sharedOption('base'))
    .addOption(sharedOption('template'))
    .addOption(sharedOption('templateDate'))
    .addOption(sharedOption('system'))
    .option('--max-length <tokens>', 'longest example; what is longer loses its end', integer({ low: 2 }), 512)
    .optionsGroup('Attacks, each a row more for each model:')
    .addOption(
      new Option('--attacks <names>', `with commas between them: ${attackNames.join(', ')}`)
        .argParser(listed(attackNames))
        .default([], 'none'),
    )
    .option(
      '--attacked <rows>',
      'the models that are attacked, with commas between them (default: all that are evaluated, the retrained one too: it shows what learning anew does)',
      (text: string) => text.split(',').map((name) => name.trim()),
    )
    .option(
      '--relearn-share <number>',
      'share of the forget set that relearning sees',
      number({ lowExclusive: true, high: 1 }),
      attackDefaults.share,
    )
    .option('--relearn-steps <number>', 'its steps', integer(), attackDefaults.steps)
    .option(
      '--relearn-learning-rate <number>',
      'of AdamW, constant; the default is one for billions of weights, by which a small model hardly moves (docs/attacks.md)',
      number({ lowExclusive: true }),
      attackDefaults.learningRate,
    );
  return addOutputOptions(addLoadingOptions(command).optionsGroup('Output:'))
    .addHelpText(
      'after',
      `\nTables:\n${listing(comparisonLayouts.map(({ name, summary }) => [`  ${name}`, summary]))}\n` +
        `\nAttacks:\n${listing(standingAttacks.map(({ name, summary }) => [`  ${name}`, summary]))}\n` +
        '\nExamples:\n  soul compare ./model npo=./runs/npo ./runs/graddiff --tofu ./TOFU --table soul --attacks relearn,nf4\n' +
        '  soul compare a.json b.json --retain-log retain90.json --format latex',
    )
    .action((models: string[], options: CompareOptions) =>
      printing((given: CompareOptions) =>
        compare(models, given, (name) => command.getOptionValueSource(name) === 'cli'),
      )({
        ...options,
        json: options.json || options.format === 'json',
      }),
    );
}

function layoutNames(): string {
  return comparisonLayouts.map(({ name }) => name).join(', ');
}

async function compare(
  models: readonly string[],
  options: CompareOptions,
  isGiven: (option: string) => boolean,
): Promise<CommandResult> {
  const layout = comparisonLayout(options.table);
  const named = await namedPaths('models', models);
  const given = await Promise.all(
    named.map(async (each): Promise<GivenRow> => {
      const found = await stat(each.path).catch(() => undefined);
      return { ...each, isLog: found?.isFile() ?? false, isThere: found !== undefined };
    }),
  );
  checkRows(given, options);
  checkUnused(given, options, isGiven);
  const folders = given.filter((each) => !each.isLog);
  const progress = progressOn('comparing', options);
  for (const { name, path: folder } of folders) {
    const opened = await openOneOf(folder, options.base);
    if (attacksOf(name, options).length > 0) await mergeableAdapters(folder, opened);
  }
  if (folders.length > 0) await checkLogFolder(options.logs);
  const loading = folders.length > 0 ? decideLoading(options) : undefined;
  if (loading) progress.log(deviceLine(loading));
  let embedder: OnnxEmbedder | undefined;
  const work = async (signal: AbortSignal): Promise<CommandResult> => {
    progress.phase('reading logs');
    const logs = new Map<string, EvaluatedRow>();
    for (const { name, path: file } of given.filter((each) => each.isLog)) {
      logs.set(name, { name, path: file, file, log: await readEvaluationLog(file) });
    }
    const profile = profileOf([...logs.values()], layout, options);
    const sets = loading && (await readSets(options));
    if (loading && options.embedder !== undefined) {
      progress.phase('loading the embedder');
      embedder = await OnnxEmbedder.load(options.embedder);
      progress.log(`embedder: ${embedder.name}`);
    }
    const givenReference =
      options.retainLog === undefined
        ? logs.get(options.retrained ?? '')?.log
        : await readEvaluationLog(options.retainLog);
    const { split, limit } = options;
    const asked = sets && { name: folders[0]!.name, profile, split, limit, sets, embedder: embedder?.name };
    checkLogs([...logs.values()], givenReference, asked);
    const rows: EvaluatedRow[] = [];
    let model = 0;
    for (const each of given) {
      if (each.isLog) {
        rows.push(logs.get(each.name)!);
        continue;
      }
      progress.log(`model ${++model} of ${folders.length}: ${each.name}`);
      const evaluating = {
        ...options,
        embedder,
        profile,
        logs: options.logs ?? 'evaluation-logs',
        sets: sets!,
        loading: loading!,
        attack: attackOptions(options),
        signal,
        progress,
      };
      rows.push(...(await evaluateModel(each, attacksOf(each.name, options), evaluating)));
    }
    progress.phase('comparing');
    const reference = givenReference ?? rows.find(({ name }) => name === options.retrained)?.log;
    const { baseline, truthRatioMean } = options;
    const comparison = compareLogs(rows, {
      profile,
      layout,
      ...withoutUndefined({ baseline, truthRatioMean, reference }),
    });
    return comparisonResult(comparison, rows, options);
  };
  return performWork(progress, work, () => [embedder]);
}

async function checkLogFolder(logs: string | undefined): Promise<void> {
  const found = logs === undefined ? undefined : await stat(logs).catch(() => undefined);
  if (found === undefined || found.isDirectory()) return;
  throw new SoulError('SOUL_INVALID_ARGUMENT', `--logs must name a folder, but ${logs} is a file`, {
    argument: 'logs',
  });
}

/** Whose conventions models are evaluated by. */
function profileOf(logs: readonly NamedLog[], layout: ComparisonLayout, options: CompareOptions): ProfileName {
  const ofLogs = logs[0] && (logs[0].log.recorded?.profile ?? 'tofu');
  return options.profile ?? ofLogs ?? layout.profile ?? 'tofu';
}

function readSets({ tofu, split, limit, holdout }: CompareOptions): Promise<TofuSets> {
  return readTofuSets(tofu!, split, withoutUndefined({ limit, holdout }));
}

function attackOptions({ relearnShare, relearnSteps, relearnLearningRate }: CompareOptions) {
  return { share: relearnShare, steps: relearnSteps, learningRate: relearnLearningRate };
}
