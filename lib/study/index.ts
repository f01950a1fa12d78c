/**
 * Experiments of many runs: the demo.
 *
 * @module
 */

export { type DemoEvent, type DemoOptions, type DemoResult, type DemoRow, demoMethodNames, runDemo } from './demo.ts';
