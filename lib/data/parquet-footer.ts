/**
 * The footer of a Parquet file, checked before it is taken apart: schema, row groups and where their columns lie.
 *
 * @see https://parquet.apache.org/docs/file-format/metadata/
 * @module
 */

import { readThrift, ThriftError, type ThriftStruct, type ThriftValue } from './parquet-thrift.ts';

/** Its length and the letters PAR1. */
const tail = 8;

/** Elements of a schema: more than any data set has. */
const mostElements = 4096;

/** Bytes of a smallest or largest value, where decimals are among the columns, which are computed from bytes. */
const longestStatistic = 1024;

const decimal = 5;

/**
 * The last bytes of a file, from the footer on.
 *
 * @param size of the file in bytes
 * @throws ThriftError, Error
 */
export async function readFooter(
  slice: (start: number, end: number) => Promise<ArrayBuffer>,
  size: number,
): Promise<ArrayBuffer> {
  if (size < tail + 4) throw new Error('it is cut short');
  const view = new DataView(await slice(size - tail, size));
  if (view.getUint32(4, true) !== 0x31524150)
    throw new Error('it does not end as a Parquet file does: cut short, perhaps');
  const length = view.getUint32(0, true);
  if (length > size - tail - 4) throw new Error('it claims a footer that is longer than the file');
  const bytes = await slice(size - tail - length, size);
  checkFooter(readThrift(new Uint8Array(bytes, 0, length), 0).value);
  return bytes;
}

function checkFooter(footer: ThriftStruct): void {
  const schema = structsOf(footer.get(2));
  if (schema.length > mostElements) throw new ThriftError(`has a schema of ${schema.length} elements`);
  checkTree(schema);
  if (!schema.some((element) => element.get(6) === decimal)) return;
  for (const group of structsOf(footer.get(4))) {
    for (const column of structsOf(group.get(1))) {
      const statistics = structOf(structOf(column.get(3))?.get(12));
      const values = [1, 2, 5, 6].map((id) => statistics?.get(id));
      if (values.some((value) => value instanceof Uint8Array && value.length > longestStatistic)) {
        throw new ThriftError('has too long a statistic');
      }
    }
  }
}

/** Every element has the children that it says. */
function checkTree(schema: readonly ThriftStruct[]): void {
  const open: number[] = [];
  for (const [i, element] of schema.entries()) {
    const children = element.get(5) ?? 0;
    if (typeof children !== 'number' || children < 0) throw new ThriftError('has a schema that is no tree');
    if (i > 0 && open.length === 0) throw new ThriftError('has a schema that is no tree');
    if (i > 0) open[open.length - 1]! -= 1;
    if (children > 0) open.push(children);
    if (open.length > 32) throw new ThriftError('has a schema that is nested too deeply');
    while (open.at(-1) === 0) open.pop();
  }
  if (open.length > 0 || schema.length < 2) throw new ThriftError('has a schema that is no tree');
}

function structsOf(value: ThriftValue | undefined): ThriftStruct[] {
  return Array.isArray(value) ? value.filter((each): each is ThriftStruct => each instanceof Map) : [];
}

function structOf(value: ThriftValue | undefined): ThriftStruct | undefined {
  return value instanceof Map ? value : undefined;
}
