/**
 * Loads the libtorch engine into this environment.
 *
 * @module
 */

import { createRequire } from 'node:module';
import { nativeAddon } from '../core/addon.ts';
import type { Device } from '../core/devices.ts';
import { SoulError } from '../core/errors.ts';
import { typedCalls } from '../core/typed-calls.ts';
import { cudaLibraries, cudaLibrary } from './cuda-libraries.ts';
import { type EngineReport, inspect } from './engine-binary.ts';
import type { NativeEngine } from './native-engine.ts';

export {
  describeEngine,
  type EngineReport,
  engineHasCuda,
  type InstalledEngine,
  installedEngine,
} from './engine-binary.ts';

interface LoadedEngine {
  readonly calls: NativeEngine;
  readonly report: EngineReport;
  /** Why its CUDA part could not be loaded. */
  readonly cudaFailure: SoulError | undefined;
}

const require = createRequire(import.meta.url);
let loaded: LoadedEngine | undefined;

/**
 * The engine of this environment, loaded when it is first needed.
 *
 * @throws SoulError SOUL_ENGINE_MISSING with what was looked for and what to run; SOUL_ADDON_MISSING
 */
export function nativeEngine(): NativeEngine {
  loaded ??= load();
  return loaded.calls;
}

/**
 * Makes sure that models can be asked for on a CUDA device, as far as libtorch is concerned.
 *
 * @throws SoulError SOUL_ENGINE_MISSING with what was looked for, what was found and what to run
 */
export function requireCudaEngine(device: Device): void {
  nativeEngine();
  const { report, cudaFailure } = loaded!;
  if (!report.cuda) {
    throw new SoulError(
      'SOUL_ENGINE_MISSING',
      `a model on ${device} needs a CUDA build of libtorch, but the engine's is ${report.torchVersion} in ${report.libtorch}, which has no ${cudaLibrary}; run \`npx soul-unlearn engine install --cuda\`, or use device 'cpu'`,
      { device, ...report },
    );
  }
  if (cudaFailure) throw cudaFailure;
}

const howToInstall =
  'Run `npx soul-unlearn engine install` (in a checkout `npm run soul -- engine install`), or set SOUL_LIBTORCH to the folder of a libtorch and run it then.';

function load(): LoadedEngine {
  const addon = nativeAddon();
  const report = inspect();
  if (!report.installed) {
    const places = report.searched.map(({ place, found }) => `  - ${place}: ${found}`).join('\n');
    throw new SoulError(
      'SOUL_ENGINE_MISSING',
      `The libtorch engine is not installed: ${report.reason}. Looked in\n${places}\n${howToInstall}`,
      { ...report },
    );
  }
  try {
    const calls = typedCalls(withShortSpin(() => require(report.binary!) as NativeEngine));
    calls.init(addon.interface);
    return { calls, report, cudaFailure: loadCuda(calls, report) };
  } catch (cause) {
    if (cause instanceof SoulError) throw cause;
    throw new SoulError(
      'SOUL_ENGINE_MISSING',
      `The libtorch engine ${report.binary} could not be loaded: ${(cause as Error).message}\n${howToInstall}`,
      { ...report },
      { cause },
    );
  }
}

/**
 * Loads the CUDA part where there is a GPU for it: at once, since libtorch looks for it when it is first used, a model on the
 * CPU included.
 */
function loadCuda(calls: NativeEngine, { cuda, libtorch }: EngineReport): SoulError | undefined {
  if (!cuda || nativeAddon().cudaPlatform().problem !== '') return undefined;
  try {
    calls.loadLibraries(cudaLibraries(libtorch!));
    return undefined;
  } catch (error) {
    return error as SoulError;
  }
}

/**
 * libtorch's OpenMP lets idle threads spin for a millisecond or so. Where other work wants the same cores that makes a step
 * many times slower, and where it doesn't it gains next to nothing, so they sleep sooner. Read once, when the library is
 * loaded; who has set OpenMP's own variables is left alone.
 */
function withShortSpin<T>(loadLibrary: () => T): T {
  const { env } = process;
  if (env.GOMP_SPINCOUNT !== undefined || env.OMP_WAIT_POLICY !== undefined) return loadLibrary();
  env.GOMP_SPINCOUNT = '1000';
  try {
    return loadLibrary();
  } finally {
    delete env.GOMP_SPINCOUNT;
  }
}
