/**
 * The model card of an out folder: README.md with the metadata that the Hugging Face Hub reads.
 *
 * @see https://huggingface.co/docs/hub/model-cards
 * @module
 */

import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { readJsonFile } from '../core/files.ts';
import { packageVersion } from '../core/package.ts';
import { settingsInFull } from '../unlearn/inner-method.ts';
import { adapterOfKind } from './adapter-choice.ts';
import { isDeletion } from './deletion.ts';
import type { EvaluationSeries } from './evaluations/evaluation.ts';
import { setFigureNames } from './evaluations/figures.ts';
import type { BeforeAndAfter } from './measure.ts';
import type { RunRecordParts } from './record.ts';
import { reversible, type TrainedAdapter } from './run-adapters.ts';
import { placeKinds, type RunSchema } from './run-setting.ts';
import { runSettings } from './run-settings.ts';
import type { Traces } from './traces.ts';

type CardParts = Pick<
  RunRecordParts,
  'settings' | 'chosen' | 'sets' | 'result' | 'before' | 'failure' | 'startedAt' | 'signer' | 'adapter'
>;

/**
 * A card with what was done, figures, how to check them, and what they do not show. It quotes no example and names no file but the
 * folders.
 *
 * @param traces of a run that deletes
 */
export async function modelCard(parts: CardParts, traces: Traces | undefined): Promise<string> {
  const { settings, chosen, adapter } = parts;
  const model = adapter?.base ?? settings.model;
  const base = await baseOf(model);
  const deletes = isDeletion(chosen);
  const metadata = {
    ...(base === undefined ? {} : { base_model: base, base_model_relation: adapter ? 'adapter' : 'finetune' }),
    library_name: adapter ? adapterOfKind(adapter.config.kind).loadedBy : 'transformers',
    ...(await licenseOf(model)),
    pipeline_tag: 'text-generation',
    tags: [...(deletes ? ['unlearning', 'machine-unlearning'] : []), 'soul-unlearn', chosen.algorithm.name],
  };
  const sections = [
    `---\n${stringify(metadata)}---`,
    `# ${lastName(settings.out) ?? 'Model'}`,
    whatWasDone(parts, base),
    ...(adapter ? [aboutAdapters(adapter, deletes)] : []),
    `## Method and settings\n\n${settingsList(parts)}`,
    `## Figures\n\n${figures(parts)}`,
    `## How to check\n\n${howToCheck(parts, deletes)}`,
    ...(deletes ? [`## What this does not show\n\n${limits}`, `## Traces\n\n${tracesText(traces!)}`] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

/** What a model is called: by its own config.json where that names a repository, else by its folder. */
async function baseOf(folder: string): Promise<string | undefined> {
  const config = Object(await readJsonFile(join(folder, 'config.json')).catch(() => undefined)) as Record<
    string,
    unknown
  >;
  const own = config._name_or_path;
  if (typeof own === 'string' && /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(own)) return own;
  return lastName(folder);
}

/** The last part of a path as it was typed; undefined where that is no name. */
function lastName(path: string): string | undefined {
  const name = basename(path);
  return /^[\w-][\w .-]*$/.test(name) ? name : undefined;
}

/** The license that the model's own card names. */
async function licenseOf(folder: string): Promise<Record<string, string>> {
  const card = await readFile(join(folder, 'README.md'), 'utf8').catch(() => '');
  const [, front] = /^---\r?\n(.*?)\r?\n---/s.exec(card) ?? [];
  if (front === undefined) return {};
  let metadata: Record<string, unknown>;
  try {
    metadata = Object(parse(front)) as Record<string, unknown>;
  } catch {
    // Somebody else's card is no reason to fail.
    return {};
  }
  const { license, license_name: name, license_link: link } = metadata;
  if (typeof license !== 'string' || !/^[\w.-]+$/.test(license)) return {};
  return {
    license,
    ...(typeof name === 'string' && /^[\w.-]+$/.test(name) ? { license_name: name } : {}),
    ...(typeof link === 'string' && /^https:\/\/[^\s/@]+\/\S*$/.test(link) ? { license_link: link } : {}),
  };
}

function whatWasDone({ chosen, sets, startedAt, adapter }: CardParts, base: string | undefined): string {
  const { name, summary } = chosen.algorithm;
  const model = base === undefined ? 'a model' : code(base);
  const count = (n: number) => `${n} example${n === 1 ? '' : 's'}`;
  const by = `soul-unlearn ${packageVersion} on ${startedAt.toISOString().slice(0, 10)}`;
  const kept = sets.retain ? ` ${count(sets.retain.items.length)} of what is to stay stood beside.` : '';
  if (!isDeletion({ algorithm: chosen.algorithm })) {
    return `This is ${model}, trained on ${count(sets.target.items.length)} with ${by}.`;
  }
  return (
    `This is ${model} after unlearning: ${adapter ? 'adapters beside its weights were trained' : 'its weights were changed'} to make it forget ${count(sets.target.items.length)}, ` +
    `with ${by}, by the method ${code(name)} (${summary}).${kept} Which examples those are is not told here; \`run.json\` names them by ` +
    'hashes under a secret key.'
  );
}

function aboutAdapters({ config, isChanged }: TrainedAdapter, deletes: boolean): string {
  const { folder } = adapterOfKind(config.kind);
  const about = deletes ? `${folder} This is ${reversible(config)}.` : folder;
  const changed = 'While they were trained, files of that model became others than those that they were trained on.';
  return isChanged ? `${about} ${changed}` : about;
}

/** Settings that a reader may want: none that is a path, nor where the model was loaded. */
function settingsList({ settings, chosen }: CardParts): string {
  const lines: string[] = [`- method: ${code(chosen.algorithm.name)}`];
  const list = (name: string, value: unknown) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [own, each] of Object.entries(value)) list(`${name}.${own}`, each);
    } else if (value !== undefined) lines.push(`- ${name}: ${code(typeof value === 'string' ? value : String(value))}`);
  };
  list('methodSettings', settingsInFull(chosen.algorithm, chosen.settings));
  for (const [name, entry] of Object.entries(runSettings as RunSchema)) {
    const value = settings[name as keyof typeof settings];
    if (entry.kind === 'value' || placeKinds.has(entry.kind) || name === 'overwrite') continue;
    if (entry.kind !== 'group' && (entry.withoutTexts || value === entry.fallback)) continue;
    list(name, value);
  }
  return `${lines.join('\n')}\n\nSettings that are not named are the defaults of that version; \`run.json\` has all.`;
}

