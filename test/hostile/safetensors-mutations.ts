/**
 * Safetensors files spoilt: the entries of the header, its text, its length, the bytes of the file.
 *
 * @module
 */

import type { Draw } from './draw.ts';
import { spoilBytes, spoilText, spoilValue } from './json-mutations.ts';
import { oddNames, oddNumbers, oddValue } from './odd-values.ts';

/** A tensor as a header has it; JSON texts, since not every number of JSON is one of JavaScript. */
export interface HeaderEntry {
  name: string;
  dtype: string;
  shape: string[];
  offsets: string[];
}

/** Element types of the format, and others. */
const dtypes = ['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL', 'F4', 'F6_E2M3', 'C64', 'X9', ''];

/** Puts a file together. */
export function fileOf(header: string, data: Uint8Array, claimed?: bigint): Uint8Array {
  const json = new TextEncoder().encode(header);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt.asUintN(64, claimed ?? BigInt(json.length)), true);
  return Buffer.concat([length, json, data]);
}

function textOf(entries: readonly HeaderEntry[], metadata: unknown): string {
  const fields = entries.map(
    ({ name, dtype, shape, offsets }) =>
      `${JSON.stringify(name)}:{"dtype":${JSON.stringify(dtype)},"shape":[${shape}],"data_offsets":[${offsets}]}`,
  );
  if (metadata !== undefined) fields.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
  return `{${fields.join(',')}}`;
}

function spoilEntries(entries: HeaderEntry[], draw: Draw): void {
  if (entries.length === 0) return;
  const entry = draw.of(entries);
  const other = draw.of(entries);
  const shift = (text: string, by: number) => String(Number(text) + by);
  switch (draw.integer(10)) {
    case 0:
      entry.name = draw.of(oddNames);
      break;
    case 1:
      entry.name = other.name;
      break;
    case 2:
      entry.dtype = draw.of(dtypes);
      break;
    case 3:
      entry.shape[draw.integer(entry.shape.length + 1)] = draw.of(oddNumbers);
      break;
    case 4:
      entry.offsets[draw.integer(3)] ??= '0';
      entry.offsets[draw.integer(2)] = draw.of(oddNumbers);
      break;
    case 5:
      entry.offsets = entry.offsets.map((text) => shift(text, draw.of([-8, -1, 1, 4, 8])));
      break;
    case 6:
      entry.offsets = [...other.offsets];
      break;
    case 7:
      entry.offsets.reverse();
      break;
    case 8:
      entries.splice(entries.indexOf(entry), 1);
      break;
    default:
      entry.shape = draw.of([[], ['0'], ['9007199254740991', '0'], ['4294967296', '4294967296', '4294967296'], ['-1']]);
  }
}

function spoilMetadata(metadata: unknown, draw: Draw): unknown {
  switch (draw.integer(4)) {
    case 0:
      return oddValue(draw);
    case 1:
      return { [draw.of(['a', 'step', 'format', 'rho'])]: oddValue(draw) };
    case 2:
      return JSON.parse(`{${JSON.stringify(draw.of(oddNames))}:"text"}`);
    default: {
      const copy = structuredClone(metadata ?? {}) as Record<string, unknown>;
      spoilValue(copy, draw);
      return copy;
    }
  }
}

const lengths: readonly bigint[] = [
  0n,
  1n,
  2n,
  8n,
  100_000_000n,
  100_000_001n,
  2n ** 31n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** A file made from tensors that would do, with up to three things spoilt; none, now and then: `isWhole` then. */
export function hostileSafetensors(
  { entries, metadata, data }: { entries: HeaderEntry[]; metadata: unknown; data: Uint8Array },
  draw: Draw,
): { bytes: Uint8Array; isWhole: boolean } {
  if (draw.once(12)) return { bytes: fileOf(textOf(entries, metadata), data), isWhole: true };
  const changed = entries.map((entry) => ({ ...entry, shape: [...entry.shape], offsets: [...entry.offsets] }));
  for (let left = draw.integer(3); left > 0; left--) spoilEntries(changed, draw);
  const said = draw.once(4) ? spoilMetadata(metadata, draw) : metadata;
  let text = textOf(changed, said);
  if (draw.once(4)) text = spoilText(text, draw);
  if (draw.once(20)) text = JSON.stringify(oddValue(draw));
  const claimed = draw.once(10) ? draw.of([...lengths, BigInt(text.length + draw.integer(40) - 20)]) : undefined;
  const bytes = fileOf(text, draw.once(8) ? spoilBytes(data, draw) : data, claimed);
  return { bytes: draw.once(6) ? spoilBytes(bytes, draw) : bytes, isWhole: false };
}

/** The tensors of a whole file, by the format's description alone. */
export function tensorsIn(bytes: Uint8Array): {
  tensors: Map<string, { dtype: string; shape: number[]; data: Uint8Array }>;
  metadata: Record<string, string>;
} {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const { __metadata__: metadata, ...header } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const entries = Object.entries(header as Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>);
  const tensors = entries.map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [begin, end],
      },
    ]) => {
      const data = bytes.subarray(8 + length + begin!, 8 + length + end!);
      return [name, { dtype, shape, data }] as const;
    },
  );
  return { tensors: new Map(tensors), metadata: metadata ?? {} };
}

/** A whole file as entries that can be spoilt. */
export function entriesOf(bytes: Uint8Array): { entries: HeaderEntry[]; metadata: unknown; data: Uint8Array } {
  const { tensors, metadata } = tensorsIn(bytes);
  let end = 0;
  const parts: Uint8Array[] = [];
  const entries = Array.from(tensors, ([name, { dtype, shape, data }]): HeaderEntry => {
    const begin = end;
    end += data.length;
    parts.push(data);
    return { name, dtype, shape: shape.map(String), offsets: [String(begin), String(end)] };
  });
  return { entries, metadata, data: Buffer.concat(parts) };
}
