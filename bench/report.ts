/**
 * `npm run bench:report`: docs/performance.md and the README's table from everything in bench/results.
 *
 * @module
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { packageRoot } from '../lib/core/package.ts';
import { runCommand } from './command.ts';
import { performanceDocument, performanceSummary, withSummary } from './report/document.ts';
import { readResults } from './results.ts';

const command = new Command('npm run bench:report')
  .description('Writes docs/performance.md, and the table between the markers of README.md, from bench/results.')
  .showHelpAfterError('(add --help for the options)')
  .action(() => {
    const results = readResults();
    writeFileSync(join(packageRoot, 'docs', 'performance.md'), performanceDocument(results));
    const readme = join(packageRoot, 'README.md');
    writeFileSync(readme, withSummary(readFileSync(readme, 'utf8'), performanceSummary(results)));
    process.stderr.write(`docs/performance.md and README.md, from ${results.length} results\n`);
  });

await runCommand(command);
