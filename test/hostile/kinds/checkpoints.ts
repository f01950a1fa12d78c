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
import { checkModelFolder } from '../../../lib/model/folder-kind.ts';
import { ParameterLayout } from '../../../lib/model/parameter-layout.ts';
import { hostileJson } from '../json-mutations.ts';
import { type HostileKind, holds } from '../property.ts';
import { entriesOf, hostileSafetensors, tensorsIn } from '../safetensors-mutations.ts';

const body = [
  { name: 'model.embed_tokens.weight', shape: [4, 2], group: 'embedding' },
  { name: 'model.layers.0.mlp.up_proj.weight', shape: [3, 2], group: 'matrix' },
  { name: 'model.norm.weight', shape: [2], group: 'vector' },
] as const;
const tied = ParameterLayout.of(body);
const untied = ParameterLayout.of([...body, { name: 'lm_head.weight', shape: [4, 2], group: 'matrix' }]);

const [single, index] = ['model.safetensors', 'model.safetensors.index.json'];
const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;

export const checkpoints: HostileKind = {
  name: 'checkpoints',
  async prepare(folder) {
    const at = (name: string) => join(folder, name);
    const wholeOf = async (part: (name: string, i: number) => boolean) => {
      const sources = [...untied].filter(([name], i) => part(name, i));
      const tensors = sources.map(([name, { shape }], i) => ({
        name,
        dtype: 'F32' as const,
        shape,
        data: new Float32Array(shape.reduce<number>((a, b) => a * b, 1)).fill(i + 0.5),
      }));
      await writeSafetensors(at('whole'), tensors, { format: 'pt' });
      return entriesOf(readFileSync(at('whole')));
    };
    const whole = await wholeOf(() => true);
    const halves = [await wholeOf((_, i) => i < 2), await wholeOf((_, i) => i >= 2)] as const;
    const map = Object.fromEntries([...untied].map(([name], i) => [name, shards[i < 2 ? 0 : 1]]));
    return async (draw) => {
      for (const name of [single, index, ...shards]) rmSync(at(name), { force: true });
      const layout = draw.of([tied, untied]);
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
      await readCheckpoint(folder, layout, values, { onNote: (note) => notes.push(note) });
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
