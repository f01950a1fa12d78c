/**
 * Loads the libtorch engine into this environment.
 *
 * @module
 */

import { createRequire } from 'node:module';
import { nativeAddon } from '../core/addon.ts';
import { SoulError } from '../core/errors.ts';
import { typedCalls } from '../core/typed-calls.ts';
import { inspect } from './engine-binary.ts';
import type { NativeEngine } from './native-engine.ts';

export { describeEngine, type EngineReport, type InstalledEngine, installedEngine } from './engine-binary.ts';

const require = createRequire(import.meta.url);
let loaded: NativeEngine | undefined;

/**
 * The engine of this environment, loaded when it is first needed.
 *
 * @throws SoulError SOUL_ENGINE_MISSING with what was looked for and what to run; SOUL_ADDON_MISSING
 */
export function nativeEngine(): NativeEngine {
  loaded ??= load();
  return loaded;
}

const howToInstall =
  'Run `npx soul engine install` (in a checkout `npm run soul -- engine install`), or set SOUL_LIBTORCH to the folder of a libtorch and run it then.';

function load(): NativeEngine {
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
    const engine = typedCalls(withShortSpin(() => require(report.binary!) as NativeEngine));
    engine.init(addon.interface);
    return engine;
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
