/**
 * The ways weights and states are stored.
 *
 * @module
 */

import type { DType } from '../../lib/core/flat-buffer.ts';
import type { OptimizerOptions } from '../../lib/index.ts';

export type StorageName = 'f32' | 'f32-bf16-states' | 'bf16-master' | 'bf16-f32-states' | 'bf16';

export interface Storage {
  /** As `--storage` takes it. */
  readonly name: StorageName;
  /** Of values and gradients. */
  readonly dtype: DType;
  readonly precision: NonNullable<OptimizerOptions['precision']>;
  /** Of one value, and of one gradient. */
  readonly valueBytes: number;
  /** Of values, gradients, master and two states, for each weight. */
  readonly residentBytes: number;
}

export const storages: readonly Storage[] = [
  {
    name: 'f32',
    dtype: 'f32',
    precision: { master: 'none', states: 'f32' },
    valueBytes: 4,
    residentBytes: 4 + 4 + 8,
  },
  {
    name: 'f32-bf16-states',
    dtype: 'f32',
    precision: { master: 'none', states: 'bf16', rounding: 'stochastic' },
    valueBytes: 4,
    residentBytes: 4 + 4 + 4,
  },
  {
    name: 'bf16-master',
    dtype: 'bf16',
    precision: { master: 'f32', states: 'f32' },
    valueBytes: 2,
    residentBytes: 2 + 2 + 4 + 8,
  },
  {
    name: 'bf16-f32-states',
    dtype: 'bf16',
    precision: { master: 'none', states: 'f32', rounding: 'stochastic' },
    valueBytes: 2,
    residentBytes: 2 + 2 + 8,
  },
  {
    name: 'bf16',
    dtype: 'bf16',
    precision: { master: 'none', states: 'bf16', rounding: 'stochastic' },
    valueBytes: 2,
    residentBytes: 2 + 2 + 4,
  },
];

/** What a reader calls them. */
export const storageTitles: Readonly<Record<StorageName, string>> = {
  f32: 'float32',
  'f32-bf16-states': 'float32 with bfloat16 states',
  'bf16-master': 'bfloat16 with a float32 master',
  'bf16-f32-states': 'bfloat16 with float32 states',
  bf16: 'all bfloat16',
};
