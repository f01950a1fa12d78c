import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { logitLens } from '../../lib/eval/logit-lens.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { blocks, make } from './blocks.ts';
import { describeWithEngine } from './engine-available.ts';
import { recordedFamilies, withModelFolder } from './recorded-families.ts';
import { worst } from './recorded-models.ts';

/** What families/record_lens.py wrote: log p of every label token, layer by layer. */
const { models: recorded } = JSON.parse(
  readFileSync(new URL('./fixtures/logit-lens.json', import.meta.url), 'utf8'),
) as { models: Record<string, number[][]> };

describeWithEngine.each(Object.entries(recorded))(
  'scores read from layers as transformers gives them: %s',
  (name, layers) => {
    const { config, tensors, sequences } = recordedFamilies.find(([each]) => each === name)![1];
    const batch = TokenBatch.of(sequences);

    test('after each layer, and after the last they are the ordinary ones', async () => {
      await withModelFolder(config, tensors, async (folder) => {
        const model = await TorchLM.load(folder, { threads: 1 });
        expect(layers).toHaveLength(model.hiddenStates.layers);
        for (const [layer, expected] of layers.entries()) {
          const { logProbability } = await model.score(batch, { layer });
          expect(worst(logProbability, expected)).toBeLessThan(1e-5);
        }
        expect(await model.score(batch, { layer: layers.length - 1 })).toEqual(await model.score(batch));
        // The mean of each sequence's label tokens, by layer.
        const offsets = batch.labelOffsets;
        const means = sequences.map((_, i) =>
          layers.map((values) => {
            const own = values.slice(offsets[i], offsets[i + 1]);
            return own.reduce((sum, value) => sum + value, 0) / own.length;
          }),
        );
        const found = await logitLens(model, sequences, { batchSize: 2 });
        for (const [i, expected] of means.entries()) expect(worst(found[i]!, expected)).toBeLessThan(1e-5);
        model.release();
      });
    });
  },
);

describeWithEngine('scores read from layers', () => {
  test('of a layer that there is not are refused', async () => {
    const model = await make(blocks['one after the other']!, 3n);
    const batch = TokenBatch.of([{ tokens: [1, 4, 9], labelsFrom: 1 }]);
    for (const [options, message] of [
      [{ layer: 3 }, /layer must be an integer from 0 to 2, the model has 3 layers/],
      [{ layer: -1 }, /layer must be an integer from 0 to 2/],
      [{ layers: 1 }, /layers/],
    ] as const) {
      await expect(model.score(batch, options as never)).rejects.toMatchObject({
        code: 'SOUL_INVALID_ARGUMENT',
        message,
      });
    }
    model.release();
  });
});
