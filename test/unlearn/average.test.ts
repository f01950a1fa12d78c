import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { Lab, type LabOptions } from '../../lib/unlearn/lab.ts';
import { algorithm, settingsFor } from '../../lib/unlearn/registry.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { NarrowModel } from './narrow-model.ts';

const target: TokenSequence[] = [0, 1, 2].map((first) => ({ tokens: [first, 1, 2, 3], labelsFrom: 1 }));
const retain: TokenSequence[] = [{ tokens: [1, 2, 3, 5], labelsFrom: 1 }];

async function average(options: Pick<LabOptions, 'model' | 'optimizer'> & Partial<LabOptions>, given: object) {
  const lab = new Lab({ sets: { target, retain }, descent: { batchSize: 3, steps: 11 }, ...options });
  const own = algorithm('average');
  for await (const _ of own.run(lab, settingsFor(own, { method: 'graddiff', ...given }))) void _;
  await lab.release();
}

const meanOf = (all: readonly Float32Array[]) =>
  Float64Array.from(all[0]!, (_, i) => all.reduce((sum, each) => sum + each[i]!, 0) / all.length);

describe('weight averaging', () => {
  test('in bfloat16 is the mean in float32, rounded once', async () => {
    const model = await NarrowModel.of(BigramLM.random(8, 2n));
    const seen: Float32Array[] = [];
    // With a float32 master, which must not bring the last weights back.
    const optimizer = () => {
      const adamw = new AdamW(model.parameters, { learningRate: 0.05 });
      const step = adamw.step.bind(adamw);
      adamw.step = async (options) => {
        const statistics = await step(options);
        seen.push(await model.parameters.values.toFloat32Array());
        return statistics;
      };
      return adamw;
    };
    await average({ model, optimizer }, { every: 2, from: 0.5 });
    const rounded = FlatBuffer.alloc(model.parameters.values.length, { dtype: 'bf16' });
    await rounded.copyFrom(Float32Array.from(meanOf([seen[6]!, seen[8]!, seen[10]!])));
    expect(await model.parameters.values.toFloat32Array()).toEqual(await rounded.toFloat32Array());
  });

  test('keeps frozen weights to the bit', async () => {
    const model = BigramLM.random(8, 2n);
    const before = model.values.slice();
    const frozen = maskOfRanges(model.values.length, [{ start: 5, length: 30 }]);
    const optimizer: LabOptions['optimizer'] = (options) =>
      new AdamW(model.parameters, { learningRate: 0.05, ...options });
    await average({ model, optimizer, frozen }, { every: 2, from: 0 });
    expect(model.values.subarray(5, 35)).toEqual(before.subarray(5, 35));
    expect(model.values.subarray(35, 64)).not.toEqual(before.subarray(35, 64));
  });
});
