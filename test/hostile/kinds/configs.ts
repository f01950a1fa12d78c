/**
 * config.json of a model of every family.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readModelConfig } from '../../../lib/model/config.ts';
import { parameterLayout } from '../../../lib/model/decoder-weights.ts';
import { huggingFaceConfig, parseModelConfig } from '../../../lib/model/index.ts';
import { readModelLimits } from '../../../lib/model/model-limits.ts';
import { familyConfigs } from '../family-configs.ts';
import { hostileJson } from '../json-mutations.ts';
import { type HostileKind, holds } from '../property.ts';

/** The number of weights of the model whose config.json a folder has. */
export async function weightsOf(folder: string): Promise<number> {
  return parameterLayout(await readModelConfig(folder)).parameterCount;
}

export const configs: HostileKind = {
  name: 'configs',
  async prepare(folder) {
    return async (draw) => {
      writeFileSync(join(folder, 'config.json'), hostileJson(structuredClone(draw.of(familyConfigs)), draw));
      await readModelLimits(folder);
      const config = await readModelConfig(folder);
      const { parameterCount } = parameterLayout(config);
      holds(parameterCount > 0 && Number.isSafeInteger(parameterCount), `${parameterCount} weights`);
      const { attention, ropes, layers } = config;
      holds(attention.length === layers, 'another number of layers');
      holds(
        attention.every(
          ({ rope, scale, window = 1 }) => (rope === undefined || rope < ropes.length) && scale > 0 && window > 0,
        ),
        'attention that cannot be',
      );
      const { source: _, written: _w, ...read } = config;
      const { source: _again, written: _v, ...again } = parseModelConfig(huggingFaceConfig(config));
      holds(JSON.stringify(again) === JSON.stringify(read), 'read as another model once it is written');
    };
  },
};