function figures({ result, before, failure, settings }: CardParts): string {
  const { evaluation, verdict } = result;
  if (evaluation === undefined) {
    const known = failure !== undefined && before ? ' after the run; `run.json` has the figures before' : '';
    return `The model was not measured${known}.`;
  }
  const target = verdict === undefined ? 'trained on' : 'to forget';
  const row = (name: string, { examples, before, after }: BeforeAndAfter) =>
    `| ${name} | ${examples} | ${before.toFixed(4)} | ${after.toFixed(4)} |`;
  const rows = [row(target, evaluation.target), ...(evaluation.retain ? [row('to keep', evaluation.retain)] : [])];
  const table = ['| examples | measured | before | after |', '|---|---|---|---|', ...rows].join('\n');
  const how =
    `The probability that the model gives to the right answer: exp of the mean log-likelihood of its tokens, averaged over the first ` +
    `${settings.evaluate} examples of each set at most, as \`soul eval --no-generate\` computes it.`;
  const onTheWay = result.evaluations ? [evaluationsTable(result.evaluations, settings)] : [];
  return [table, how, ...(verdict ? [verdict.sentence] : []), ...onTheWay].join('\n\n');
}

/** Most rows of a table of evaluations. */
const mostRows = 12;

/** Evaluations on the way, or so many of them, evenly chosen, the first and the last among them. */
function evaluationsTable({ points }: EvaluationSeries, { evaluateData, allowOverlap }: CardParts['settings']): string {
  const rows = Math.min(points.length, mostRows);
  const chosen = Array.from(
    { length: rows },
    (_, i) => points[Math.round((i * (points.length - 1)) / Math.max(rows - 1, 1))]!,
  );
  const columns = Object.entries(points[0]?.sets ?? {}).flatMap(([set, own]) =>
    setFigureNames.filter((name) => own[name] !== undefined).map((name) => [set, name] as const),
  );
  const cells = chosen.map(({ step, moment, sets }) => [
    moment === 'during' ? String(step) : moment,
    ...columns.map(([set, name]) => sets[set]?.[name]?.toFixed(4) ?? ''),
  ]);
  const names = columns.map(([set, name]) => `${set}: ${name}`);
  const lines = [['step', ...names], ['step', ...names].map(() => '---'), ...cells];
  const all = points.length > rows ? ` ${rows} of ${points.length} evaluations;` : '';
  // Where examples may be in both, nothing is said.
  const heldOut = evaluateData && !allowOverlap ? '; sets beside `target` and `retain` were not trained on' : '';
  return [
    `Figures on the way, of the first examples of each set${heldOut}.${all} \`evaluations.jsonl\` has all.`,
    lines.map((line) => `| ${line.join(' | ')} |`).join('\n'),
  ].join('\n\n');
}

function howToCheck({ signer }: CardParts, deletes: boolean): string {
  return [
    '```\nnpx soul-unlearn verify <this folder>\n```',
    'compares every file with the hashes in `run.json`, and that record with itself. ' +
      `\`--require "${deletes ? 'forget.probability<0.2' : 'train.probability>0.5'}"\` holds its figures to a bound.` +
      (deletes
        ? ' Who holds the key of the items can check that an example was among them (`--data FILE --key FILE`).'
        : ''),
    ...(signer === undefined
      ? ['The record is not signed: the hashes show damage, not forgery.']
      : [`The record is signed (Ed25519) by the key ${code(signer)}; \`--signer PUBLIC_KEY\` checks that.`]),
  ].join('\n\n');
}

const limits =
  'The figures say how likely the answers are in the wording that was measured. They do not show that what the model knew of them is gone: ' +
  'answers that have become unlikely can be hidden rather than forgotten, and further training, quantization or other questions may ' +
  'bring them back. None of that was tried here. Copies of the model from before, and of the data, are not touched by a run.';

function tracesText(traces: Traces): string {
  const names = {
    optimizerStates: 'states of the optimizer',
    masterWeights: 'master weights',
    checkpoints: 'checkpoints',
    alternatives: 'answers that the model made in place of those to forget',
    texts: 'texts of what was deleted',
  } as const satisfies Record<keyof Traces, string>;
  const fates = {
    'not-written': 'never written to the disk',
    removed: 'removed when the run ended',
    kept: '**kept in this folder**',
  } as const;
  return Object.entries(names)
    .map(([name, text]) => `- ${text}: ${fates[traces[name as keyof Traces]]}`)
    .join('\n');
}

/** A text as code, whatever backticks are in it. */
function code(text: string): string {
  const line = text.replaceAll('\n', '\\n');
  const fence = '`'.repeat(1 + Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length)));
  return fence === '`' ? `\`${line}\`` : `${fence} ${line} ${fence}`;
}
