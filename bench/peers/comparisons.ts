/**
 * What is held against what, and the goals of the project.
 *
 * @module
 */

import type { KernelCase } from '../cases/case.ts';
import { optimizerCases } from '../cases/optimizers.ts';
import { type StorageName, storageTitles } from '../cases/storages.ts';
import { copiedTokenLossCase, type Labels, type LogitsShape, tokenLossCase } from '../cases/token-loss.ts';
import { deviceGoals, goalElements, hostGoals, tokenLossGoals } from '../goals.ts';
import type { Goal } from '../results.ts';
import type { TorchCase } from './torch-process.ts';

/** What ours is measured against: the memory limit of its own pattern, a device's copy, another of our cases, or PyTorch. */
export type Other =
  | { readonly kind: 'limit' }
  | { readonly kind: 'copy' }
  | { readonly kind: 'ours'; readonly title: string; readonly other: KernelCase }
  | { readonly kind: 'torch'; readonly title: string; readonly torchCase: TorchCase };

export interface Comparison {
  readonly subject: string;
  readonly title: string;
  readonly ours: KernelCase;
  readonly other: Other;
  readonly goal?: Goal;
}

/**
 * @param elements weights of each optimizer
 * @param shapes logits of the token losses
 */
export function comparisons(elements: number, shapes: readonly LogitsShape[]): Comparison[] {
  return [...limits(), ...adamw(elements), ...eagerSophia(elements), ...shapes.flatMap(tokenLosses)];
}

/** As {@link comparisons}, on a GPU: what goals are for first. */
export function deviceComparisons(elements: number, shapes: readonly LogitsShape[]): Comparison[] {
  const goals = elements >= goalElements;
  const others = [...deviceAdamW(elements, goals), ...deviceSophia(elements)];
  const all = [...copies(goals), ...others, ...shapes.flatMap(tokenLosses)];
  return all.toSorted((a, b) => Number(!a.goal) - Number(!b.goal));
}

/** Whether PyTorch compiles code first, which takes long. */
export function compiles({ other }: Comparison): boolean {
  return other.kind === 'torch' && other.torchCase.with.compiled === true;
}

function limits(): Comparison[] {
  const limit = { kind: 'limit' } as const;
  const subject = 'The memory limit of the same pattern';
  const goal = hostGoals.fractionOfLimit;
  return [
    { subject, ...ours('sophia-step', 'f32'), other: limit, goal },
    { subject, ...ours('sophia-fused-step', 'f32'), other: limit, goal },
    { subject, ...ours('hessian-update', 'f32'), other: limit },
    { subject, ...ours('hessian-update', 'bf16'), other: limit },
    { subject, ...ours('adamw-step', 'f32'), other: limit },
    { subject, ...ours('sophia-step', 'bf16'), other: limit },
    { subject, ...ours('sophia-fused-step', 'bf16'), other: limit },
  ];
}

function copies(goals: boolean): Comparison[] {
  const storagesWithBar = ['f32', 'bf16'] as const;
  return ['sophia-step', 'adamw-step'].flatMap((kernel) =>
    storagesWithBar.map((storage) => ({
      subject: "The device's copy",
      ...ours(kernel, storage),
      other: { kind: 'copy' } as const,
      ...(goals ? { goal: deviceGoals.fractionOfCopy } : {}),
    })),
  );
}

const adamwSubject = 'AdamW of PyTorch';

function torchAdamW(size: number, form: 'fused' | 'foreach', dtype: 'f32' | 'bf16', clip = false): Other {
  return {
    kind: 'torch',
    title: `torch.optim.AdamW ${form}, ${dtype === 'f32' ? 'float32' : 'bfloat16'}${clip ? ', with clip_grad_norm_' : ''}`,
    torchCase: { prepare: 'AdamW', with: { size, dtype, form, clip } },
  };
}

function adamw(size: number): Comparison[] {
  const subject = adamwSubject;
  const { sophiaBesideFusedAdamW, adamWBesideFusedAdamW, clippedSophiaBesideFusedAdamW } = hostGoals;
  const { bf16BesideF32, bf16SophiaBesideFusedAdamW } = hostGoals;
  const fused = (dtype: 'f32' | 'bf16', clip = false) => torchAdamW(size, 'fused', dtype, clip);
  const foreach = (dtype: 'f32' | 'bf16', clip = false) => torchAdamW(size, 'foreach', dtype, clip);
  return [
    { subject, ...ours('sophia-step', 'f32'), other: fused('f32'), goal: sophiaBesideFusedAdamW },
    { subject, ...ours('adamw-step', 'f32'), other: fused('f32'), goal: adamWBesideFusedAdamW },
    { subject, ...ours('adamw-step', 'f32'), other: foreach('f32') },
    { subject, ...ours('sophia-guarded-step', 'f32'), other: fused('f32', true), goal: clippedSophiaBesideFusedAdamW },
    { subject, ...ours('adamw-guarded-step', 'f32'), other: fused('f32', true) },
    { subject, ...ours('adamw-guarded-step', 'f32'), other: foreach('f32', true) },
    {
      subject,
      ...ours('sophia-step', 'bf16'),
      other: { kind: 'ours', title: 'our own float32 step', other: caseOf('sophia-step', 'f32') },
      goal: bf16BesideF32,
    },
    { subject, ...ours('sophia-step', 'bf16'), other: fused('bf16'), goal: bf16SophiaBesideFusedAdamW },
    { subject, ...ours('adamw-step', 'bf16'), other: fused('bf16') },
    { subject, ...ours('adamw-step', 'bf16'), other: foreach('bf16') },
    { subject, ...ours('sophia-guarded-step', 'bf16'), other: fused('bf16', true) },
    { subject, ...ours('adamw-guarded-step', 'bf16'), other: foreach('bf16', true) },
  ];
}

