/**
 * The chat template of a Hugging Face model folder.
 *
 * @see https://huggingface.co/docs/transformers/chat_templating
 * @module
 */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, SoulError } from '../core/errors.ts';
import { readJsonFile, readTextFile } from '../core/files.ts';
import { isObject, type JsonObject } from '../core/json.ts';

/** A chat template as it stands in a folder. */
export interface ChatTemplateFile {
  readonly text: string;
  /** Name of the file that it stands in. */
  readonly file: string;
  /** Hexadecimal SHA-256 of its text in UTF-8. */
  readonly sha256: string;
}

const jinjaFile = 'chat_template.jinja';
const configFile = 'tokenizer_config.json';

/**
 * Reads `chat_template.jinja`, else `chat_template` of tokenizer_config.json: a text, or several with names, of which `default`
 * counts.
 *
 * @returns undefined where the folder has none
 * @throws SoulError SOUL_BAD_FILE for a file that cannot be read, or holds something else; SOUL_UNSUPPORTED for several of which
 *   none is the default
 */
export async function readChatTemplate(folder: string): Promise<ChatTemplateFile | undefined> {
  const own = await readTextFile(join(folder, jinjaFile));
  if (own !== undefined) return templateOf(own, jinjaFile);
  const config = (await readJsonFile(join(folder, configFile))) as JsonObject | null | undefined;
  const given = config?.chat_template ?? undefined;
  if (given === undefined) return undefined;
  if (typeof given === 'string') return templateOf(given, configFile);
  const path = join(folder, configFile);
  const named = namedTemplates(given);
  if (named === undefined) {
    throw new SoulError(
      'SOUL_BAD_FILE',
      `chat_template in ${path} must be a text, or a list of { name, template }, but is ${describe(given)}`,
      { folder, file: configFile },
    );
  }
  if (named.size === 0) return undefined;
  const text = named.get('default');
  if (text !== undefined) return templateOf(text, configFile);
  throw new SoulError(
    'SOUL_UNSUPPORTED',
    `${path} has chat templates (${[...named.keys()].slice(0, 8).join(', ')}), but none that is called default; say how questions become text (--template plain, or a text with {question} and {answer})`,
    { folder, file: configFile },
  );
}

/** By their names; undefined for what is something else. */
function namedTemplates(given: unknown): Map<string, string> | undefined {
  const entries = Array.isArray(given)
    ? given.map((each) => (isObject(each) ? [each.name, each.template] : [undefined]))
    : isObject(given)
      ? Object.entries(given)
      : [[undefined, undefined]];
  return entries.every((entry) => entry.every((part) => typeof part === 'string'))
    ? new Map(entries as [string, string][])
    : undefined;
}

function templateOf(text: string, file: string): ChatTemplateFile {
  return { text, file, sha256: createHash('sha256').update(text, 'utf8').digest('hex') };
}
