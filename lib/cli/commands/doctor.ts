/**
 * `soul doctor`: what this machine has and what the package makes of it.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { Command } from 'commander';
import { addonStatus } from '../../core/addon.ts';
import { packageRoot, packageVersion } from '../../core/package.ts';
import { describeEngine } from '../../torch/engine.ts';
import { memory, type OutputOptions, printResult, table } from '../terminal.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Says what is installed, what is missing, and what to do about it.')
    .option('--json', 'print the result as JSON on stdout')
    .action(async (options: OutputOptions) => {
      const report = {
        package: { version: packageVersion, root: packageRoot },
        node: { version: process.version, nodeApi: process.versions.napi },
        machine: {
          platform: `${process.platform}-${process.arch}`,
          processor: cpus()[0]?.model.trim() ?? 'unknown',
          cores: availableParallelism(),
          memory: totalmem(),
        },
        addon: addonStatus(),
        devices: { cpu: 'used', cuda: 'not supported in this version' },
        engine: await describeEngine(),
        tools: {
          compiler: firstLine('c++', '--version'),
          cmake: firstLine('cmake', '--version'),
          python: firstLine('python3', '--version'),
        },
      };
      const { addon, engine, tools, machine } = report;
      const rows = [
        ['package', `soul-unlearn ${report.package.version}, node ${report.node.version}`],
        ['machine', `${machine.platform}, ${machine.processor}, ${machine.cores} cores, ${memory(machine.memory)}`],
        ['addon', addon.loaded ? `loaded from ${addon.path}` : `not loaded: ${addon.error}`],
        [
          'engine',
          engine.installed
            ? `libtorch ${engine.torchVersion}, ${engine.binary}`
            : 'not installed; run: soul engine install',
        ],
        ...engine.searched.map(({ place, found }) => [`  looked in`, `${place}: ${found}`]),
        ['devices', 'cpu'],
        ...Object.entries(tools).map(([name, version]) => [name, version ?? 'not found (needed only to build)']),
      ];
      printResult(options, report, table(['what', 'found'], rows));
    });
}

/** The first line that a tool prints, undefined where there is no such tool. */
function firstLine(command: string, ...words: string[]): string | undefined {
  const { status, stdout } = spawnSync(command, words, { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n', 1)[0] : undefined;
}
