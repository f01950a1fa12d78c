import { expect, test } from '@jest/globals';
import { AdamW } from '../../lib/optim/adamw.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { type Algorithm, algorithm } from '../../lib/unlearn/index.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { resumeEverywhere, type Setup, size } from './journal-runs.ts';

const config = {
  ...{ model_type: 'llama', vocab_size: size, initializer_range: 0.3, max_position_embeddings: 16, hidden_size: 16 },
  ...{ intermediate_size: 32, num_hidden_layers: 3, num_attention_heads: 2, num_key_value_heads: 1 },
  tie_word_embeddings: true,
};

const adamw: Setup['optimizer'] = ({ parameters }, options) =>
  new AdamW(parameters, { learningRate: 0.01, ...options });
const sophia: Setup['optimizer'] = ({ parameters }, options) =>
  new Sophia(parameters, { learningRate: 1e-3, rho: { clippedFraction: 0.3, follow: true }, ...options });

const settingsOf: Record<string, object> = {
  wagle: { ratio: 0.8 },
  spunge: { merge: 'mean' },
  deepzero: { from: 'gradient', coordinates: 4 },
};
const names = [
  'npo',
  'mollm',
  'dpo',
  'undial',
  'pdu',
  'rmu',
  'wagle',
  'prune',
  'ssd',
  'influence',
  'spunge',
  'sam',
  'deepzero',
];

describeWithEngine('a decoder that is resumed from any place comes to the same end', () => {
  test.each(names.flatMap((name) => (['f32', 'bf16'] as const).map((dtype) => ({ name, dtype }))))(
    '$name, $dtype',
    async ({ name, dtype }) => {
      const inBf16 = name === 'influence' && dtype === 'bf16' ? { form: 'diagonal' } : undefined;
      for (const optimizer of name === 'deepzero' ? [adamw] : [adamw, sophia]) {
        const { journal } = await resumeEverywhere({
          algorithm: algorithm(name) as unknown as Algorithm,
          settings: inBf16 ?? settingsOf[name] ?? {},
          descent: { steps: 3 },
          model: () => TorchLM.create(config, 5n, { threads: 1, dtype }),
          optimizer,
        });
        expect(journal.places.length).toBeGreaterThan(1);
      }
    },
  );
});
