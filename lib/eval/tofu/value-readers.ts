/**
 * Readers of one value of a log: each gives it, or says in words what it must be.
 *
 * @module
 */

import type { ItemTexts } from './log.ts';

/** -log p in float32 may round to slightly below 0. */
const smallestLoss = -1e-3;

export function loss(value: unknown): number | string {
  return typeof value === 'number' && value >= smallestLoss ? Math.max(0, value) : 'a loss, a number of at least 0';
}

export function count(value: unknown): number | string {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 'a number of tokens, at least 1';
}

export function cosine(value: unknown): number | string {
  return typeof value === 'number' && value >= -1 && value <= 1 ? value : 'a cosine, a number from -1 to 1';
}

export function share(value: unknown): number | string {
  return typeof value === 'number' && value >= 0 && value <= 1 ? value : 'a number from 0 to 1';
}

export function logProbability(value: unknown): number | string {
  return typeof value === 'number' && value <= -smallestLoss ? value : 'a logarithm of a probability, at most 0';
}

export function flag(value: unknown): number | string {
  return value === 0 || value === 1 ? value : '0 or 1';
}

export function finite(value: unknown): number | string {
  return Number.isFinite(value) ? (value as number) : 'a finite number';
}

export function listOf(read: (value: unknown) => number | string): (value: unknown) => number[] | string {
  return (value) => {
    if (!Array.isArray(value) || value.length === 0) return 'a list of numbers';
    const values = value.map(read);
    const problem = values.find((entry) => typeof entry === 'string');
    return problem === undefined ? (values as number[]) : `a list whose entries are ${problem}`;
  };
}

export function threeTexts(value: unknown): ItemTexts | string {
  const [prompt, generation, answer, ...more] = Array.isArray(value) ? value : [];
  const isTexts = [prompt, generation, answer].every((text) => typeof text === 'string') && more.length === 0;
  return isTexts ? { prompt, generation, answer } : 'prompt, generated text and answer, three texts';
}
