/**
 * `soul runs`: the runs under a folder, side by side.
 *
 * @module
 */

import { Argument, Command, Option } from 'commander';
import { SoulError } from '../../core/errors.ts';
import { listRuns } from '../../run/run-list.ts';
import { path } from '../arguments.ts';
import { checkName, columnOf, differing, flatRun, runTable, sortRuns } from '../run-table.ts';
import { type CommandResult, type OutputOptions, printing } from '../terminal.ts';

interface RunsOptions extends OutputOptions {
  where: string[];
  sort: string;
  reverse?: boolean;
}

export function runsCommand(): Command {
  return new Command('runs')
    .description(
      'Lists the runs under a folder, also those that go on or were cut off: when, by which method and optimizer, the settings in which they differ, steps, the probability of the answers before and after, and the verdict.',
    )
    .addArgument(
      new Argument('[folder]', 'where to look, up to four folders deep').default('.').argParser((text) => path(text)),
    )
    .addOption(
      new Option(
        '--where <name=value>',
        'only runs with this setting, or of this column, as method=npo or state=running; may be given several times',
      )
        .argParser((text: string, before: string[] = []) => [...before, text])
        .default([], 'all'),
    )
    .option('--sort <name>', 'order by a column or setting, as forget or learningRate', 'date')
    .option('--reverse', 'in the other order')
    .option('--json', 'print the result as one JSON object instead of text')
    .addHelpText('after', '\nExample:\n  soul runs ./runs --where method=npo --sort forget')
    .action((folder: string, options: RunsOptions) => printing((given: RunsOptions) => runs(folder, given))(options));
}

async function runs(folder: string, { where, sort, reverse = false }: RunsOptions): Promise<CommandResult> {
  const all = (await listRuns(folder)).map(flatRun);
  checkName('--sort', sort, all);
  const conditions = where.map((text) => {
    const [name = '', value] = text.split(/=(.*)/s);
    if (value === undefined) {
      throw new SoulError('SOUL_INVALID_ARGUMENT', `--where takes name=value, as in method=npo, but is ${text}`, {
        argument: 'where',
      });
    }
    checkName('--where', name.trim(), all);
    return { name: name.trim(), value: value.trim() };
  });
  const chosen = all.filter((flat) => conditions.every(({ name, value }) => isSame(columnOf(flat, name), value)));
  const sorted = sortRuns(chosen, sort, reverse);
  const text = sorted.length > 0 ? runTable(sorted) : all.length > 0 ? 'no run is so' : `there is no run in ${folder}`;
  return { result: { folder, differing: differing(chosen), runs: sorted.map(({ run }) => run) }, text };
}

/** 1e-5 and 0.00001 are the same. */
function isSame(own: string | number | undefined, value: string): boolean {
  if (own === undefined) return value === '';
  return String(own) === value || (value !== '' && Number(own) === Number(value));
}
