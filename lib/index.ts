/**
 * The optimizer package: flat buffers and the optimizers over them. Needs no libtorch and no Python.
 *
 * @module
 */

export { errorCodes, SoulError, type SoulErrorCode } from './core/errors.ts';
export { type Device, type DType, FlatBuffer, type FlatBufferOptions, type NumberArray } from './core/flat-buffer.ts';
export { AdamW, type AdamWOptions, type AdamWState } from './optim/adamw.ts';
export type {
  GroupStatistics,
  HessianSource,
  LoadStateOptions,
  Optimizer,
  OptimizerOptions,
  OptimizerParameters,
  ParameterGroup,
  SecondOrderOptimizer,
  SecondOrderStepOptions,
  StepOptions,
  StepStatistics,
  UpdateHessianOptions,
} from './optim/optimizer.ts';
export {
  constant,
  cosine,
  type DecayOptions,
  linear,
  type Schedule,
  type WarmupOptions,
} from './optim/schedules.ts';
export { Sophia, type SophiaOptions, type SophiaState } from './optim/sophia.ts';
