import { describe, expect, test } from '@jest/globals';
import { describeEngine, installedEngine } from '../../lib/torch/engine.ts';

/**
 * `describe` for tests that run models. Without the engine they are skipped with a warning; with SOUL_REQUIRE_ENGINE=1
 * that is a failure.
 */
export const describeWithEngine: typeof describe | typeof describe.skip = choose();

function choose() {
  if (installedEngine()) return describe;
  if (process.env.SOUL_REQUIRE_ENGINE === '1') {
    test('the libtorch engine is installed (SOUL_REQUIRE_ENGINE=1)', async () => {
      expect(await describeEngine()).toMatchObject({ installed: true });
    });
  }
  console.warn(
    'SKIPPED: tests that run models, for the libtorch engine is not installed (npm run soul -- engine install)',
  );
  return describe.skip;
}
