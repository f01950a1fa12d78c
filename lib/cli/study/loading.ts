/**
 * How the models of a study are loaded and made.
 *
 * @module
 */

import type { Device } from '../../core/devices.ts';
import { withoutUndefined } from '../../core/optional.ts';
import type { Study } from '../../study/definition/study.ts';
import type { StudyOptions } from '../../study/run-study.ts';
import { installedEngine } from '../../torch/engine.ts';
import { TorchLM } from '../../torch/torch-lm.ts';
import { modelMemory } from '../model-options.ts';

/** What a study loads its models by, on a device, and what its records say of that. */
export function studyLoading(
  { dtype, threads }: Pick<Study, 'dtype' | 'threads'>,
  device: Device,
): Required<Pick<StudyOptions, 'loadModel' | 'createModel' | 'made'>> {
  const held = { device, dtype, threads } as const;
  return {
    loadModel: Object.assign((folder: string, options: object = {}) => TorchLM.load(folder, { ...options, ...held }), {
      memory: modelMemory({ device, dtype }),
    }),
    createModel: (config, seed, options = {}) => TorchLM.create(config, seed, { ...options, ...held }),
    made: {
      device,
      ...withoutUndefined({ engine: engineName() }),
    },
  };
}

function engineName(): string | undefined {
  const version = installedEngine()?.torchVersion;
  return version === undefined ? undefined : `libtorch ${version}`;
}
