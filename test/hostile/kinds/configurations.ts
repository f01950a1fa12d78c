/**
 * Files for `--config`, and records of runs in their place: settings of runs, methods, optimizers and curvature.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mergeLoading, mergeSettings, readConfiguration } from '../../../lib/cli/configuration.ts';
import { checkTemplate } from '../../../lib/data/choose-template.ts';
import { chooseAlgorithm } from '../../../lib/run/run-defaults.ts';
import { completeRunSettings, type RunSettings } from '../../../lib/run/settings.ts';
import { algorithms } from '../../../lib/unlearn/registry.ts';
import { hostileJson } from '../json-mutations.ts';
import { type HostileKind, holds } from '../property.ts';

const common = { model: 'model', target: 'forget.jsonl', retain: 'retain.jsonl', out: 'out' };

const bases: readonly Record<string, unknown>[] = [
  { ...common, method: 'npo', optimizer: 'sophia', methodSettings: { beta: 0.1 }, seed: '18446744073709551615' },
  {
    ...common,
    method: 'graddiff',
    optimizer: 'adamw',
    optimizerSettings: { learningRate: 1e-4, weightDecay: 0, betas: [0.9, 0.99], epsilon: 1e-8, clipNorm: 1 },
    ...{ steps: 3, trainable: 'mlp|self_attn', batchSize: 4, microBatchSize: 2, pairing: 'fixed', schedule: 'cosine' },
    ...{ warmup: 0.5, template: 'Q: {question} A: {answer}', maximumLength: 64, seed: 7, evaluate: 0, overwrite: true },
    ...{ frozen: 'norm', tensorboard: 'curves' },
    load: { device: 'cpu', dtype: 'f32', threads: 2, logitsMemory: 1e6 },
  },
  {
    ...common,
    method: 'ssd',
    optimizer: 'sophia',
    optimizerSettings: {
      ...{ clippedFraction: 0.2, denominator: 'max', followClippedFraction: true, momentumUpdates: 2 },
      ...{ learningRateScales: { embedding: 0.5 }, weightDecays: { vector: 0 }, nonFinite: 'propagate' },
    },
    curvature: { every: 10, labels: 100, chunks: 4, chunkSize: 2, primingChunks: 8 },
    hessianData: 'both',
    epochs: 1.5,
    allowTruncation: true,
    allowOverlap: false,
  },
  ...algorithms.map(({ name, settings }) => ({
    ...common,
    method: name,
    optimizer: 'soul-repo',
    methodSettings: Object.fromEntries(Object.entries(settings).map(([each, { fallback }]) => [each, fallback])),
  })),
];

export const configurations: HostileKind = {
  name: 'configurations',
  async prepare(folder) {
    const path = join(folder, 'run.json');
    return async (draw) => {
      const settings = structuredClone(draw.of(bases));
      const content = draw.once(3) ? { package: { name: 'soul-unlearn' }, settings, result: {} } : settings;
      writeFileSync(path, hostileJson(content, draw));
      const read = await readConfiguration(path);
      const { load, ...own } = mergeSettings(
        read.settings,
        draw.once(2) ? { optimizer: 'adamw' } : {},
        draw.once(2),
        () => {},
      );
      mergeLoading(path, load, {});
      const given = { ...common, method: 'npo', optimizer: 'sophia', ...own } as RunSettings;
      const complete = completeRunSettings(given, chooseAlgorithm(given.method, given.methodSettings));
      if (complete.template !== undefined) checkTemplate(complete.template);
      holds(complete.seed >= 0n && complete.seed < 2n ** 64n && complete.batchSize > 0, 'settings out of bounds');
    };
  },
};
