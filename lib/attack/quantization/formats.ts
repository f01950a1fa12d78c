/**
 * The formats that weights can be rounded to.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';
import type { QuantizationFormat } from './format.ts';
import { fp4 } from './fp4.ts';
import { int8 } from './int8.ts';
import { nf4 } from './nf4.ts';

export const quantizationFormats: readonly QuantizationFormat[] = [nf4, fp4, int8];

/** @throws SoulError SOUL_INVALID_ARGUMENT for a name that no format has */
export function quantizationFormat(name: string): QuantizationFormat {
  const found = quantizationFormats.find((format) => format.name === name);
  if (found) return found;
  throw invalidArgument('format', quantizationFormats.map((format) => `'${format.name}'`).join(', '), name);
}
