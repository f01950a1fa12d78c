import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parameterLayout, parseModelConfig } from '../../lib/model/index.ts';
import { soul } from './soul.ts';

const config = {
  model_type: 'qwen3',
  vocab_size: 1000,
  hidden_size: 64,
  intermediate_size: 160,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  max_position_embeddings: 256,
};

describe('soul plan', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const planned = async (...words: string[]) =>
    JSON.parse((await soul('plan', '--model', folder, '--json', '--device', 'cpu', ...words)).out);
  const part = ({ parts }: { parts: { name: string; bytes: number }[] }, wanted: string) =>
    parts.find(({ name }) => name === wanted)?.bytes;

  test('needs no weights; its parts are the whole, and follow from the layout', async () => {
    const plan = await planned('--batch-size', '4');
    const { length, parameterCount } = parameterLayout(parseModelConfig(config));
    expect(plan.model).toMatchObject({ modelType: 'qwen3', layers: 3, parameters: parameterCount });
    expect(plan.batch).toEqual({ sequences: 4, rows: 4 * 255, labels: 4 * 255, longest: 255 });
    expect(part(plan, 'weights')).toBe(4 * length);
    expect(part(plan, 'optimizer')).toBe(8 * length);
    expect(plan.parts.reduce((sum: number, { bytes }: { bytes: number }) => sum + bytes, 0)).toBe(plan.total);
    expect(plan.fits).toBe(plan.total <= plan.available);
    expect(plan.variants).toHaveLength(8);
  });

  test('bf16 has a master; batches are cut by tokens; methods with a rule or a copy take more', async () => {
    const { length } = parameterLayout(parseModelConfig(config));
    const plan = await planned('--dtype', 'bf16', '--batch-tokens', '600', '--method', 'pcgrad');
    expect(part(plan, 'optimizer')).toBe(12 * length);
    expect(plan.batch.sequences).toBe(2);
    expect(part(plan, 'gradients of terms')).toBe(2 * 4 * length);
    expect(part(await planned('--method', 'sam'), 'copies')).toBe(4 * length);
    expect(part(await planned('--trainable', 'mlp'), 'mask')).toBe(Math.ceil(length / 8));
    const lean = await planned('--dtype', 'bf16', '--master', 'none', '--states', 'bf16');
    expect(part(lean, 'optimizer')).toBe(4 * length);
  });

  test('what cannot be planned is said', async () => {
    const nowhere = await soul('plan', '--model', join(folder, 'none'));
    expect(nowhere).toMatchObject({ code: 2, out: '' });
    expect(nowhere.err).toContain('config.json');
    const huge = await soul('plan', '--model', folder, '--batch-size', '1000000000000');
    expect(huge).toMatchObject({ code: 2, out: '' });
    expect(huge.err).toContain('at most 1048576 sequences');
    expect((await soul('plan')).err).toContain("required option '--model <folder>' is missing");
  });
});
