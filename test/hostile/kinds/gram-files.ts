/**
 * Files of Gram matrices: what is read has the file's bytes, and can be fused or is refused.
 *
 * @module
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fuseLinear } from '../../../lib/unlearn/fusion/fuse.ts';
import { addInputs, emptyGram } from '../../../lib/unlearn/fusion/gram.ts';
import { readGrams, writeGrams } from '../../../lib/unlearn/fusion/gram-file.ts';
import { type HostileKind, holds } from '../property.ts';
import { entriesOf, hostileSafetensors, tensorsIn } from '../safetensors-mutations.ts';

export const gramFiles: HostileKind = {
  name: 'gram-files',
  async prepare(folder) {
    const path = join(folder, 'gram_matrices.safetensors');
    const sizes = [1, 3, 4];
    const grams = sizes.map((inputs) => {
      const gram = emptyGram(inputs);
      addInputs(
        gram,
        Float64Array.from({ length: 5 * inputs }, (_, i) => Math.sin(1 + i)),
      );
      return [`layer.${inputs}`, gram] as const;
    });
    await writeGrams(path, new Map(grams));
    const whole = entriesOf(readFileSync(path));
    return async (draw) => {
      const { bytes, isWhole } = hostileSafetensors(whole, draw);
      writeFileSync(path, bytes);
      const read = await readGrams(path).catch((error) => {
        holds(!isWhole, `a whole file is refused: ${error}`);
        throw error;
      });
      const { tensors } = tensorsIn(bytes);
      holds(read.size === tensors.size, 'another number of matrices');
      for (const [name, { inputs, triangle }] of read) {
        const data = tensors.get(name)?.data;
        holds(
          data !== undefined && Buffer.compare(Buffer.from(triangle.slice().buffer), data) === 0,
          `${name} is other`,
        );
        const weights = new Float64Array(inputs).fill(1);
        const fused = fuseLinear([{ gram: { inputs, triangle }, weights }]);
        holds(fused.every(Number.isFinite), `${name} fuses to what is not finite`);
      }
    };
  },
};
