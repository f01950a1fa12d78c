/**
 * Folders of adapters: adapter_config.json and adapter_model.safetensors.
 *
 * @module
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FlatBuffer } from '../../../lib/core/flat-buffer.ts';
import { writeSafetensors } from '../../../lib/core/safetensors.ts';
import { adapterConfig } from '../../../lib/model/adapter/adapter-config.ts';
import { adapterBase } from '../../../lib/model/adapter/adapter-folder.ts';
import { adapterLayout } from '../../../lib/model/adapter/adapter-layout.ts';
import { openAdapterWeights } from '../../../lib/model/adapter/adapter-weights.ts';
import { peftConfig, readPeftConfig } from '../../../lib/model/adapter/peft-config.ts';
import { parseModelConfig } from '../../../lib/model/config.ts';
import { familyConfigs } from '../family-configs.ts';
import { hostileJson } from '../json-mutations.ts';
import { type HostileKind, holds } from '../property.ts';
import { entriesOf, hostileSafetensors, tensorsIn } from '../safetensors-mutations.ts';

const [configFile, weightsFile] = ['adapter_config.json', 'adapter_model.safetensors'];

export const adapters: HostileKind = {
  name: 'adapters',
  async prepare(folder) {
    const at = (name: string) => join(folder, name);
    const models = await Promise.all(
      familyConfigs.map(async (source, i) => {
        const config = parseModelConfig(source);
        const adapter = adapterConfig({ kind: 'lora', rank: 2, targets: 'all-linear' }, config);
        const tensors = [...adapterLayout(config, adapter)].map(([name, { shape }], t) => {
          const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(t + 0.5);
          return { name, dtype: 'F32' as const, shape, data };
        });
        await writeSafetensors(at(`whole-${i}`), tensors, { format: 'pt' });
        const content = {
          ...peftConfig(config, adapter, 'org/base'),
          lora_bias: false,
          rank_pattern: {},
          revision: null,
        };
        return { config, entries: entriesOf(readFileSync(at(`whole-${i}`))), content };
      }),
    );
    return async (draw) => {
      const { config, entries, content } = draw.of(models);
      writeFileSync(
        at(configFile),
        draw.once(2) ? JSON.stringify(content) : hostileJson(structuredClone(content), draw),
      );
      const { bytes } = hostileSafetensors(entries, draw);
      writeFileSync(at(weightsFile), bytes);
      const peft = await readPeftConfig(folder);
      const adapter = peft.on(config);
      if (draw.once(8)) await adapterBase(folder);
      const layout = adapterLayout(config, adapter);
      const weights = await openAdapterWeights(folder, layout);
      try {
        const values = FlatBuffer.alloc(layout.length);
        await weights.readInto(values);
        const { tensors } = tensorsIn(bytes);
        for (const [name, { offset }] of layout) {
          const stored = tensors.get(name);
          if (stored?.dtype !== 'F32') continue;
          const read = values.array.slice(offset, offset + stored.data.length / 4);
          holds(Buffer.compare(Buffer.from(read.buffer), stored.data) === 0, `${name} was read as something else`);
        }
      } finally {
        await weights.close();
      }
    };
  },
};
