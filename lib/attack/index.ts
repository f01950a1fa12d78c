/**
 * Attacks that tell forgetting from hiding.
 *
 * @module
 */

export { type AttackReport, attackModel, type Robustness } from './attack-model.ts';
export { encodeAttackSet } from './encode-set.ts';
export type { AttackKind } from './kind.ts';
export { attackKind, attackKinds } from './kinds/index.ts';
export { type AttackOptions, attackDefaults } from './options.ts';
export type { QuantizationFormat } from './quantization/format.ts';
export { quantizationFormat, quantizationFormats } from './quantization/formats.ts';
export type { QuantizeOptions } from './quantization/linear-weights.ts';
export { quantize } from './quantization/quantize.ts';
export { type SurvivingUpdates, survivingUpdates } from './quantization/surviving.ts';
export { type Change, overallRobustness, quantizationRobustness, relearningRobustness } from './robustness.ts';
export type { AttackInput, AttackResult, AttackSet, MeasuredChange } from './room.ts';
export {
  attackRecord,
  type StandingAttack,
  standingAttack,
  standingAttacks,
  type WhileAttackedInput,
  whileAttacked,
} from './under-attack.ts';
