/**
 * Pages on studies and runs.
 *
 * @module
 */

export { type ReportOptions, type WrittenReport, writeReport } from './write-report.ts';
