/**
 * What is held against what, and the bars of the project.
 *
 * @module
 */

import type { KernelCase } from '../cases/case.ts';
import { optimizerCases } from '../cases/optimizers.ts';
import { type StorageName, storageTitles } from '../cases/storages.ts';
import { type Labels, type LogitsShape, tokenLossCase } from '../cases/token-loss.ts';
import type { Bar } from '../results.ts';
import type { TorchCase } from './torch-process.ts';

/** What ours is measured against: the memory limit of its own pattern, another of our cases, or PyTorch. */
export type Other =
  | { readonly kind: 'limit' }
  | { readonly kind: 'ours'; readonly title: string; readonly other: KernelCase }
  | { readonly kind: 'torch'; readonly title: string; readonly torchCase: TorchCase };

export interface Comparison {
  readonly subject: string;
  readonly title: string;
  readonly ours: KernelCase;
  readonly other: Other;
  readonly bar?: Bar;
}

/** The logits of the token loss: a model's of 135 million weights, and a small vocabulary. */
export const logitsShapes: readonly LogitsShape[] = [
  { rows: 512, vocabulary: 49152 },
  { rows: 4096, vocabulary: 2048 },
];

/** @param elements weights of each optimizer */
export function comparisons(elements: number): Comparison[] {
  return [...limits(), ...adamw(elements), ...eagerSophia(elements), ...logitsShapes.flatMap(tokenLosses)];
}

function limits(): Comparison[] {
  const limit = { kind: 'limit' } as const;
  const subject = 'The memory limit of the same pattern';
  return [
    { subject, ...ours('sophia-step', 'f32'), other: limit, bar: atLeast(0.95) },
    { subject, ...ours('sophia-fused-step', 'f32'), other: limit, bar: atLeast(0.95) },
    { subject, ...ours('hessian-update', 'f32'), other: limit },
    { subject, ...ours('hessian-update', 'bf16'), other: limit },
    { subject, ...ours('adamw-step', 'f32'), other: limit },
    { subject, ...ours('sophia-step', 'bf16'), other: limit },
    { subject, ...ours('sophia-fused-step', 'bf16'), other: limit },
  ];
}

function adamw(size: number): Comparison[] {
  const subject = 'AdamW of PyTorch';
  const peer = (form: 'fused' | 'foreach', dtype: 'f32' | 'bf16', clip: boolean): Other => ({
    kind: 'torch',
    title: `torch.optim.AdamW ${form}, ${dtype === 'f32' ? 'float32' : 'bfloat16'}${clip ? ', with clip_grad_norm_' : ''}`,
    torchCase: { prepare: 'AdamW', with: { size, dtype, form, clip } },
  });
  return [
    { subject, ...ours('sophia-step', 'f32'), other: peer('fused', 'f32', false), bar: atMost(0.87) },
    { subject, ...ours('adamw-step', 'f32'), other: peer('fused', 'f32', false), bar: atMost(1) },
    { subject, ...ours('adamw-step', 'f32'), other: peer('foreach', 'f32', false) },
    { subject, ...ours('sophia-guarded-step', 'f32'), other: peer('fused', 'f32', true), bar: atMost(0.9) },
    { subject, ...ours('adamw-guarded-step', 'f32'), other: peer('fused', 'f32', true) },
    { subject, ...ours('adamw-guarded-step', 'f32'), other: peer('foreach', 'f32', true) },
    {
      subject,
      ...ours('sophia-step', 'bf16'),
      other: { kind: 'ours', title: 'our own float32 step', other: caseOf('sophia-step', 'f32') },
      bar: atMost(0.55),
    },
    { subject, ...ours('sophia-step', 'bf16'), other: peer('fused', 'bf16', false), bar: atMost(0.35) },
    { subject, ...ours('adamw-step', 'bf16'), other: peer('fused', 'bf16', false) },
    { subject, ...ours('adamw-step', 'bf16'), other: peer('foreach', 'bf16', false) },
    { subject, ...ours('sophia-guarded-step', 'bf16'), other: peer('fused', 'bf16', true) },
    { subject, ...ours('adamw-guarded-step', 'bf16'), other: peer('foreach', 'bf16', true) },
  ];
}

function eagerSophia(size: number): Comparison[] {
  const subject = 'Sophia written in PyTorch';
  const peer = (call: 'step' | 'update_hessian', dtype: 'f32' | 'bf16', compiled: boolean): Other => ({
    kind: 'torch',
    title: `Sophia's ${call} ${compiled ? 'under torch.compile' : 'in eager PyTorch'}, ${dtype === 'f32' ? 'float32' : 'bfloat16'}`,
    torchCase: { prepare: 'Sophia', with: { size, dtype, call, compiled } },
  });
  return [
    { subject, ...ours('sophia-step', 'f32'), other: peer('step', 'f32', false), bar: atMost(1 / 12) },
    { subject, ...ours('sophia-step', 'f32'), other: peer('step', 'f32', true) },
    { subject, ...ours('hessian-update', 'f32'), other: peer('update_hessian', 'f32', false) },
    { subject, ...ours('hessian-update', 'f32'), other: peer('update_hessian', 'f32', true) },
    { subject, ...ours('sophia-step', 'bf16'), other: peer('step', 'bf16', false) },
    { subject, ...ours('sophia-step', 'bf16'), other: peer('step', 'bf16', true) },
  ];
}

function tokenLosses(shape: LogitsShape): Comparison[] {
  return (['sampled', 'given'] as const).map((labels) => {
    const ours = tokenLossCase(labels, shape);
    return {
      subject: 'The token loss',
      title: `${ours.title}, ${shape.rows} x ${shape.vocabulary}`,
      ours,
      other: { kind: 'torch', title: tokenLossTitle(labels), torchCase: torchTokenLoss(labels, shape, true) },
      ...(labels === 'sampled' ? { bar: atMost(1 / 3) } : {}),
    };
  });
}

export function tokenLossTitle(labels: Labels): string {
  return `PyTorch: ${labels === 'sampled' ? 'softmax, multinomial, ' : ''}cross_entropy, backward`;
}

/** @param keep as of {@link prepareTokenLoss} */
export function torchTokenLoss(labels: Labels, { rows, vocabulary }: LogitsShape, keep: boolean): TorchCase {
  return { prepare: 'TokenLoss', with: { rows, vocabulary, sampled: labels === 'sampled', keep } };
}

export function atMost(value: number): Bar {
  return { bound: 'at most', value };
}

function atLeast(value: number): Bar {
  return { bound: 'at least', value };
}

function ours(kernel: string, storage: StorageName): { title: string; ours: KernelCase } {
  const kernelCase = caseOf(kernel, storage);
  return { title: `${kernelCase.title}, ${storageTitles[storage]}`, ours: kernelCase };
}

function caseOf(kernel: string, storage: StorageName): KernelCase {
  return optimizerCases.find((candidate) => candidate.kernel === kernel && candidate.storage === storage)!;
}
