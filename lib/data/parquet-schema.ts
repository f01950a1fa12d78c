/**
 * Which columns of a Parquet file are read, and how they are nested.
 *
 * @module
 */

import { type FileMetaData, parquetSchema, type SchemaElement, type SchemaTree } from 'hyparquet';
import { exampleFields, turnFields } from './record.ts';

/** A column whose pages are read. */
export interface ParquetColumn {
  readonly path: readonly string[];
  readonly type: string;
  readonly maximumDefinition: number;
  readonly maximumRepetition: number;
}

/** Fields that hold lists. */
const lists: readonly string[] = [...turnFields, 'perturbed_answer'];

/** Fields whose bytes are text, whether or not the schema says so. */
const texts: readonly string[] = [...exampleFields, 'paraphrased_question', 'paraphrased_answer'];

/** Columns of one thing a row, and those of the lists that an example has. */
export function readableColumns(metadata: FileMetaData): ParquetColumn[] {
  const { children } = parquetSchema(metadata);
  const names = children.map(({ element }) => element.name);
  if (new Set(names).size < names.length) throw new Error('two columns of one name');
  const wanted = children.filter(
    (tree) => lists.includes(tree.element.name) || (tree.children.length === 0 && isPlain(tree.element)),
  );
  return wanted.flatMap((tree) => [...leavesOf(tree, { maximumDefinition: 0, maximumRepetition: 0 })]);
}

/** Whether a column is of what an example or an attribute may be. */
function isPlain({ name, type, repetition_type, converted_type, logical_type, type_length }: SchemaElement): boolean {
  if (name === '__proto__' || repetition_type === 'REPEATED') return false;
  if (type === 'BYTE_ARRAY') {
    return (
      texts.includes(name) || converted_type === 'UTF8' || converted_type === 'ENUM' || logical_type?.type === 'STRING'
    );
  }
  // Decimals, in at most 38 digits.
  return type !== undefined && type !== 'INT96' && (type !== 'FIXED_LEN_BYTE_ARRAY' || (type_length ?? 99) <= 16);
}

function* leavesOf(
  { element, children, path }: SchemaTree,
  above: Pick<ParquetColumn, 'maximumDefinition' | 'maximumRepetition'>,
): Generator<ParquetColumn> {
  const levels = {
    maximumDefinition: above.maximumDefinition + (element.repetition_type === 'REQUIRED' ? 0 : 1),
    maximumRepetition: above.maximumRepetition + (element.repetition_type === 'REPEATED' ? 1 : 0),
  };
  if (children.length === 0) yield { path, type: String(element.type), ...levels };
  for (const child of children) yield* leavesOf(child, levels);
}
