/**
 * Logs of the models that are compared: those that are there, and those that are made.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { type AttackOptions, attackRecord, encodeAttackSet, whileAttacked } from '../../attack/index.ts';
import { throwIfCancelled } from '../../core/cancellation.ts';
import { asSoulError, SoulError } from '../../core/errors.ts';
import { exists, makeFolders } from '../../core/files.ts';
import type { EvaluationLog } from '../../eval/tofu/log.ts';
import { readEvaluationLog } from '../../eval/tofu/read-log.ts';
import type { TofuSets } from '../../eval/tofu/sets.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import type { Loading } from '../model-options.ts';
import type { NamedPath } from '../named-paths.ts';
import type { Progress } from '../progress.ts';
import { type AskedModel, type AskingOptions, askTofu, readAskedModel } from '../tofu-evaluation.ts';
import { watching } from '../watching.ts';

/** A row of the table. */
export interface EvaluatedRow {
  readonly name: string;
  /** The model's folder, or the log that was given. */
  readonly path: string;
  /** What was done to the model in memory. */
  readonly attack?: string;
  /** The file of the log. */
  readonly file: string;
  readonly log: EvaluationLog;
}

export interface EvaluateModelsOptions extends AskingOptions {
  readonly sets: TofuSets;
  /** The folder of the logs. */
  readonly logs: string;
  readonly attack: AttackOptions;
  readonly loading: Loading;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** What figures do not depend on but in their last bits. */
const immaterial: readonly string[] = ['softwareVersion', 'batchSize', 'batchTokens'];

/**
 * Evaluates a model as it is, and under each attack. A log that is there of the same model, data and options is taken as it is; the model
 * is loaded only where one is missing.
 *
 * @throws SoulError of the evaluation; SOUL_EXISTS for a log that is not what its name says
 */
export async function evaluateModel(
  { name, path }: NamedPath,
  attacks: readonly string[],
  options: EvaluateModelsOptions,
): Promise<EvaluatedRow[]> {
  const { sets, logs, loading, signal, progress } = options;
  const asked = await readAskedModel(path, sets, options, { signal, progress });
  await makeFolders(logs).catch((error: unknown) => {
    throw asSoulError(error);
  });
  let model: RunnableModel | undefined;
  const rows: EvaluatedRow[] = [];
  try {
    for (const attack of [undefined, ...attacks]) {
      const row = attack === undefined ? name : attackedName(name, attack);
      const own = attack === undefined ? asked : attacked(asked, attack, options.attack);
      const file = join(logs, fileName(path, own.settings, attack));
      let log = await logThere(file, own.settings);
      if (log === undefined) {
        throwIfCancelled(signal, `the comparison was cancelled before ${row} was evaluated`);
        if (model === undefined) {
          progress.phase(`${name}: loading the model`);
          // Attacks act on all weights.
          const load = attacks.length > 0 ? loading.loadMerged : loading.load;
          model = await load(path, { signal, onNote: (note) => progress.note(note) });
        }
        log = await evaluated(model, own, attack, file, row, options);
      } else progress.log(`${row}: ${file} is there`);
      rows.push({ name: row, path, ...(attack === undefined ? {} : { attack }), file, log });
    }
    return rows;
  } finally {
    model?.release();
  }
}

/** What the row of a model under attack is called. */
export function attackedName(name: string, attack: string): string {
  return `${name} + ${attack}`;
}

/** With the attack among what figures depend on. */
function attacked(asked: AskedModel, name: string, options: AttackOptions): AskedModel {
  const attack = attackRecord(name, options);
  return { ...asked, facts: { ...asked.facts, attack }, settings: { ...asked.settings, attack } };
}

async function evaluated(
  model: RunnableModel,
  asked: AskedModel,
  attack: string | undefined,
  file: string,
  row: string,
  options: EvaluateModelsOptions,
): Promise<EvaluationLog> {
  const { sets, signal, progress } = options;
  const work = { signal, progress, phase: `${row}: ` };
  if (attack === undefined) return (await askTofu(model, asked, sets, file, work)).log;
  const { tokenizer, template, maximumLength } = asked;
  const { sequences } = encodeAttackSet(tokenizer, sets.examples.forget!, { template, maximumLength });
  const input = { model, forget: sequences, signal, onEvent: watching(progress, { verb: `${row}: relearning` }) };
  progress.phase(`${row}: attacking`);
  const { log } = await whileAttacked(input, attack, options.attack, (attackOutcome) =>
    askTofu(model, asked, sets, file, { ...work, outcome: { attackOutcome } }),
  );
  return log;
}

/** Told apart by a hash of all that figures depend on. */
function fileName(folder: string, settings: AskedModel['settings'], attack: string | undefined): string {
  const material = Object.entries(settings).filter(([setting]) => !immaterial.includes(setting));
  const hash = createHash('sha256').update(JSON.stringify(material)).digest('hex').slice(0, 10);
  const parts = [basename(resolve(folder)), settings.split, settings.profile, attack, hash];
  return `${parts.filter((part) => part !== undefined).join('-')}.json`;
}

async function logThere(file: string, settings: AskedModel['settings']): Promise<EvaluationLog | undefined> {
  if (!(await exists(file))) return undefined;
  const log = await readEvaluationLog(file);
  const other = Object.entries(settings).find(
    ([name, value]) => !immaterial.includes(name) && JSON.stringify(log.recorded?.[name]) !== JSON.stringify(value),
  );
  if (other === undefined) return log;
  throw new SoulError(
    'SOUL_EXISTS',
    `${file} is there, but is the log of another evaluation: its ${other[0]} is not the same; remove it, or name another folder with --logs`,
    { file, setting: other[0] },
  );
}
