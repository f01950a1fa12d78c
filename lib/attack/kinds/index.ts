/**
 * The kinds of attack.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';
import type { AttackKind } from '../kind.ts';
import { paraphrase } from './paraphrase.ts';
import { quantize } from './quantize.ts';
import { relearn } from './relearn.ts';
import { relearnDisjoint } from './relearn-disjoint.ts';
import { relearnUnrelated } from './relearn-unrelated.ts';
import { surviving } from './surviving.ts';

export const attackKinds: readonly AttackKind[] = [
  ...[relearn, relearnDisjoint, relearnUnrelated],
  ...[quantize, surviving, paraphrase],
];

/** @throws SoulError SOUL_INVALID_ARGUMENT for a name that no kind has */
export function attackKind(name: string): AttackKind {
  const found = attackKinds.find((kind) => kind.name === name);
  if (found) return found;
  throw invalidArgument('kind', attackKinds.map((kind) => `'${kind.name}'`).join(', '), name);
}
