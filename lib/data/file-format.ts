/**
 * Files that are no text in UTF-8, told by their first bytes.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { isLfsPointer, lfsPointer } from '../core/files.ts';

interface Format {
  /** What follows "the data file ... is". */
  readonly name: string;
  readonly advice: string;
  /** Alternatives for its first bytes, in latin1. */
  readonly begins: readonly string[];
}

const unpack = 'unpack it, and give the file within';
const exportRecords = 'write its records as JSON lines (pandas: to_json(path, orient="records", lines=True))';
const saveAsUtf8 = 'save it as UTF-8';
const download = 'download the data file itself';

/** In the order of the test: UTF-32 begins as UTF-16 does. */
const formats: readonly Format[] = [
  { name: 'a text in UTF-32', advice: saveAsUtf8, begins: ['\xff\xfe\0\0', '\0\0\xfe\xff'] },
  { name: 'a text in UTF-16', advice: saveAsUtf8, begins: ['\xff\xfe', '\xfe\xff'] },
  { name: 'compressed by gzip', advice: unpack, begins: ['\x1f\x8b'] },
  { name: 'compressed by Zstandard', advice: unpack, begins: ['\x28\xb5\x2f\xfd'] },
  { name: 'compressed by xz', advice: unpack, begins: ['\xfd7zXZ\0'] },
  { name: 'compressed by bzip2', advice: unpack, begins: [...'123456789'].map((level) => `BZh${level}1AY&SY`) },
  {
    name: 'a ZIP archive (as .xlsx is)',
    advice: 'give what it holds as JSON lines',
    begins: ['PK\x03\x04', 'PK\x05\x06'],
  },
  { name: 'a 7-Zip archive', advice: unpack, begins: ['7z\xbc\xaf\x27\x1c'] },
  { name: 'a Parquet file', advice: exportRecords, begins: ['PAR1'] },
  { name: 'an Arrow file', advice: exportRecords, begins: ['ARROW1', '\xff\xff\xff\xff'] },
  { name: 'an HTML page', advice: download, begins: ['<!DOCTYPE html', '<!doctype html', '<html'] },
];

/**
 * Does nothing for a file that may be text in UTF-8.
 *
 * @param start the first bytes of the file
 * @throws SoulError SOUL_BAD_FILE for one that is something else, which it names
 */
export function checkTextFile(file: string, start: Buffer): void {
  const text = start.toString('latin1', 0, 64);
  if (isLfsPointer(text)) throw new SoulError('SOUL_BAD_FILE', `the data file ${file} ${lfsPointer}`, { file });
  const format = formats.find(({ begins }) => begins.some((bytes) => text.startsWith(bytes)));
  if (format === undefined) return;
  throw new SoulError('SOUL_BAD_FILE', `the data file ${file} is ${format.name}; ${format.advice}`, {
    file,
    format: format.name,
  });
}
