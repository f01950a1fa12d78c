/**
 * What a figure was measured on.
 *
 * @module
 */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { addonStatus, nativeAddon } from '../lib/core/addon.ts';
import { packageRoot, packageVersion } from '../lib/core/package.ts';

export interface MachineDescription {
  processor: string;
  /** Logical processors that the system shows. */
  processors: number;
  /** Of the kernels that ran. */
  instructionSet: string;
  /** Of the kernels that ran. */
  threads: number;
  /** Bytes. */
  memory: number;
  /** Processes that wanted to run, on the average of the minute before (0 on Windows). */
  load: number;
  system: string;
  node: string;
  /** That built the addon. */
  compiler?: string;
  package: string;
  commit?: string;
}

/** The machine, and the addon as it is configured at present. */
export function describeMachine(): MachineDescription {
  const { instructionSet, threads } = nativeAddon().machine();
  const compiler = addonCompiler();
  const commit = gitCommit();
  return {
    processor: processorName(),
    processors: cpus().length,
    instructionSet,
    threads,
    memory: totalmem(),
    load: loadavg()[0]!,
    system: `${type()} ${release().split('-')[0]} ${process.arch}`,
    node: process.version,
    ...(compiler ? { compiler } : {}),
    package: `soul-unlearn ${packageVersion}`,
    ...(commit ? { commit } : {}),
  };
}

/** The model's name; where Linux tells family and model too, which a virtual machine's name often hides, with them. */
function processorName(): string {
  const name = cpus()[0]?.model.trim() || 'unknown processor';
  const facts = readOptional('/proc/cpuinfo');
  const family = /^cpu family\s*: (\d+)$/m.exec(facts)?.[1];
  const model = /^model\s*: (\d+)$/m.exec(facts)?.[1];
  return family && model ? `${name} (family ${family}, model ${model})` : name;
}

/** GCC and clang leave their names in what they compile. */
function addonCompiler(): string | undefined {
  const status = addonStatus();
  if (!status.loaded) return undefined;
  const text = readFileSync(status.path, 'latin1');
  const gcc = /GCC: \([^)\0]*\) (\d[\d.]*)/.exec(text);
  if (gcc) return `GCC ${gcc[1]}`;
  const clang = /clang version (\d[\d.]*)/.exec(text);
  return clang ? `clang ${clang[1]}` : undefined;
}

/** Of the checkout, marked where files differ from it; undefined outside one. */
function gitCommit(): string | undefined {
  try {
    const words = ['describe', '--always', '--dirty', '--abbrev=12', '--exclude', '*'];
    return execFileSync('git', words, {
      cwd: packageRoot,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
