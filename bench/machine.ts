/**
 * What a figure was measured on.
 *
 * @module
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { addonStatus, nativeAddon } from '../lib/core/addon.ts';
import { type Device, describeDevices, machineCode, nvidiaDriver } from '../lib/core/devices.ts';
import { packageRoot, packageVersion } from '../lib/core/package.ts';
import { usableDevice } from './place.ts';

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
  /** The CUDA device that ran the kernels, where it was one. */
  gpu?: GpuDescription;
  /** That built the addon. */
  compiler?: string;
  package: string;
  commit?: string;
}

export interface GpuDescription {
  name: string;
  /** `'sm_90'` is compute capability 9.0. */
  architecture: string;
  /** Which of the addon's code runs there, as `'sm_90'`. */
  machineCode: string;
  /** Bytes. */
  memory: number;
  multiprocessors: number;
  /** The CUDA version that the driver offers, as `'13.0'`. */
  cuda: string;
  /** NVIDIA's own version of the driver, where the system tells it. */
  driver?: string;
}

/** The machine, and the addon as it is configured at present. */
export function describeMachine(device: Device): MachineDescription {
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
    ...(device === 'cpu' ? {} : { gpu: describeGpu(device) }),
    ...(compiler ? { compiler } : {}),
    package: `soul-unlearn ${packageVersion}`,
    ...(commit ? { commit } : {}),
  };
}

function describeGpu(device: Device): GpuDescription {
  const { model, architecture, memory, multiprocessors } = usableDevice(device);
  const driver = nvidiaDriver();
  return {
    name: model,
    architecture,
    machineCode: machineCode(device),
    memory,
    multiprocessors,
    cuda: describeDevices().cuda.driverVersion ?? 'unknown',
    ...(driver ? { driver } : {}),
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

/** Of the bundle, or of the checkout, marked where files differ from it; undefined outside both. */
function gitCommit(): string | undefined {
  // scripts/bundle.mjs writes it beside the package.
  const bundle = readOptional(join(packageRoot, '..', 'bundle.json'));
  if (bundle !== '') return (JSON.parse(bundle) as { commit: string }).commit;
  // Elsewhere git would find the repository of whoever installed the package.
  if (!existsSync(join(packageRoot, '.git'))) return undefined;
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