function deviceAdamW(size: number, goals: boolean): Comparison[] {
  const subject = adamwSubject;
  const { sophiaBesideFusedAdamW, bf16SophiaBesideFusedAdamW } = deviceGoals;
  const fused = (dtype: 'f32' | 'bf16', clip = false) => torchAdamW(size, 'fused', dtype, clip);
  return [
    { subject, ...ours('sophia-step', 'f32'), other: fused('f32'), ...(goals ? { goal: sophiaBesideFusedAdamW } : {}) },
    {
      subject,
      ...ours('sophia-step', 'bf16'),
      other: fused('bf16'),
      ...(goals ? { goal: bf16SophiaBesideFusedAdamW } : {}),
    },
    { subject, ...ours('sophia-step', 'bf16'), other: fused('f32') },
    { subject, ...ours('adamw-step', 'f32'), other: fused('f32') },
    { subject, ...ours('adamw-step', 'bf16'), other: fused('bf16') },
    { subject, ...ours('sophia-guarded-step', 'f32'), other: fused('f32', true) },
    { subject, ...ours('sophia-guarded-step', 'bf16'), other: fused('bf16', true) },
    { subject, ...ours('adamw-guarded-step', 'f32'), other: fused('f32', true) },
    { subject, ...ours('adamw-guarded-step', 'bf16'), other: fused('bf16', true) },
    { subject, ...ours('sophia-step', 'bf16-master'), other: fused('f32') },
  ];
}

const sophiaSubject = 'Sophia written in PyTorch';

function torchSophia(size: number, call: 'step' | 'update_hessian', dtype: 'f32' | 'bf16', compiled: boolean): Other {
  return {
    kind: 'torch',
    title: `Sophia's ${call} ${compiled ? 'under torch.compile' : 'in eager PyTorch'}, ${dtype === 'f32' ? 'float32' : 'bfloat16'}`,
    torchCase: { prepare: 'Sophia', with: { size, dtype, call, compiled } },
  };
}

function eagerSophia(size: number): Comparison[] {
  const [eager, ...others] = deviceSophia(size);
  return [{ ...eager!, goal: hostGoals.besideEagerSophia }, ...others];
}

function deviceSophia(size: number): Comparison[] {
  const subject = sophiaSubject;
  return [
    { subject, ...ours('sophia-step', 'f32'), other: torchSophia(size, 'step', 'f32', false) },
    { subject, ...ours('sophia-step', 'f32'), other: torchSophia(size, 'step', 'f32', true) },
    { subject, ...ours('hessian-update', 'f32'), other: torchSophia(size, 'update_hessian', 'f32', false) },
    { subject, ...ours('hessian-update', 'f32'), other: torchSophia(size, 'update_hessian', 'f32', true) },
    { subject, ...ours('sophia-step', 'bf16'), other: torchSophia(size, 'step', 'bf16', false) },
    { subject, ...ours('sophia-step', 'bf16'), other: torchSophia(size, 'step', 'bf16', true) },
  ];
}

function tokenLosses(shape: LogitsShape): Comparison[] {
  const subject = 'The token loss';
  const size = `${shape.rows} x ${shape.vocabulary}`;
  const besideTorch = (['sampled', 'given'] as const).map((labels): Comparison => {
    const ours = tokenLossCase(labels, shape);
    return {
      subject,
      title: `${ours.title}, ${size}`,
      ours,
      other: { kind: 'torch', title: tokenLossTitle(labels), torchCase: torchTokenLoss(labels, shape, true) },
      ...(labels === 'sampled' ? { goal: tokenLossGoals.time } : {}),
    };
  });
  const narrow = tokenLossCase('given', shape, 'bf16');
  const other: Other = { kind: 'ours', title: 'our own over a float32 copy', other: copiedTokenLossCase(shape) };
  return [...besideTorch, { subject, title: `${narrow.title}, bfloat16, ${size}`, ours: narrow, other }];
}

export function tokenLossTitle(labels: Labels): string {
  return `PyTorch: ${labels === 'sampled' ? 'softmax, multinomial, ' : ''}cross_entropy, backward`;
}

/** @param keep as of {@link prepareTokenLoss} */
export function torchTokenLoss(labels: Labels, { rows, vocabulary }: LogitsShape, keep: boolean): TorchCase {
  return { prepare: 'TokenLoss', with: { rows, vocabulary, sampled: labels === 'sampled', keep } };
}

function ours(kernel: string, storage: StorageName): { title: string; ours: KernelCase } {
  const kernelCase = caseOf(kernel, storage);
  return { title: `${kernelCase.title}, ${storageTitles[storage]}`, ours: kernelCase };
}

function caseOf(kernel: string, storage: StorageName): KernelCase {
  return optimizerCases.find((candidate) => candidate.kernel === kernel && candidate.storage === storage)!;
}
