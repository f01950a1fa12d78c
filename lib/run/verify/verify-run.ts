/**
 * Checks a finished folder against its own record.
 *
 * @module
 */

import { type Cancellable, checkSignal } from '../../core/cancellation.ts';
import { invalidArgument } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { checkNames } from '../../core/option-names.ts';
import { parseFigureConditions } from '../figure-condition.ts';
import { ItemKey, keyFileOf } from '../item-key.ts';
import { inWords, loose } from '../loose.ts';
import { readPublicKey } from '../signature.ts';
import { checkBase } from './base.ts';
import { type Check, checksOf } from './check.ts';
import { checkConsistency, checkSettings } from './consistency.ts';
import { checkInputs, checkOutputs } from './files.ts';
import { checkItems, checkKey, type FoundItems } from './items.ts';
import { readRecorded } from './recorded.ts';
import { checkRequirements } from './requirements.ts';
import { checkSignature } from './signature.ts';

export interface VerifyOptions extends Cancellable {
  /** The folder of the model that the run began with; default the one that the record names, if it is there. */
  readonly model?: string;
  /** The folder of the base, of a run with adapters; default the one that their adapter_config.json names, if it is there. */
  readonly base?: string;
  /** The file of what was forgotten, or trained on; default the one that the record names, if it is there. */
  readonly target?: string;
  /** A file of examples that must all be among those that were deleted. */
  readonly data?: string;
  /** Conditions that choose among the examples of `data`, as those of a run that forgot a part of its file. */
  readonly filter?: string | readonly string[];
  /** The file of the key of the items; default `<folder>.key`, if it is there. */
  readonly key?: string;
  /** Bounds on the run's figures, as `forget.probability<0.2` or `retain.probability.before>0.5`. */
  readonly require?: string | readonly string[];
  /** The file of the public key by whose owner the record must be signed. */
  readonly signer?: string;
}

export interface Verification {
  readonly folder: string;
  /** Whether no check failed. */
  readonly passed: boolean;
  readonly checks: readonly Check[];
  /** What the folder was made with; absent where there is no record. */
  readonly madeWith?: {
    readonly package: string;
    readonly node: string;
    readonly engine?: string;
    readonly method: string;
    readonly finishedAt: string;
  };
  /** Of the examples of `data`. */
  readonly items?: FoundItems;
}

/**
 * Checks a folder that a run made: its files against the hashes in its run.json, what the run read where that can be found, the settings,
 * the record's agreement with itself, and what is asked for beside. It reads and writes nothing else, and needs no engine.
 *
 * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE, SOUL_INVALID_ARGUMENT for options that cannot be, of {@link ItemKey.read} and
 *   {@link readPublicKey}; SOUL_BAD_DATA for a `data` file that cannot be read; SOUL_CANCELLED
 *
 * @example
 * const { passed, checks } = await verifyRun('./model-unlearned', { require: 'forget.probability<0.2' });
 * for (const { outcome, text } of checks) if (outcome === 'failed') console.error(text);
 */
export async function verifyRun(folder: string, options: VerifyOptions = {}): Promise<Verification> {
  if (typeof folder !== 'string' || folder === '') throw invalidArgument('folder', 'a path', folder);
  checkNames('options', options, ['model', 'base', 'target', 'data', 'filter', 'key', 'require', 'signer', 'signal']);
  for (const name of ['model', 'base', 'target', 'data', 'key', 'signer'] as const) {
    const path: unknown = options[name];
    if (path !== undefined && (typeof path !== 'string' || path === '')) throw invalidArgument(name, 'a path', path);
  }
  checkSignal('signal', options.signal);
  const { model, base, target, data, filter, require = [], signal } = options;
  if (filter !== undefined && data === undefined) {
    throw invalidArgument('filter', 'given with data, whose examples it chooses', filter);
  }
  const conditions = (Array.isArray(require) ? require : [require]).flatMap((text) =>
    parseFigureConditions('require', text),
  );
  const signer = options.signer === undefined ? undefined : await readPublicKey(options.signer);
  const keyFile = options.key ?? keyFileOf(folder);
  const itemKey = options.key !== undefined || (await exists(keyFile)) ? await ItemKey.read(keyFile) : undefined;

  const recorded = await readRecorded(folder);
  if (typeof recorded === 'string') {
    return { folder, passed: false, checks: [checksOf('record').failed(recorded)] };
  }
  const { value: record } = recorded;
  const items = data === undefined ? undefined : await checkItems(record, data, itemKey, filter);
  const checks = [
    ...(await checkConsistency(folder, record)),
    ...checkSettings(record),
    await checkSignature(folder, recorded, signer),
    ...(await checkOutputs(folder, record, signal)),
    ...(await checkInputs(record, { model, target, itemKey }, signal)),
    ...(await checkBase(folder, record, { base, model }, signal)),
    ...(items ? [items.check] : []),
    ...(items || options.key === undefined ? [] : checkKey(record, itemKey!)),
    ...checkRequirements(record, conditions),
  ];
  const { engine } = loose(loose(record.settings).load);
  return {
    folder,
    passed: checks.every(({ outcome }) => outcome !== 'failed'),
    checks,
    madeWith: {
      package: `soul-unlearn ${inWords(loose(record.package).version)}`,
      node: inWords(loose(record.environment).node),
      ...(typeof engine === 'string' ? { engine } : {}),
      method: inWords(loose(record.settings).method),
      finishedAt: inWords(record.finishedAt),
    },
    ...(items?.found ? { items: items.found } : {}),
  };
}
