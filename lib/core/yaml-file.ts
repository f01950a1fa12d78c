/**
 * YAML files, read as YAML 1.2 or refused with the line.
 *
 * @module
 */

import { type Document, isNode, LineCounter, parseDocument, visit } from 'yaml';
import { SoulError, shortMessage } from './errors.ts';
import { badFileOf, deepestNesting, readTextFile } from './files.ts';

/** Types of YAML's core schema; any other tag would make something that JSON has not. */
const coreTags = ['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`);

/**
 * The value of a YAML file of one document: what JSON has, and bigints where an integer is too large to be an exact number. Anchors
 * are copied where they are used; the file may not contain itself.
 *
 * @returns undefined where there is no such file
 * @throws SoulError SOUL_BAD_FILE, with line and column, where it cannot be read, is not YAML 1.2 in UTF-8, or has a tag beyond
 *   those of the core schema, a key that is no text, or a key twice
 */
export async function readYamlFile(file: string): Promise<unknown> {
  const text = await readTextFile(file, 'YAML');
  if (text === undefined) return undefined;
  const bad = badFileOf(file);
  const lines = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  try {
    const document = parseDocument(text, {
      intAsBigInt: true,
      lineCounter: lines,
      prettyErrors: false,
      resolveKnownTags: false,
      stringKeys: true,
    });
    const [problem] = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
    if (problem) throw bad(`is not YAML 1.2, at ${at(problem.pos[0])}: ${shortMessage(problem)}`, problem);
    if (document.directives?.yaml.explicit && document.directives.yaml.version !== '1.2') {
      throw bad(`asks for YAML ${document.directives.yaml.version}; YAML 1.2 is read here`);
    }
    const tagged = foreignTag(document);
    if (tagged) throw bad(`has the tag ${tagged.tag} at ${at(tagged.offset)}, which settings have no use for`);
    return plain(document.toJS({ maxAliasCount: 100 }), []);
  } catch (cause) {
    if (cause instanceof SoulError) throw cause;
    throw bad(`cannot be read as YAML: ${shortMessage(cause)}`, cause);
  }
}

function foreignTag(document: Document.Parsed): { tag: string; offset: number } | undefined {
  let found: { tag: string; offset: number } | undefined;
  visit(document, (_, node) => {
    if (!isNode(node) || node.tag === undefined || coreTags.includes(node.tag)) return undefined;
    found = { tag: node.tag, offset: node.range?.[0] ?? 0 };
    return visit.BREAK;
  });
  return found;
}

/** A copy in which integers are numbers where that is exact. */
function plain(value: unknown, within: readonly unknown[]): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (within.includes(value)) throw new Error('an anchor is used within itself');
  if (within.length >= deepestNesting) throw new Error(`it is nested more than ${deepestNesting} deep`);
  const inside = [...within, value];
  if (Array.isArray(value)) return value.map((entry) => plain(entry, inside));
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, plain(entry, inside)]));
}
