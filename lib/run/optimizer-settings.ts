/**
 * Settings of the optimizers in a run, of all together: what each is for, and how the commands ask for it.
 *
 * @module
 */

import { choiceSetting, integerSetting, numberSetting } from '../unlearn/setting.ts';
import {
  decayRatesSetting,
  kindNumbersSetting,
  type RunSchema,
  settingGroup,
  switchSetting,
  type ValuesOf,
} from './run-setting.ts';

/** In the order of help. */
export const optimizerSchema = {
  learningRate: {
    ...numberSetting('peak learning rate', undefined),
    option: '--learning-rate <number>',
    otherwise:
      'by optimizer, method and size of the model; `soul methods <name>` has them, run.json the one that was taken',
  },
  weightDecay: {
    ...numberSetting('decoupled weight decay; norm weights and biases take none', undefined),
    option: '--weight-decay <number>',
  },
  learningRateScales: {
    ...kindNumbersSetting('factors on the learning rate of kinds of weights, as in embedding=0.1,vector=0'),
    option: '--learning-rate-scales <kinds>',
    otherwise: '1 for each',
  },
  weightDecays: {
    ...kindNumbersSetting('weight decay of kinds of weights, in place of the one of all'),
    option: '--weight-decays <kinds>',
    otherwise: 'vector=0',
  },
  betas: {
    ...decayRatesSetting('decay rates of the two moving averages, in an option separated by a comma'),
    option: '--betas <two>',
  },
  momentum: {
    ...numberSetting('decay rate of the one moving average', undefined, { high: 1, highExclusive: true }),
    option: '--momentum <number>',
  },
  epsilon: {
    ...numberSetting('added to the denominator', undefined),
    option: '--epsilon <number>',
  },
  clipNorm: {
    ...numberSetting('largest norm of the whole gradient; a longer one is scaled down', undefined, {
      lowExclusive: true,
    }),
    option: '--clip-norm <number>',
  },
  clippedFraction: {
    ...numberSetting('choose rho so that this share of the weights is clipped at the first step', undefined, {
      ...{ lowExclusive: true, high: 1, highExclusive: true },
    }),
    option: '--clipped-fraction <share>',
  },
  followClippedFraction: {
    ...switchSetting('choose rho anew after each estimate, so that the share stays where gradients shrink'),
    option: '--follow-clipped-fraction <boolean>',
  },
  rho: {
    ...numberSetting('factor of the curvature, given by hand', undefined, { lowExclusive: true }),
    option: '--rho <number>',
    insteadOf: 'clippedFraction',
  },
  denominator: {
    ...choiceSetting('sum (rho * h + epsilon) or max (the larger of the two)', ['sum', 'max'], undefined),
    option: '--denominator <form>',
  },
  momentumBiasCorrection: {
    ...switchSetting('divide the moving average of the gradient by what it lacks in the first steps'),
    option: '--momentum-bias-correction <boolean>',
    otherwise: 'true for sophia where rho is chosen by --clipped-fraction, else false',
  },
  momentumUpdates: {
    ...integerSetting('times that each gradient is averaged into the moving average, 1 or 2', undefined),
    option: '--momentum-updates <number>',
  },
  estimateBatchSize: {
    ...numberSetting('label tokens that its squared gradient counts as', undefined, { lowExclusive: true }),
    option: '--estimate-batch-size <number>',
  },
  nonFinite: {
    ...choiceSetting(
      'a gradient that holds NaN or infinity: skip the step, or propagate it, which saves a look at the gradient',
      ['skip', 'propagate'],
      undefined,
    ),
    option: '--non-finite <way>',
  },
  precision: settingGroup('how the optimizer keeps what it remembers', {
    master: {
      ...choiceSetting(
        'of bf16 weights: f32, steps act on a copy in float32; none, on the weights themselves',
        ['f32', 'none'],
        undefined,
      ),
      option: '--master <dtype>',
      otherwise: 'f32 with --dtype bf16',
    },
    states: {
      ...choiceSetting('number format of the moving averages', ['f32', 'bf16'], undefined),
      option: '--states <dtype>',
      otherwise: 'f32',
    },
    rounding: {
      ...choiceSetting(
        'how bf16 averages, and weights without a master, are rounded',
        ['stochastic', 'nearest'],
        undefined,
      ),
      option: '--rounding <kind>',
      otherwise: 'stochastic',
    },
  }),
} as const satisfies RunSchema;

/** {@link optimizerSchema}, each of which may be left out. */
export type OptimizerSettings = ValuesOf<typeof optimizerSchema>;

/** Settings that every optimizer has. */
export const sharedSettings = [
  'learningRate',
  'weightDecay',
  'learningRateScales',
  'weightDecays',
  'clipNorm',
  'nonFinite',
  'precision',
] as const satisfies readonly (keyof OptimizerSettings)[];

/** A setting that an optimizer has or has not. */
export type OwnSetting = Exclude<keyof OptimizerSettings, (typeof sharedSettings)[number]>;
