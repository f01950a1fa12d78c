/**
 * `soul report`: one page on a study or a run.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { printable } from '../../core/errors.ts';
import type { WrittenReport } from '../../report/write-report.ts';
import { path } from '../arguments.ts';
import { requireWritableFile } from '../output-file.ts';
import { type CommandResult, type OutputOptions, printing } from '../terminal.ts';

interface ReportCommandOptions extends OutputOptions {
  out?: string;
}

export function reportCommand(): Command {
  return new Command('report')
    .description(
      'Writes one HTML page on the folder of a study or of a run, finished or not: figures with their data, tables, settings and records. It loads nothing, so it can be sent and kept.',
    )
    .argument('<folder>', 'of soul study, or the out folder of soul unlearn or soul train', (text: string) =>
      path(text),
    )
    .addOption(
      new Option(
        '--out <file>',
        'where to write it (default: report.html in the folder of a study, <folder>.report.html beside that of a run)',
      ).argParser(path),
    )
    .option('--json', 'print the result as one JSON object instead of text')
    .addHelpText('after', '\nExample:\n  soul report ./studies/demo')
    .action((folder: string, options: ReportCommandOptions) => printing(() => report(folder, options))(options));
}

async function report(folder: string, { out }: ReportCommandOptions): Promise<CommandResult> {
  if (out !== undefined) await requireWritableFile('--out', out, []);
  // Drawing is loaded by those who want a page.
  const { writeReport } = await import('../../report/write-report.ts');
  const written = await writeReport(folder, out === undefined ? {} : { out });
  return { result: written, text: reportText(written) };
}

function reportText({ file, bytes, kind, trials, steps, problems }: WrittenReport): string {
  const count = kind === 'study' ? `${trials} trials` : `${steps} steps`;
  const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  return [
    `written: ${file} (a ${kind}, ${count}, ${size})`,
    ...problems.map((each) => `left out: ${printable(each)}`),
  ].join('\n');
}
