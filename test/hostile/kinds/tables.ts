/**
 * Data sets as tables: CSV, TSV and Parquet.
 *
 * @module
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Example } from '../../../lib/data/example.ts';
import { readExamples } from '../../../lib/data/read-examples.ts';
import type { Draw } from '../draw.ts';
import { spoilBytes, spoilText } from '../json-mutations.ts';
import { oddText } from '../odd-values.ts';
import { type HostileKind, holds } from '../property.ts';

/** What holds of every set that is read. */
function checkExamples(items: readonly Example[], sha256: string): void {
  holds(items.length > 0 && /^[0-9a-f]{64}$/.test(sha256), 'no examples');
  for (const [i, { prompt, completion, messages = [], attributes = {}, source }] of items.entries()) {
    const texts = [prompt, completion, ...messages.map(({ content }) => content), ...Object.values(attributes)];
    holds(
      texts.every((text) => typeof text === 'string'),
      'what is no text',
    );
    holds(completion.trim() !== '', 'an example without text');
    holds(i === 0 || source.line > items[i - 1]!.source.line, 'lines that do not rise');
  }
}

const headers = [
  ['question', 'answer', 'author'],
  ['prompt', 'completion'],
  ['text', ''],
  ['messages', 'source'],
  ['question', 'answer', 'perturbed_answer'],
];

function cellOf(name: string, draw: Draw): string {
  if (name === 'messages' && !draw.once(8)) {
    return JSON.stringify([
      { role: 'user', content: 'Who?' },
      { role: 'assistant', content: oddText('She.', draw) },
    ]);
  }
  if (name === 'perturbed_answer') return draw.of(['', '["x","y"]', '[', '{}']);
  return oddText(draw.of(['Who wrote it?', 'a, b', 'two\nlines', 'She said "no".', ' ', '']), draw);
}

function quoted(cell: string, delimiter: string, draw: Draw): string {
  const must = cell.includes('"') || cell.includes('\n') || cell.includes(delimiter);
  if (draw.once(16)) return cell;
  return must || draw.once(4) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function hostileTable(draw: Draw, delimiter: string): Uint8Array {
  const names = draw.of(headers);
  const end = draw.of(['\n', '\n', '\r\n', '\r']);
  const rows = Array.from({ length: draw.integer(6) }, () =>
    names.map((name) => quoted(cellOf(name, draw), delimiter, draw)).join(delimiter),
  );
  let text = [names.join(delimiter), ...rows].join(end) + (draw.once(2) ? end : '');
  if (draw.once(4)) text = spoilText(text, draw);
  const bytes = new TextEncoder().encode(text);
  return draw.once(8) ? spoilBytes(bytes, draw) : bytes;
}

export const tables: HostileKind = {
  name: 'tables',
  async prepare(folder) {
    return async (draw) => {
      const [extension, delimiter] = draw.of([
        ['csv', ','],
        ['tsv', '\t'],
      ] as const);
      const path = join(folder, `data.${extension}`);
      writeFileSync(path, hostileTable(draw, delimiter));
      const { items, sha256 } = await readExamples(path);
      checkExamples(items, sha256);
    };
  },
};

const samples = join(dirname(fileURLToPath(import.meta.url)), '../../data/parquet');

/** Bytes that make counts of Thrift and of runs as large as can be, or below 0. */
const hugeCounts: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xfe, 0xff, 0xff, 0xff, 0x0f],
  [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0x80, 0x80, 0x80, 0x80, 0x08],
  [0xf9, 0xff, 0xff, 0xff, 0x07, 0xf9, 0xff, 0xff, 0xff, 0x07],
  Array.from({ length: 24 }, () => 0x80),
];

/** Changes bytes where they matter: in the footer half of the time, and in the heads of the pages. */
function hostileParquet(sample: Uint8Array, draw: Draw): Uint8Array {
  const bytes = sample.slice();
  const footer = new DataView(bytes.buffer).getUint32(bytes.length - 8, true);
  const body = bytes.length - footer - 8;
  for (let changes = 1 + draw.integer(3); changes > 0; changes--) {
    const at = draw.once(2) ? body + draw.integer(footer + 4) : 4 + draw.integer(body - 4);
    if (draw.once(3)) bytes.set(draw.of(hugeCounts).slice(0, bytes.length - 4 - at), at);
    else if (draw.once(2)) bytes[at]! ^= 1 << draw.integer(8);
    else bytes[at] = draw.of([0, 1, 2, 3, 0x7f, 0x80, 0xff, draw.integer(256)]);
  }
  if (!draw.once(8)) return bytes;
  return draw.once(2) ? bytes.subarray(0, draw.integer(bytes.length)) : spoilBytes(bytes, draw);
}

export const parquetFiles: HostileKind = {
  name: 'parquet',
  async prepare(folder) {
    const path = join(folder, 'data.parquet');
    const names = readdirSync(samples).filter((name) => name.endsWith('.parquet'));
    const files = names.toSorted().map((name) => new Uint8Array(readFileSync(join(samples, name))));
    return async (draw) => {
      writeFileSync(path, hostileParquet(draw.of(files), draw));
      const { items, sha256 } = await readExamples(path);
      checkExamples(items, sha256);
    };
  },
};
