/**
 * What of each label token an objective is a function of: one number that a model gives and that can be pulled back through it.
 *
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { describe, invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import type { DifferentiableLM, Pass, ReferenceLM } from '../model/contract.ts';
import type { TokenBatch } from '../model/token-batch.ts';
import { checkShift } from '../model/token-target.ts';

/**
 * `nll`: -log p(label). `kl`: the divergence KL(starting model || model) of the next token's distribution. Both in nats.
 */
export type Quantity = 'nll' | 'kl' | TargetQuantity | ActivationQuantity;

/**
 * The cross-entropy of the model to softmax(logits + shift * onehot(label)), in nats, where the logits are the model's own, taken as
 * constant, or the starting model's. UNDIAL shifts the starting model's by -beta, CE-U its own by -infinity.
 */
export interface TargetQuantity {
  readonly kind: 'target';
  readonly from: 'self' | 'start';
  /** Added to the label's logit; -Infinity leaves the label out of the target. */
  readonly shift: number;
}

/**
 * The squared distance of a hidden state to a target, over its width: |h - target|^2 / d, at the position that predicts the label. RMU
 * draws those of the forget set to one random vector, and holds those of the retain set at the starting model's.
 */
export interface ActivationQuantity {
  readonly kind: 'activation';
  /** Which layer's output, counted from 0 as in the names of weights. */
  readonly layer: number;
  /** The starting model's hidden state there, or a vector of the model's width. */
  readonly toward: 'start' | ((width: number) => Float32Array);
}

/** Whether a copy of the starting model must be held. */
export function comparesWithStart(quantity: Quantity = 'nll'): boolean {
  if (typeof quantity === 'string') return quantity === 'kl';
  return (quantity.kind === 'target' ? quantity.from : quantity.toward) === 'start';
}

/**
 * Refuses what is no quantity.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkQuantity(argument: string, quantity: Quantity): void {
  if (quantity === 'nll' || quantity === 'kl') return;
  const kind: unknown = typeof quantity === 'object' ? quantity?.kind : undefined;
  if (kind === 'target') {
    checkNames(argument, quantity, ['kind', 'from', 'shift']);
    const { from, shift } = quantity as TargetQuantity;
    if (from !== 'self' && from !== 'start') throw invalidArgument(`${argument}.from`, "'self' or 'start'", from);
    checkShift(`${argument}.shift`, shift);
  } else if (kind === 'activation') {
    checkNames(argument, quantity, ['kind', 'layer', 'toward']);
    const { layer, toward } = quantity as ActivationQuantity;
    checkInteger(`${argument}.layer`, layer, { low: 0 });
    if (toward !== 'start' && typeof toward !== 'function') {
      throw invalidArgument(`${argument}.toward`, "'start', or a function that gives a vector", toward);
    }
  } else {
    throw invalidArgument(argument, "'nll', 'kl', or an object of kind 'target' or 'activation'", quantity);
  }
}

/**
 * Refuses a quantity that the model does not give, before any is asked for.
 *
 * @throws SoulError SOUL_UNSUPPORTED; SOUL_INVALID_ARGUMENT for a layer that the model does not have
 */
export function checkGives(model: DifferentiableLM, term: string, quantity: Quantity = 'nll'): void {
  if (typeof quantity === 'string') return;
  const call = quantity.kind === 'target' ? 'targetCrossEntropy' : 'activationDistance';
  const given = typeof model[call] === 'function' && (quantity.kind === 'target' || model.hiddenStates !== undefined);
  if (!given) {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `the term ${term} needs a model that gives the quantity ${quantity.kind}, that is, has ${call}`,
      { term, quantity: quantity.kind },
    );
  }
  if (quantity.kind !== 'activation') return;
  checkLayer(`the layer of the term ${term}`, quantity.layer, model.hiddenStates!.layers);
}

/** @throws SoulError SOUL_INVALID_ARGUMENT for a layer that a model of so many does not have */
export function checkLayer(argument: string, layer: number, layers: number): void {
  checkInteger(argument, layer, { low: 0, high: layers - 1, why: `the model has ${layers} layers` });
}

export interface QuantityOptions extends Cancellable {
  /** The starting model, for a quantity that compares with it. */
  referenceModel?: ReferenceLM;
}

/**
 * Runs the model for a quantity.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT where the starting model is needed and not given; the model's own
 */
export async function passOf(
  model: DifferentiableLM,
  quantity: Quantity,
  batch: TokenBatch,
  { referenceModel, ...options }: QuantityOptions,
): Promise<Pass> {
  if (quantity === 'nll') return model.nll(batch, options);
  if (comparesWithStart(quantity) && referenceModel === undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `a term of quantity ${kindOf(quantity)} needs the starting model (referenceModel)`,
      { argument: 'referenceModel' },
    );
  }
  if (quantity === 'kl') return model.klTo(referenceModel!, batch, options);
  if (quantity.kind === 'target') {
    const from = quantity.from === 'self' ? 'self' : referenceModel!;
    return model.targetCrossEntropy!({ from, shift: quantity.shift }, batch, options);
  }
  const { layer, toward } = quantity;
  return model.activationDistance!({ layer, toward: vectorOf(toward, model) ?? referenceModel! }, batch, options);
}

/**
 * The quantity of each label token by itself; `nll` takes `score`.
 *
 * @throws SoulError as {@link passOf}
 */
export async function valuesOf(
  model: DifferentiableLM,
  quantity: Quantity,
  batch: TokenBatch,
  { referenceModel, ...options }: QuantityOptions,
): Promise<Float32Array> {
  if (quantity === 'nll') return (await model.score(batch, options)).logProbability.map((value) => -value);
  const pass = await passOf(model, quantity, batch, { ...options, ...(referenceModel ? { referenceModel } : {}) });
  try {
    return pass.values.slice();
  } finally {
    pass.release();
  }
}

/** A word for it. */
export function kindOf(quantity: Quantity = 'nll'): string {
  return typeof quantity === 'string' ? quantity : quantity.kind;
}

function vectorOf(toward: ActivationQuantity['toward'], { hiddenStates }: DifferentiableLM): Float32Array | undefined {
  if (toward === 'start') return undefined;
  const width = hiddenStates!.width;
  const vector: unknown = toward(width);
  if (vector instanceof Float32Array && vector.length === width) return vector;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `toward must give a Float32Array of the model's width, ${width}, but gave ${describe(vector)}`,
    { argument: 'toward' },
  );
}
