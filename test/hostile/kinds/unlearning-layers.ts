/**
 * Files of unlearning layers: unlearning_layers.json says what it says, or is refused.
 *
 * @module
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bottleneckActivations, widestBottleneck } from '../../../lib/model/adapter/unlearning-layers.ts';
import { readUnlearningLayers, unlearningLayersJson } from '../../../lib/model/adapter/unlearning-layers-file.ts';
import { hostileJson } from '../json-mutations.ts';
import { type HostileKind, holds } from '../property.ts';

export const unlearningLayers: HostileKind = {
  name: 'unlearning-layers',
  async prepare(folder) {
    const path = join(folder, 'unlearning_layers.json');
    return async (draw) => {
      const activation = draw.of(bottleneckActivations);
      const base = draw.once(2) ? '../model' : undefined;
      const config = { kind: 'unlearning-layers', bottleneck: 1 + draw.integer(40), activation } as const;
      writeFileSync(path, hostileJson(unlearningLayersJson(config, base), draw));
      const read = await readUnlearningLayers(folder);
      const said = JSON.parse(readFileSync(path, 'utf8'));
      const { bottleneck, kind, activation: found } = read.config;
      holds(kind === said.kind && bottleneck === said.bottleneck && found === said.activation, 'another form');
      holds(bottleneckActivations.includes(found), `the activation is ${found}`);
      holds(Number.isInteger(bottleneck) && bottleneck >= 1 && bottleneck <= widestBottleneck, `${bottleneck} wide`);
      holds(read.base === undefined || read.base === said.base_model_name_or_path, 'another base');
    };
  },
};
