/**
 * State files of optimizers, loaded into Sophia and AdamW: what is refused changes nothing.
 *
 * @module
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AdamW, FlatBuffer, Sophia } from '../../../lib/index.ts';
import { ParameterLayout } from '../../../lib/model/parameter-layout.ts';
import { type HostileKind, holds } from '../property.ts';
import { entriesOf, hostileSafetensors, tensorsIn } from '../safetensors-mutations.ts';

const layout = ParameterLayout.of([
  { name: 'a.weight', shape: [3, 2], group: 'matrix' },
  { name: 'a.bias', shape: [3], group: 'vector' },
]);

function optimizers(named: boolean): (Sophia | AdamW)[] {
  const length = named ? layout.length : 5;
  const parameters = () => {
    const buffers = {
      values: FlatBuffer.from(new Float32Array(length).fill(0.5)),
      gradients: FlatBuffer.alloc(length),
    };
    return named ? { ...buffers, layout } : buffers;
  };
  return [new Sophia(parameters(), { rho: { clippedFraction: 0.2 } }), new AdamW(parameters())];
}

export const stateFiles: HostileKind = {
  name: 'state-files',
  async prepare(folder) {
    const path = join(folder, 'state.safetensors');
    const cases: { optimizer: Sophia | AdamW; whole: ReturnType<typeof entriesOf> }[] = [];
    for (const optimizer of [...optimizers(true), ...optimizers(false)]) {
      await optimizer.parameters.gradients.fill(0.25);
      if (optimizer instanceof Sophia) await optimizer.updateHessian({ batchSize: 2, prime: true });
      await optimizer.step();
      await optimizer.saveState(path);
      cases.push({ optimizer, whole: entriesOf(readFileSync(path)) });
    }
    return async (draw) => {
      const { optimizer, whole } = draw.of(cases);
      const { bytes } = hostileSafetensors(whole, draw);
      writeFileSync(path, bytes);
      const before = [optimizer.state.step, ...optimizer.state.momentum.array];
      try {
        await (optimizer instanceof Sophia && draw.once(5)
          ? optimizer.loadState(path, { batchSize: 4 })
          : optimizer.loadState(path));
      } catch (error) {
        const after = [optimizer.state.step, ...optimizer.state.momentum.array];
        holds(
          after.every((value, i) => Object.is(value, before[i])),
          `refused, but changed: ${error}`,
        );
        throw error;
      }
      const { tensors } = tensorsIn(bytes);
      const momentum = tensors.get('exp_avg') ?? tensors.get('exp_avg/a.weight');
      holds(momentum !== undefined, 'loaded without a moving average');
      if (momentum.dtype === 'F32') {
        const loaded = optimizer.state.momentum.array.subarray(0, momentum.data.length / 4);
        const place = tensors.has('exp_avg') ? 0 : layout.get('a.weight')!.offset;
        holds(place === 0 && Buffer.compare(Buffer.from(loaded.slice().buffer), momentum.data) === 0, 'other momentum');
      }
      const { step } = optimizer.state;
      holds(Number.isSafeInteger(step) && step >= 0, `the step is ${step}`);
      const { loss: _, ...statistics } = { loss: 0, ...(await optimizer.step()) };
      holds(Object.keys(statistics).length > 0, 'no statistics');
    };
  },
};
