/**
 * What `npm run bench` measures, and in which order.
 *
 * @module
 */

import type { Device } from '../lib/core/devices.ts';
import type { KernelCase } from './cases/case.ts';
import { helperCases } from './cases/helpers.ts';
import { optimizerCases } from './cases/optimizers.ts';
import { type StorageName, storages } from './cases/storages.ts';
import { type LogitsShape, tokenLossCases, tokenLossKernels } from './cases/token-loss.ts';
import { deviceGoals, goalElements } from './goals.ts';
import { shapes, sizes } from './options.ts';
import type { Goal } from './results.ts';

/** What a user chose; what is undefined is the device's default. */
export interface Choice {
  device: Device;
  sizes?: number[];
  shapes?: LogitsShape[];
  kernels?: string[];
  storage?: StorageName[];
  quick?: boolean;
}

/** A case at one size. */
export interface Measurement {
  readonly kernelCase: KernelCase;
  readonly elements: number;
  /** Of the fraction of a device's copy. */
  readonly goal?: Goal;
}

export const callOverhead = 'calls';

export const storageNames: readonly StorageName[] = storages.map(({ name }) => name);

/** As `--kernels` takes them. */
export const kernelNames: readonly string[] = [
  ...new Set([...optimizerCases, ...helperCases].map(({ kernel }) => kernel)),
  ...tokenLossKernels,
  callOverhead,
];

/** As `--sizes` and `--shapes` take them. */
export const defaults = {
  cpu: { sizes: '16,18,20,22,24,26,28', shapes: '16x49152,512x49152,4096x2048,128x151936' },
  cuda: { sizes: '20,22,24,26,28', shapes: '512x49152,4096x2048,2048x151936' },
  quick: { sizes: '20,24,28', shapes: '512x49152' },
} as const;

/** Kernels that the goal of the device's copy is for, each in these storages. */
const goalKernels = ['sophia-step', 'sophia-fused-step', 'adamw-step', 'hessian-update'];
const goalStorages: readonly StorageName[] = ['f32', 'bf16'];

/** Everything that can be measured, the small sizes of a kernel before the large ones. */
export function measurements(choice: Choice): Measurement[] {
  const { device, storage, kernels } = choice;
  const sized = [...optimizerCases, ...helperCases].flatMap((kernelCase) =>
    sizesOf(choice).map((elements) => ({
      kernelCase,
      elements,
      ...(device !== 'cpu' && hasGoal(kernelCase, elements) ? { goal: deviceGoals.fractionOfCopy } : {}),
    })),
  );
  const shaped = (choice.shapes ?? shapes(defaultsOf(choice).shapes)).flatMap((shape) =>
    tokenLossCases(shape).map((kernelCase) => ({ kernelCase, elements: shape.rows * shape.vocabulary })),
  );
  return [...sized, ...shaped].filter(
    ({ kernelCase }) =>
      (storage?.includes(kernelCase.storage) ?? true) && (kernels?.includes(kernelCase.kernel) ?? true),
  );
}

/** Numbers of weights, ascending. */
export function sizesOf(choice: Choice): number[] {
  return choice.sizes ?? sizes(defaultsOf(choice).sizes);
}

function defaultsOf({ device, quick }: Choice): { sizes: string; shapes: string } {
  if (quick) return defaults.quick;
  return device === 'cpu' ? defaults.cpu : defaults.cuda;
}

/** A call has no storage. */
export function wantsCalls({ kernels, storage }: Choice): boolean {
  return kernels ? kernels.includes(callOverhead) : storage === undefined;
}

/** For a run that may end before everything is measured: the largest sizes first, and of a size what goals are for. */
export function byImportance(all: readonly Measurement[]): Measurement[] {
  const largest = Math.max(...all.map(({ kernelCase, elements }) => (kernelCase.shape ? 0 : elements)));
  const sizeOf = ({ kernelCase, elements }: Measurement) => (kernelCase.shape ? largest : elements);
  return all.toSorted((a, b) => sizeOf(b) - sizeOf(a) || rank(a.kernelCase) - rank(b.kernelCase));
}

function rank({ subject, storage }: KernelCase): number {
  if (subject === 'Optimizers') return goalStorages.includes(storage) ? 0 : 2;
  return subject === 'The token loss' ? 1 : 3;
}

function hasGoal({ kernel, storage }: KernelCase, elements: number): boolean {
  return elements >= goalElements && goalKernels.includes(kernel) && goalStorages.includes(storage);
}

export function labelOf({ kernelCase, elements }: Measurement): string {
  return `${kernelCase.kernel} ${kernelCase.storage} ${sizeText(kernelCase, elements)}`;
}

export function sizeText({ shape }: KernelCase, elements: number): string {
  return shape ? `${shape.rows} x ${shape.vocabulary}` : `2^${Math.log2(elements)}`;
}
