import { describe, expect, test } from '@jest/globals';
import { parseSettings } from '../../lib/cli/method-settings.ts';
import type { AdamWOptions, SophiaOptions } from '../../lib/index.ts';
import type { MomentumOptions } from '../../lib/optim/momentum-optimizer.ts';
import type { Precision } from '../../lib/optim/precision.ts';
import type { RunSchema } from '../../lib/run/run-setting.ts';
import { runSettings } from '../../lib/run/run-settings.ts';
import type { LoadOptions } from '../../lib/torch/index.ts';
import type { CurvatureOptions } from '../../lib/unlearn/curvature.ts';
import type { DescentOptions, LabDescent } from '../../lib/unlearn/index.ts';
import { algorithms } from '../../lib/unlearn/registry.ts';
import type { Setting } from '../../lib/unlearn/setting.ts';
import { captured } from './captured.ts';

/** The option of `soul unlearn` that gives it, or why there is none. */
type Way = `--${string}` | { readonly none: string };
/** The compiler asks for each name that there is, and for no other. */
type Ways<Options> = { readonly [Name in keyof Required<Options>]: Way };

const ofRun = { none: 'a run gives its own' };

const adamw: Ways<AdamWOptions> = {
  learningRate: '--learning-rate',
  weightDecay: '--weight-decay',
  betas: '--betas',
  epsilon: '--epsilon',
  clipNorm: '--clip-norm',
  nonFinite: '--non-finite',
  frozen: '--frozen',
  seed: '--seed',
  precision: '--states',
  parameterGroups: '--learning-rate-scales',
  maximize: { none: 'the terms of a method say which way by their coefficients' },
};

const sophia: Ways<SophiaOptions> = {
  ...adamw,
  rho: '--rho',
  denominator: '--denominator',
  momentumBiasCorrection: '--momentum-bias-correction',
  momentumUpdates: '--momentum-updates',
  estimator: '--estimate-batch-size',
};

const rho: Ways<Exclude<SophiaOptions['rho'], number | undefined>> = {
  clippedFraction: '--clipped-fraction',
  follow: '--follow-clipped-fraction',
};

const { betas: _, epsilon: __, ...shared } = adamw;
const momentum: Ways<MomentumOptions> = { ...shared, momentum: '--momentum' };

const group: Ways<NonNullable<SophiaOptions['parameterGroups']>[number]> = {
  learningRateScale: '--learning-rate-scales',
  weightDecay: '--weight-decays',
  ...{ name: ofRun, start: ofRun, length: ofRun, embedding: ofRun },
};

const precision: Ways<Precision> = { master: '--master', states: '--states', rounding: '--rounding' };

const curvature: Ways<CurvatureOptions> = {
  every: '--hessian-every',
  chunks: '--hessian-chunks',
  primingChunks: '--hessian-priming-chunks',
  chunkSize: '--hessian-chunk-size',
  labels: '--hessian-labels',
  source: '--hessian-source',
};

const descent: Ways<DescentOptions & Pick<LabDescent, 'frozen'>> = {
  epochs: '--epochs',
  steps: '--steps',
  batchSize: '--batch-size',
  microBatchSize: '--micro-batch-size',
  batchTokens: '--batch-tokens',
  pairing: '--pairing',
  schedule: '--schedule',
  learningRate: '--learning-rate',
  curvature: '--hessian-every',
  hessianData: '--hessian-data',
  frozen: '--frozen',
  hooks: { none: 'functions, of algorithms: --algorithm' },
};

const loading: Ways<LoadOptions> = {
  device: '--device',
  dtype: '--dtype',
  threads: '--threads',
  logitsMemory: '--logits-memory',
  checkpointActivations: '--checkpoint-activations',
  adapter: '--lora',
  base: '--base',
  signal: { none: 'the command has its own, for Ctrl-C' },
  onNote: { none: 'a function: notes are shown' },
};

test('every option that the library takes has a form on the command line', async () => {
  const { out } = await captured('unlearn', '--help');
  const options = new Set([...out.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, name]) => name));
  for (const ways of [adamw, sophia, rho, momentum, group, precision, curvature, descent, loading]) {
    for (const [name, way] of Object.entries(ways as Record<string, Way>)) {
      if (typeof way === 'string') expect([name, way, options.has(way)]).toEqual([name, way, true]);
    }
  }
});

test('help tells of an option without its word by its own text alone', async () => {
  const { out } = await captured('unlearn', '--help');
  expect(out).toContain('--lora [settings]');
  expect(out).not.toContain('preset:');
});

test('every setting of a run has one', async () => {
  const { out } = await captured('unlearn', '--help');
  const check = (schema: RunSchema, path: string) => {
    for (const [name, entry] of Object.entries(schema)) {
      if (entry.kind === 'group') {
        check(entry.members, `${path}${name}.`);
        continue;
      }
      const own = typeof entry.option === 'object' ? entry.option.unlearn : entry.option;
      const flags = [typeof own === 'object' ? own.flags : own, ...(entry.by ?? [])].filter(
        (flag) => flag !== undefined,
      );
      expect([path + name, flags.length]).not.toEqual([path + name, 0]);
      for (const flag of flags) expect(out).toContain(`  ${flag.split(' ')[0]}`);
    }
  };
  check(runSettings, '');
});

/** A text and the value that it stands for, which is not the default. */
function sampleOf({ kind, choices = [], fallback, check }: Setting): [text: string, value: unknown] | undefined {
  const candidates: Record<string, unknown[]> = {
    number: [0.5, 0.25, 1, 2, 0],
    integer: [3, 2, 1, 4],
    flag: [true, false],
    choice: choices.filter((choice) => choice !== fallback),
    text: ['1', 'mlp', '1,2'],
    method: ['simnpo', 'graddiff'],
  };
  const value = candidates[kind]!.find((each) => {
    try {
      check('value', each);
      return each !== fallback;
    } catch {
      return false;
    }
  });
  return value === undefined ? undefined : [String(value), value];
}

describe('every setting of a method is given by --set', () => {
  test.each(algorithms.map((algorithm) => [algorithm.name, algorithm] as const))('%s', (_, algorithm) => {
    for (const [name, setting] of Object.entries(algorithm.settings)) {
      const sample = sampleOf(setting as Setting);
      expect([name, sample]).not.toEqual([name, undefined]);
      const [text, value] = sample!;
      expect(parseSettings(algorithm, [`${name}=${text}`], {})).toEqual({ [name]: value });
    }
  });
});
