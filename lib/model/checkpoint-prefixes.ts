/**
 * What stands before and in the names of weights: the traces of what a model was wrapped in when it was saved.
 *
 * @module
 */

import { shortName } from '../core/errors.ts';

/** What DataParallel and its kin, torch.compile, FSDP and activation checkpointing put into the names of what they wrap. */
const wrappers: ReadonlySet<string> = new Set([
  'module',
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
]);

/**
 * What the weight of this name in a file may be called in the model, the likeliest first. No model has a name with a part that is a
 * wrapper's. That the body's prefix may be absent or there twice is the custom of transformers.
 *
 * @param body what stands before the names of all but the output layer: a LlamaForCausalLM holds a LlamaModel as `model.`
 */
export function nameVariants(stored: string, body: string): string[] {
  const bare = withoutWrappers(stored);
  return [stored, bare, `${body}${bare}`, ...(bare.startsWith(body) ? [bare.slice(body.length)] : [])];
}

/** Sentences on names that were not the model's own. */
export function renamingNotes(names: readonly { readonly parameter: string; readonly stored: string }[]): string[] {
  const notes: string[] = [];
  const wrapped = names.filter(({ stored }) => withoutWrappers(stored) !== stored);
  if (wrapped.length > 0) {
    const prefixes = new Set(names.map(({ stored }) => leadingWrappers(stored)));
    const [prefix] = prefixes;
    const parts = new Set(wrapped.flatMap(({ stored }) => stored.split('.').filter((part) => wrappers.has(part))));
    const which =
      wrapped.length === names.length ? 'every name has' : `${wrapped.length} of ${names.length} names have`;
    const what =
      prefixes.size === 1 && prefix !== ''
        ? `every name begins with ${shortName(prefix!)}`
        : `${which} ${[...parts].map((part) => `${part}.`).join(' or ')} within`;
    notes.push(`${what}, from a wrapper that the model was saved in; read without it`);
  }
  const [first, ...others] = names.filter(({ parameter, stored }) => withoutWrappers(stored) !== parameter);
  if (first !== undefined) {
    const rest = others.length > 0 ? `, and ${others.length} more likewise` : '';
    notes.push(`${shortName(first.stored)} is read for ${first.parameter}${rest}`);
  }
  return notes;
}

/**
 * A sentence on what stands before the names where they would fit the model without, or with `body` in its place; undefined
 * where it explains fewer than half of the names that are looked for.
 *
 * @param wanted names in the model, none of which was found
 */
export function unknownPrefix(wanted: readonly string[], stored: readonly string[], body: string): string | undefined {
  const there = new Set(stored);
  for (const known of ['', body]) {
    const endings = wanted.filter((name) => name.startsWith(known)).map((name) => name.slice(known.length));
    const [ending] = endings;
    const match = ending === undefined ? undefined : stored.find((name) => name.endsWith(`.${ending}`));
    if (ending === undefined || match === undefined) continue;
    const prefix = match.slice(0, -ending.length);
    if (endings.filter((each) => there.has(prefix + each)).length < wanted.length / 2) continue;
    const which = stored.every((name) => name.startsWith(prefix)) ? 'every name begins' : 'most names begin';
    const instead = known === '' ? '' : ` in place of ${known}`;
    return `${which} with ${shortName(prefix)}${instead}: rename the tensors, or save the language model itself and not what holds it`;
  }
  return undefined;
}

function withoutWrappers(name: string): string {
  const parts = name.split('.');
  return parts.filter((part) => !wrappers.has(part)).join('.');
}

function leadingWrappers(name: string): string {
  const parts = name.split('.');
  const end = parts.findIndex((part) => !wrappers.has(part));
  return parts
    .slice(0, end)
    .map((part) => `${part}.`)
    .join('');
}
