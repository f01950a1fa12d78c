/**
 * The optimizer package: flat buffers and the optimizers over them. Needs no libtorch and no Python.
 *
 * @module
 */

export {
  type CudaDevice,
  type Device,
  type DeviceName,
  type Devices,
  defaultDevice,
  describeDevices,
  machineCode,
} from './core/devices.ts';
export { type WalkOptions, walkElements } from './core/element-walk.ts';
export { errorCodes, SoulError, type SoulErrorCode } from './core/errors.ts';
export {
  type ArrayOf,
  type DType,
  FlatBuffer,
  type FlatBufferOptions,
} from './core/flat-buffer.ts';
export { fillFrozen, maskOfRanges, maskUnion, maskWhereZero, type WeightRange } from './core/frozen-masks.ts';
export type { NumberArray } from './core/number-array.ts';
export {
  addNormal,
  addSign,
  axpy,
  cast,
  countNonFinite,
  dot,
  gram,
  type NormalOptions,
  type QuantileOf,
  quantile,
  type RoundingOptions,
  type SoftThresholdOptions,
  scale,
  softThreshold,
  squaredNorm,
} from './core/vector-operations.ts';
export { AdamW, type AdamWOptions, type AdamWState } from './optim/adamw.ts';
export { estimateHessian, type HessianEstimate, type HessianEstimateOptions } from './optim/estimate-hessian.ts';
export type { MomentumOptions, MomentumState } from './optim/momentum-optimizer.ts';
export type {
  BufferLayout,
  GroupStatistics,
  HessianSource,
  LoadStateOptions,
  Optimizer,
  OptimizerOptions,
  OptimizerParameters,
  OptimizerProgress,
  ParameterGroup,
  SecondOrderOptimizer,
  SecondOrderStepOptions,
  StepOptions,
  StepStatistics,
  UpdateHessianOptions,
} from './optim/optimizer.ts';
export type { Precision } from './optim/precision.ts';
export {
  constant,
  cosine,
  type DecayOptions,
  linear,
  type Schedule,
  type WarmupOptions,
} from './optim/schedules.ts';
export { SGD } from './optim/sgd.ts';
export { SignDescent } from './optim/sign-descent.ts';
export { Sophia, type SophiaOptions, type SophiaState, soulRepoDefaults } from './optim/sophia.ts';
