/**
 * On which device a command's models run, and why.
 *
 * @module
 */

import { InvalidArgumentError } from 'commander';
import { checkDevice, type Device, describeDevices } from '../core/devices.ts';
import { SoulError } from '../core/errors.ts';
import { engineHasCuda, installedEngine } from '../torch/engine.ts';

/** What `--device` takes, with `'cuda'` under its full name. */
export type WantedDevice = Device | 'auto';

export interface DeviceChoice {
  readonly device: Device;
  /** In one sentence, for records. */
  readonly reason: string;
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
 * CPU.
 *
 * @throws SoulError SOUL_UNSUPPORTED where the device that was asked for cannot be used; SOUL_ADDON_MISSING
 */
export function chooseDevice(wanted: WantedDevice): DeviceChoice {
  if (wanted === 'cpu') return { device: wanted, reason: 'asked for' };
  const { problem, devices } = describeDevices().cuda;
  const obstacle = problem ?? engineObstacle();
  if (wanted === 'auto') {
    const first = devices.find((device) => device.problem === undefined);
    if (obstacle !== undefined || first === undefined) return { device: 'cpu', reason: obstacle ?? 'there is no GPU' };
    return { device: first.name, reason: `${first.model} can be used` };
  }
  if (obstacle !== undefined) throw unusable(wanted, obstacle);
  const named = devices.find(({ name }) => name === wanted);
  if (named === undefined) throw unusable(wanted, `there is ${devices.map(({ name }) => name).join(', ')} alone`);
  if (named.problem !== undefined) throw unusable(wanted, named.problem);
  return { device: wanted, reason: 'asked for' };
}

/** Why the engine cannot use a GPU, undefined where it can. */
function engineObstacle(): string | undefined {
  const engine = installedEngine();
  if (engine === undefined) return 'the engine is not installed; run: soul engine install --cuda';
  if (engineHasCuda()) return undefined;
  return `the engine's libtorch ${engine.torchVersion} is built for the CPU alone; run: soul engine install --cuda`;
}

function unusable(device: Device, obstacle: string): SoulError {
  return new SoulError('SOUL_UNSUPPORTED', `--device ${device} cannot be used: ${obstacle}`, { device });
}
