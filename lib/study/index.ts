/**
 * Experiments of many runs: the demo.
 *
 * @module
 */

export type { DemoEvent, DemoOptions, DemoRow } from './demo/options.ts';
export { demoMethodNames } from './demo/unlearning.ts';
export { type DemoResult, runDemo } from './demo.ts';
