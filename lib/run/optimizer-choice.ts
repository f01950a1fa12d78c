/**
 * Optimizers by name, with the defaults that runs of unlearning take.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { FlatBuffer } from '../core/flat-buffer.ts';
import { withoutUndefined } from '../core/optional.ts';
import { ParameterLayout } from '../model/parameter-layout.ts';
import { AdamW, adamwDefaults } from '../optim/adamw.ts';
import type { Optimizer, OptimizerParameters, SecondOrderOptimizer } from '../optim/optimizer.ts';
import { Sophia, sophiaDefaults, soulRepoDefaults } from '../optim/sophia.ts';
import { choiceSetting, numberSetting } from '../unlearn/setting.ts';
import { checkValues, decayRatesSetting, type RunSchema, settingGroup, type ValuesOf } from './run-setting.ts';

/** Each optimizer's name on the command line, with a line that says what it is. */
export const optimizerNames = {
  adamw: 'AdamW, first order',
  sophia: 'Sophia with the Gauss-Newton-Bartlett estimate, second order',
  'soul-repo': "Sophia as SOUL's repository runs it: the squared gradient as its estimate, at every step",
} as const;

export type OptimizerName = keyof typeof optimizerNames;

/** Settings of an optimizer in a run; all are written to run.json. */
export const optimizerSettings = {
  learningRate: {
    ...numberSetting('peak learning rate', undefined),
    option: '--learning-rate <number>',
    otherwise:
      'by optimizer, method and size of the model; `soul methods <name>` has them, run.json the one that was taken',
  },
  weightDecay: {
    ...numberSetting('decoupled weight decay; norm weights and biases take none', undefined),
    option: '--weight-decay <number>',
    otherwise: defaultOf('weightDecay'),
  },
  betas: {
    ...decayRatesSetting('decay rates of the two moving averages, in an option separated by a comma'),
    option: '--betas <two>',
    otherwise: defaultOf('betas'),
  },
  epsilon: {
    ...numberSetting('added to the denominator', undefined),
    option: '--epsilon <number>',
    otherwise: defaultOf('epsilon'),
  },
  clipNorm: {
    ...numberSetting('largest norm of the whole gradient; a longer one is scaled down', undefined, {
      lowExclusive: true,
    }),
    option: '--clip-norm <number>',
    otherwise: defaultOf('clipNorm'),
  },
  clippedFraction: {
    ...numberSetting('sophia: choose rho so that this share of the weights is clipped at the first step', undefined, {
      ...{ lowExclusive: true, high: 1, highExclusive: true },
    }),
    option: '--clipped-fraction <share>',
    otherwise: defaultOf('clippedFraction'),
  },
  rho: {
    ...numberSetting('sophia: factor of the curvature, given by hand', undefined, { lowExclusive: true }),
    option: '--rho <number>',
    otherwise: defaultOf('rho'),
    insteadOf: 'clippedFraction',
  },
  denominator: {
    ...choiceSetting('sophia: sum (rho * h + epsilon) or max (the larger of the two)', ['sum', 'max'], undefined),
    option: '--denominator <form>',
    otherwise: defaultOf('denominator'),
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

/** {@link optimizerSettings}, each of which may be left out. */
export type OptimizerSettings = ValuesOf<typeof optimizerSettings>;

const sophiaOnly = ['rho', 'clippedFraction', 'denominator'] as const;

/** What an optimizer's setting is where it is not given, in words: one value, or each optimizer's own. */
function defaultOf(setting: string): string {
  const ownersOf = new Map<string, string[]>();
  for (const name of Object.keys(optimizerNames)) {
    const value = (runDefaults(name as OptimizerName, {}) as Record<string, unknown>)[setting];
    if (value === undefined) continue;
    const text = typeof value === 'number' && value > 0 && value < 1e-3 ? value.toExponential() : String(value);
    ownersOf.set(text, [...(ownersOf.get(text) ?? []), name]);
  }
  const [[text, owners] = ['', []], ...others] = ownersOf;
  if (others.length === 0 && owners.length > 1) return text;
  return [...ownersOf].map(([value, names]) => `${value} for ${names.join(' and ')}`).join(', ');
}

/**
 * The settings with every default filled in.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a setting of another optimizer, or rho given twice
 */
export function completeOptimizerSettings(name: OptimizerName, given: OptimizerSettings): OptimizerSettings {
  checkValues('optimizerSettings', optimizerSettings, given, 'optimizerSettings.');
  const settings: OptimizerSettings = withoutUndefined(given);
  const foreign = name === 'adamw' ? sophiaOnly.filter((key) => settings[key] !== undefined) : [];
  if (foreign.length > 0) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${foreign.join(' and ')} belong to Sophia, not to ${name}`, {
      argument: foreign[0],
    });
  }
  return { ...runDefaults(name, settings), ...settings };
}

/** The optimizers' own defaults, but for what suits runs of unlearning better: small steps, little decay, clipped gradients. */
function runDefaults(name: OptimizerName, { rho, clippedFraction }: OptimizerSettings): OptimizerSettings {
  const common = { learningRate: 1e-5, weightDecay: 0.01, clipNorm: 1 };
  if (name === 'adamw') {
    const { betas, epsilon } = adamwDefaults;
    return { ...common, betas: [...betas], epsilon };
  }
  if (name === 'sophia') {
    const { betas, epsilon, denominator } = sophiaDefaults;
    return {
      ...common,
      betas: [...betas],
      epsilon,
      denominator,
      ...(rho === undefined ? { clippedFraction: 0.1 } : {}),
    };
  }
  const { learningRate, weightDecay, betas, rho: ownRho, epsilon, denominator, clipNorm } = soulRepoDefaults;
  const scale = clippedFraction === undefined ? { rho: ownRho } : {};
  return { learningRate, weightDecay, betas: [...betas], epsilon, denominator, clipNorm, ...scale };
}

/** Makes an optimizer over a model's parameters, from settings with every default filled in. */
export function createOptimizer(
  name: OptimizerName,
  parameters: OptimizerParameters & { layout: ParameterLayout },
  settings: OptimizerSettings,
  more: { frozen?: FlatBuffer<'u8'>; seed?: bigint } = {},
): Optimizer | SecondOrderOptimizer {
  const { rho, clippedFraction, denominator, ...given } = settings;
  const options = { ...given, ...more };
  if (name === 'adamw') return new AdamW(parameters, options);
  const sophia = {
    ...options,
    rho: clippedFraction === undefined ? rho! : { clippedFraction },
    ...(denominator ? { denominator } : {}),
  };
  return name === 'sophia' ? new Sophia(parameters, sophia) : Sophia.soulRepo(parameters, sophia);
}

/**
 * Lets the optimizer itself check its settings, over no parameters.
 *
 * @param dtype of the weights, where that is known
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkOptimizer(name: OptimizerName, settings: OptimizerSettings, dtype?: unknown): void {
  const known = dtype === 'f32' || dtype === 'bf16' ? dtype : undefined;
  const options = { dtype: known ?? (settings.precision?.master === 'f32' ? 'bf16' : 'f32') } as const;
  const [values, gradients] = [FlatBuffer.alloc(0, options), FlatBuffer.alloc(0, options)];
  createOptimizer(name, { values, gradients, layout: ParameterLayout.of([]) }, settings);
}
