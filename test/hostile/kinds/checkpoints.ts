/**
 * Folders with weights, in one file or in shards with an index.
 *
 * @module
 */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FlatBuffer } from '../../../lib/core/flat-buffer.ts';
import { writeSafetensors } from '../../../lib/core/safetensors.ts';
import { readCheckpoint } from '../../../lib/model/checkpoint.ts';
import { parseModelConfig } from '../../../lib/model/config.ts';
import type { DecoderConfig } from '../../../lib/model/decoder-config.ts';
import { parameterLayout } from '../../../lib/model/decoder-weights.ts';
import { checkModelFolder } from '../../../lib/model/folder-kind.ts';
import type { ParameterLayout } from '../../../lib/model/parameter-layout.ts';
import { familyConfigs } from '../family-configs.ts';
import { hostileJson } from '../json-mutations.ts';
import { type HostileKind, holds } from '../property.ts';
import { entriesOf, hostileSafetensors, tensorsIn } from '../safetensors-mutations.ts';

const [single, index] = ['model.safetensors', 'model.safetensors.index.json'];
const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;

interface Model {
  readonly config: DecoderConfig;
  readonly layout: ParameterLayout;
  readonly whole: ReturnType<typeof entriesOf>;
  readonly halves: readonly ReturnType<typeof entriesOf>[];
  readonly map: Readonly<Record<string, string>>;
}

export const checkpoints: HostileKind = {
  name: 'checkpoints',
  async prepare(folder) {
    const at = (name: string) => join(folder, name);
    const models: Model[] = [];
    for (const source of familyConfigs) {
      const config = parseModelConfig(source);
      const layout = parameterLayout(config);
      const names = [...layout].map(([name]) => name);
      const stored = async (part: (i: number) => boolean) => {
        const tensors = [...layout].map(([name, { shape }], i) => {
          const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(i + 0.5);
          return { name, dtype: 'F32' as const, shape, data };
        });
        await writeSafetensors(
          at('whole'),
          tensors.filter((_, i) => part(i)),
          { format: 'pt' },
        );
        return entriesOf(readFileSync(at('whole')));
      };
      const half = Math.ceil(names.length / 2);
      models.push({
        config,
        layout,
        whole: await stored(() => true),
        halves: [await stored((i) => i < half), await stored((i) => i >= half)],
        map: Object.fromEntries(names.map((name, i) => [name, shards[i < half ? 0 : 1]])),
      });
    }
    return async (draw) => {
      for (const name of [single, index, ...shards]) rmSync(at(name), { force: true });
      const { config, layout, whole, halves, map } = draw.of(models);
      let bytes: Uint8Array | undefined;
      if (draw.once(2)) {
        bytes = hostileSafetensors(whole, draw).bytes;
        writeFileSync(at(single), bytes);
      } else {
        const content = { metadata: { total_size: 100 }, weight_map: { ...map } };
        writeFileSync(at(index), draw.once(3) ? JSON.stringify(content) : hostileJson(content, draw));
        for (const [i, name] of shards.entries()) {
          writeFileSync(at(name), hostileSafetensors(halves[i]!, draw).bytes);
        }
      }
      if (draw.once(2)) await checkModelFolder(folder);
      const values = FlatBuffer.alloc(layout.length);
      const notes: string[] = [];
      await readCheckpoint(folder, config, values, { onNote: (note) => notes.push(note) });
      holds(
        notes.every((note) => note.length < 2000),
        'a long note',
      );
      if (bytes === undefined) return;
      const { tensors } = tensorsIn(bytes);
      for (const [name, { offset }] of layout) {
        const stored = tensors.get(name);
        if (stored?.dtype !== 'F32') continue;
        const read = values.array.slice(offset, offset + stored.data.length / 4);
        holds(Buffer.compare(Buffer.from(read.buffer), stored.data) === 0, `${name} was read as something else`);
      }
    };
  },
};
