/**
 * Which devices the tests of this folder run on (scripts/test.mjs says it), and processes of their own for what must not
 * happen to jest's.
 *
 * @module
 */

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';

/** Whether devices are emulated: then there are two, of compute capability 9.0 and 8.6. */
export const emulated = process.env.SOUL_TEST_CUDA === 'emulated';

const root = fileURLToPath(new URL('../..', import.meta.url));
const emulator = process.env.SOUL_TEST_EMULATOR ?? join(root, 'build-emulator');

/** A stand-in for NVIDIA's driver library, with the kernels in it. */
export const emulatedDriver = join(emulator, 'libsoul-emulated-cuda.so');
/** A library that lacks most of the driver's functions. */
export const incompleteDriver = join(emulator, 'libsoul-incomplete-cuda.so');
/** A program that runs kernels with one thing wrong each. */
export const emulatorTrials = join(emulator, 'emulator-trials');

/** Variables of the environment; an undefined one is taken away. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** What makes a process see emulated devices; more variables say what they play (test/native/driver/scenario.h). */
export const onEmulatedDevices: Variables = { SOUL_CUDA_DRIVER: emulatedDriver, SOUL_DEVICE_CODE: 'none' };

const prelude = `
  import { Worker } from 'node:worker_threads';
  import { AdamW, FlatBuffer, Sophia, axpy, describeDevices, dot, machineCode, scale, squaredNorm } from './lib/index.ts';
  import { useStream } from './lib/unsafe.ts';
  /** How a call ends, as data. */
  const ending = async (call) => {
    try { return await call(); } catch ({ name, code, message }) { return { name, code, message }; }
  };
  const codeOf = async (call) => (await ending(call))?.code ?? 'none';
  const print = (value) => console.log(JSON.stringify(value));
  const optimizerOn = (device, length) => {
    const values = FlatBuffer.alloc(length, { device });
    const gradients = FlatBuffer.alloc(length, { device });
    // Where this fails, so does what comes after it.
    gradients.fill(0.25).catch(() => {});
    return new Sophia({ values, gradients }, { learningRate: 0.01 });
  };
  /** Whether a step on the CPU still does what it should. */
  const cpuWorks = async () => {
    const sophia = optimizerOn('cpu', 10_000);
    sophia.updateHessian({ batchSize: 1, prime: true });
    const { step, skipped } = await sophia.step();
    return step === 1 && !skipped && sophia.parameters.values.array[9_999] < 0;
  };
`;

export interface RunOptions {
  /** Beside those of this process. */
  readonly variables?: Variables;
  /** For Node. */
  readonly flags?: readonly string[];
}

/** Runs lines of a module in a process of its own, which may end as it will. */
export function run(program: string, { variables = {}, flags = [] }: RunOptions = {}): SpawnSyncReturns<string> {
  return spawnSync(
    process.execPath,
    [...flags, '--import', 'tsx', '--input-type=module', '--eval', prelude + program],
    { cwd: root, encoding: 'utf8', timeout: 60_000, env: { ...process.env, ...variables } },
  );
}

/** What a program printed, one value a line; it must end well. */
export function printed(program: string, options: RunOptions = {}): unknown[] {
  const { status, signal, stdout, stderr } = run(program, options);
  expect({ status, signal, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}
