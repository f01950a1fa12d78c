/**
 * Experiments of many runs: the demo.
 *
 * @module
 */

export { type DemoEvent, type DemoOptions, type DemoResult, type DemoRow, runDemo } from './demo.ts';
