/**
 * Where memory can lie and work can be done: the CPU, and the CUDA devices that NVIDIA's driver offers.
 *
 * Nothing is looked for before something here or on a device is called; the driver's answer holds for the process.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { type NativePlatform, nativeAddon } from './addon.ts';
import { invalidArgument, SoulError } from './errors.ts';

/** Where something lies. */
export type Device = 'cpu' | `cuda:${number}`;

/** A device as options name it; `'cuda'` is `'cuda:0'`. */
export type DeviceName = Device | 'cuda';

/** A CUDA device of this machine. */
export interface CudaDevice {
  /** As options name it. */
  readonly name: `cuda:${number}`;
  /** As the driver names it. */
  readonly model: string;
  /** `'sm_90'` is compute capability 9.0. */
  readonly architecture: string;
  /** Bytes. */
  readonly memory: number;
  readonly multiprocessors: number;
  /** Why this one cannot be used, in one sentence; undefined where nothing speaks against it. */
  readonly problem: string | undefined;
}

/** What this machine has beside the CPU. */
export interface Devices {
  readonly cuda: {
    /** Whether a buffer can be made on one of the devices. */
    readonly available: boolean;
    /** Why not, in one sentence: what was looked for, what was found, what to do. */
    readonly problem: string | undefined;
    /** The newest CUDA that the driver runs, for instance `'13.0'`, also where that is too old; undefined without a driver. */
    readonly driverVersion: string | undefined;
    /** Whether this build of the addon holds code for GPUs. */
    readonly deviceCode: boolean;
    /** All that the driver shows, also where none of them can be used. */
    readonly devices: readonly CudaDevice[];
  };
}

/** What work on a CUDA device is recorded with. */
export interface DeviceRecord {
  /** As the driver names it. */
  readonly model: string;
  readonly architecture: string;
  /** What {@link machineCode} gives. */
  readonly machineCode: string;
  /** The newest CUDA that the driver runs. */
  readonly cuda: string;
  /** NVIDIA's own version of the driver, for instance `'580.65.06'`; absent where the system does not tell it. */
  readonly driver?: string;
}

/**
 * The devices of this machine. Asks the driver once, makes no context and takes no memory of a device.
 *
 * @throws SoulError SOUL_ADDON_MISSING
 *
 * @example
 * const { cuda } = describeDevices();
 * console.log(cuda.available ? cuda.devices[0]!.model : cuda.problem);
 */
export function describeDevices(): Devices {
  const { problem, driverVersion, deviceCode, devices } = nativeAddon().cudaPlatform();
  return {
    cuda: {
      available: problem === '',
      problem: sentence(problem),
      driverVersion: driverVersion === 0 ? undefined : versionText(driverVersion),
      deviceCode,
      devices: devices.map(describeDevice),
    },
  };
}

/** The first CUDA device that can be used, `'cuda:0'` for the most part; where there is none, `'cpu'`. */
export function defaultDevice(): Device {
  const { available, devices } = describeDevices().cuda;
  return (available && devices.find(({ problem }) => problem === undefined)?.name) || 'cpu';
}

/**
 * Which of the package's machine code runs on a CUDA device: `'sm_90'`, or the virtual architecture that the driver
 * compiled it from. Takes up the device: the driver makes its context, if there is none yet.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for the CPU, SOUL_UNSUPPORTED where the device cannot be used
 */
export function machineCode(device: DeviceName): string {
  const checked = checkCudaDevice('device', device);
  return nativeAddon().cudaMachineCode(ordinalOf(checked));
}

/**
 * What a CUDA device is and what runs there, for records of work; undefined for the CPU.
 *
 * @throws SoulError SOUL_UNSUPPORTED where the device cannot be used
 */
export function recordDevice(device: Device): DeviceRecord | undefined {
  if (device === 'cpu') return undefined;
  const code = machineCode(device);
  const { devices, driverVersion } = describeDevices().cuda;
  const { model, architecture } = devices.find(({ name }) => name === device)!;
  const driver = nvidiaDriver();
  return { model, architecture, machineCode: code, cuda: driverVersion!, ...(driver ? { driver } : {}) };
}

/** NVIDIA's own version of the driver in Linux's kernel, for instance `'580.65.06'`; undefined where there is none. */
export function nvidiaDriver(): string | undefined {
  try {
    return parseNvidiaDriver(readFileSync('/proc/driver/nvidia/version', 'utf8'));
  } catch {
    return undefined;
  }
}

/** The version in the text of /proc/driver/nvidia/version; undefined where there is none. */
export function parseNvidiaDriver(text: string): string | undefined {
  return /^NVRM version:.*?Kernel Module\s.*?(?<![\d.])(\d+(?:\.\d+)+)/m.exec(text)?.[1];
}

/** The full name of a device that may be there or not. */
export function checkDevice(argument: string, value: unknown): Device {
  if (value === 'cuda') return 'cuda:0';
  if (value === 'cpu' || (typeof value === 'string' && /^cuda:(0|[1-9]\d{0,3})$/.test(value))) return value as Device;
  throw invalidArgument(argument, "'cpu', 'cuda' or 'cuda:N' with a number N", value);
}

/** The full name of a CUDA device. */
export function checkCudaDevice(argument: string, value: unknown): Device {
  const device = checkDevice(argument, value);
  if (device === 'cpu') throw invalidArgument(argument, "'cuda' or 'cuda:N'", value);
  return device;
}

/** A device's number in native calls: N of `cuda:N`, -1 of the CPU. */
export function ordinalOf(device: Device): number {
  return device === 'cpu' ? -1 : Number(device.slice('cuda:'.length));
}

/** What lies on one device must not meet what lies on another. */
export function checkSameDevice(
  argument: string,
  { device }: { readonly device: Device },
  otherArgument: string,
  { device: expected }: { readonly device: Device },
): void {
  if (device === expected) return;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${argument} must lie on ${expected}, where ${otherArgument} lies, but lies on ${device}; copy one of them with copyFrom`,
    { argument, expected, found: device },
  );
}

function describeDevice(device: NativePlatform['devices'][number], index: number): CudaDevice {
  const { name: model, architecture, memory, multiprocessors, problem } = device;
  return {
    name: `cuda:${index}`,
    model,
    architecture: `sm_${architecture}`,
    memory,
    multiprocessors,
    problem: sentence(problem),
  };
}

function sentence(problem: string): string | undefined {
  return problem === '' ? undefined : problem;
}

/** 13010 -> '13.1'. */
function versionText(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}
