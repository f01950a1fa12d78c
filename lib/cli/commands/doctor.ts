/**
 * `soul doctor`: what this machine has and what the package makes of it.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { Command } from 'commander';
import { addonStatus } from '../../core/addon.ts';
import { type Devices, describeDevices, nvidiaDriver } from '../../core/devices.ts';
import { packageRoot, packageVersion, soulCommand } from '../../core/package.ts';
import { usableProcessors } from '../../core/processors.ts';
import { describeEngine } from '../../torch/engine.ts';
import { chooseDevice, type DeviceChoice, type TriedDevice, takeUp } from '../device-choice.ts';
import { memory, type OutputOptions, printing, table } from '../terminal.ts';

/** What `--device` can mean on this machine; nothing of it without the addon. */
interface DeviceReport {
  readonly cuda?: Omit<Devices['cuda'], 'devices'> & { readonly devices: readonly TriedDevice[] };
  /** What `--device auto` takes. */
  readonly auto?: Pick<DeviceChoice, 'device' | 'reason'>;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Says what is installed, what is missing, and what to do about it.')
    .option('--json', 'print the result as one JSON object instead of text')
    .action(
      printing<OutputOptions>(async () => {
        const addon = addonStatus();
        const report = {
          package: { version: packageVersion, root: packageRoot },
          node: { version: process.version, nodeApi: process.versions.napi },
          machine: {
            platform: `${process.platform}-${process.arch}`,
            processor: cpus()[0]?.model.trim() ?? 'unknown',
            processors: cpus().length,
            usableProcessors: usableProcessors(),
            memory: totalmem(),
            nvidiaDriver: nvidiaDriver(),
          },
          addon,
          devices: addon.loaded ? reportDevices() : {},
          engine: await describeEngine(),
          tools: {
            compiler: firstLine('c++', '--version'),
            cmake: firstLine('cmake', '--version'),
            python: firstLine('python3', '--version'),
          },
        };
        const { devices, engine, tools, machine } = report;
        const rows = [
          ['package', `soul-unlearn ${report.package.version}, node ${report.node.version}`],
          [
            'machine',
            `${machine.platform}, ${machine.processor}, ${processorsText(machine)}, ${memory(machine.memory)}`,
          ],
          ['addon', addon.loaded ? `loaded from ${addon.path}` : `not loaded: ${addon.error}`],
          [
            'engine',
            engine.installed
              ? `libtorch ${engine.torchVersion}, ${engine.binary}`
              : `not installed; run: ${soulCommand('engine install')}`,
          ],
          ...engine.searched.map(({ place, found }) => [`  looked in`, `${place}: ${found}`]),
          ...deviceRows(devices, machine.nvidiaDriver),
          ...Object.entries(tools).map(([name, version]) => [name, version ?? 'not found (needed only to build)']),
        ];
        return { result: report, text: table(['what', 'found'], rows) };
      }),
    );
}

function reportDevices(): DeviceReport {
  const { cuda } = describeDevices();
  // Of a driver that is too old nothing is asked but what it shows.
  const devices = cuda.available ? cuda.devices.map(takeUp) : cuda.devices;
  const { device, reason } = chooseDevice('auto');
  return { cuda: { ...cuda, devices }, auto: { device, reason } };
}

function deviceRows({ cuda, auto }: DeviceReport, nvidia: string | undefined): string[][] {
  if (cuda === undefined || auto === undefined) return [];
  const { driverVersion, deviceCode, devices } = cuda;
  const versions = [
    driverVersion === undefined ? 'none that can be used' : `CUDA ${driverVersion}`,
    ...(nvidia === undefined ? [] : [`NVIDIA ${nvidia}`]),
  ];
  return [
    ['driver', versions.join(', ')],
    ['device code', deviceCode ? 'in the addon' : 'none in this build of the addon'],
    ...devices.map((device) => [device.name, deviceText(device)]),
    ['--device auto', `${auto.device}: ${auto.reason}`],
  ];
}

function deviceText({
  model,
  architecture,
  multiprocessors,
  memory: bytes,
  machineCode,
  problem,
}: TriedDevice): string {
  const parts = [`${model}, ${architecture}, ${multiprocessors} multiprocessors, ${memory(bytes)}`];
  if (machineCode !== undefined) parts.push(`runs code for ${machineCode}`);
  if (problem !== undefined) parts.push(`cannot be used: ${problem}`);
  return parts.join('; ');
}

/** "8 processors, of which 2 may be used" where a container or an affinity leaves fewer. */
function processorsText({
  processors,
  usableProcessors: usable,
}: {
  processors: number;
  usableProcessors: number;
}): string {
  return usable < processors ? `${processors} processors, of which ${usable} may be used` : `${processors} processors`;
}

/** The first line that a tool prints, undefined where there is no such tool. */
function firstLine(command: string, ...words: string[]): string | undefined {
  const { status, stdout } = spawnSync(command, words, { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n', 1)[0] : undefined;
}
