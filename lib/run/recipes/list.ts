/**
 * What committed studies recommend. Written by npm run docs:study from studies/results/; see docs/study.md.
 *
 * @module
 */

import type { Recipe } from './recipe.ts';

export const recipes: readonly Recipe[] = [
  {
    study: 'smollm2',
    studied: {
      model: 'smollm2-135m',
      optimizer: 'gnb-10',
    },
    weights: 134515008,
    method: 'graddiff',
    methodSettings: {
      forgetCoefficient: 1,
      retainCoefficient: 6.093,
      retainLoss: 'ce',
    },
    optimizer: 'sophia',
    optimizerSettings: {
      weightDecay: 0.01,
      clipNorm: 1,
      nonFinite: 'skip',
      betas: [0.965, 0.99],
      epsilon: 1e-15,
      denominator: 'sum',
      momentumUpdates: 1,
      clippedFraction: 0.1,
      followClippedFraction: false,
      momentumBiasCorrection: true,
    },
    curvature: {
      every: 20,
      chunks: 4,
      chunkSize: 2,
      labels: 'sampled',
      source: 'auto',
      primingChunks: 32,
    },
    hessianData: 'retain',
    learningRate: 0.00007027,
    ratesOf: 'sophia',
    batchSize: 4,
    epochs: 2.5,
    steps: 25,
    rank: 1,
    score: {
      mean: 0.9007058011813983,
      low: 0.8036535262945994,
      high: 0.9977580760681972,
      draws: 3,
    },
    trials: 4,
  },
  {
    study: 'smollm2',
    studied: {
      model: 'smollm2-135m',
      optimizer: 'sign',
    },
    weights: 134515008,
    method: 'graddiff',
    methodSettings: {
      forgetCoefficient: 1,
      retainCoefficient: 3.652,
      retainLoss: 'ce',
    },
    optimizer: 'sign',
    optimizerSettings: {
      weightDecay: 0.01,
      clipNorm: 1,
      nonFinite: 'skip',
      momentum: 0.9,
    },
    learningRate: 0.000005679,
    ratesOf: 'sign',
    batchSize: 4,
    epochs: 2.5,
    steps: 25,
    rank: 2,
    score: {
      mean: 0.7900735086339846,
      low: 0.6182602369924928,
      high: 0.9618867802754765,
      draws: 3,
    },
    trials: 4,
  },
  {
    study: 'smollm2',
    studied: {
      model: 'smollm2-135m',
      optimizer: 'adamw',
    },
    weights: 134515008,
    method: 'graddiff',
    methodSettings: {
      forgetCoefficient: 1,
      retainCoefficient: 6.093,
      retainLoss: 'ce',
    },
    optimizer: 'adamw',
    optimizerSettings: {
      weightDecay: 0.01,
      clipNorm: 1,
      nonFinite: 'skip',
      betas: [0.9, 0.999],
      epsilon: 1e-8,
    },
    learningRate: 0.00004649,
    ratesOf: 'adamw',
    batchSize: 4,
    epochs: 2.5,
    steps: 25,
    rank: 3,
    score: {
      mean: 0.8100365618228952,
      low: 0.69164378042885,
      high: 0.9284293432169404,
      draws: 3,
    },
    trials: 4,
  },
];
