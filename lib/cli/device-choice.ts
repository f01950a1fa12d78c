/**
 * On which device a command's models run, and why.
 *
 * @module
 */

import { InvalidArgumentError } from 'commander';
import {
  type CudaDevice,
  checkDevice,
  type Device,
  describeDevices,
  machineCode,
  nvidiaDriver,
} from '../core/devices.ts';
import { SoulError } from '../core/errors.ts';
import { soulCommand } from '../core/package.ts';
import { engineHasCuda, installedEngine } from '../torch/engine.ts';

/** What `--device` takes, with `'cuda'` under its full name. */
export type WantedDevice = Device | 'auto';

export interface DeviceChoice {
  readonly device: Device;
  /** In one sentence, for records. */
  readonly reason: string;
  /** Whether a GPU is there that was not taken; that a machine has none is nothing to speak of. */
  readonly passedOver: boolean;
}

/** Parses `--device`. */
export function deviceName(text: string): WantedDevice {
  if (text === 'auto') return text;
  try {
    return checkDevice('device', text);
  } catch {
    throw new InvalidArgumentError('Expected auto, cpu, cuda, or cuda:N with a number N.');
  }
}

/**
 * Takes the device that was asked for, or with `'auto'` the first GPU that driver, addon and engine can all use, and else the
 * CPU. A GPU is taken up before it is chosen: only then is it known whether it can be used.
 *
 * @throws SoulError SOUL_UNSUPPORTED where the device that was asked for cannot be used; SOUL_ADDON_MISSING
 */
export function chooseDevice(wanted: WantedDevice): DeviceChoice {
  if (wanted === 'cpu') return { device: wanted, reason: 'asked for', passedOver: false };
  const { problem, devices } = describeDevices().cuda;
  const obstacle = problem ?? engineObstacle();
  if (wanted === 'auto') {
    if (obstacle === undefined) return firstUsable(devices);
    return { device: 'cpu', reason: obstacle, passedOver: devices.length > 0 || nvidiaDriver() !== undefined };
  }
  if (obstacle !== undefined) throw unusable(wanted, obstacle);
  const named = devices.find(({ name }) => name === wanted);
  if (named === undefined) throw unusable(wanted, `there is ${devices.map(({ name }) => name).join(', ')} alone`);
  const refusal = takeUp(named).problem;
  if (refusal !== undefined) throw unusable(wanted, refusal);
  return { device: wanted, reason: 'asked for', passedOver: false };
}

/** The first device that can be used, with what was against those before it; the CPU where there is none. */
function firstUsable(devices: readonly CudaDevice[]): DeviceChoice {
  const refusals: string[] = [];
  for (const device of devices) {
    const { problem } = takeUp(device);
    if (problem === undefined) {
      const reason = [`${device.model} can be used`, ...refusals].join('; ');
      return { device: device.name, reason, passedOver: refusals.length > 0 };
    }
    refusals.push(`${device.name} cannot be used: ${problem}`);
  }
  return { device: 'cpu', reason: refusals.join('; '), passedOver: true };
}

/** A device of which it is known whether it can be used. */
export interface TriedDevice extends CudaDevice {
  /** Which of the addon's code runs there; undefined where the device cannot be used. */
  readonly machineCode?: string;
}

/** Takes a device up, in exclusive mode from all others, and finds code for it. */
export function takeUp(device: CudaDevice): TriedDevice {
  if (device.problem !== undefined) return device;
  try {
    return { ...device, machineCode: machineCode(device.name) };
  } catch (error) {
    return { ...device, problem: (error as Error).message };
  }
}

/** Why the engine cannot use a GPU, undefined where it can. */
function engineObstacle(): string | undefined {
  const engine = installedEngine();
  if (engine === undefined) return `the engine is not installed; run: ${soulCommand('engine install --cuda')}`;
  if (engineHasCuda()) return undefined;
  return `the engine's libtorch ${engine.torchVersion} is built for the CPU alone; run: ${soulCommand('engine install --cuda')}`;
}

function unusable(device: Device, obstacle: string): SoulError {
  return new SoulError('SOUL_UNSUPPORTED', `--device ${device} cannot be used: ${obstacle}`, { device });
}
