/**
 * What committed studies recommend. Written by npm run docs:study from studies/results/; see docs/study.md.
 *
 * @module
 */

import type { Recipe } from './recipe.ts';

export const recipes: readonly Recipe[] = [];
