import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { planText, variantsFor } from '../../lib/cli/plan-report.ts';
import { writeSafetensors } from '../../lib/core/safetensors.ts';
import { unlearningLayersLayout } from '../../lib/model/adapter/unlearning-layers.ts';
import { parameterLayout, parseModelConfig } from '../../lib/model/index.ts';
import { gramBytes } from '../../lib/run/gram-matrices.ts';
import { chooseAlgorithm } from '../../lib/run/run-defaults.ts';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';
import type { AlgorithmName } from '../../lib/unlearn/registry.ts';
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
    // The process was measured once: what is asked for takes the same in its row.
    const asked = plan.variants.filter((variant: { asked: boolean }) => variant.asked);
    expect(asked).toEqual([
      {
        ...{ dtype: 'f32', states: 'f32', master: 'none', checkpointActivations: false, asked: true },
        ...{ total: plan.total, available: plan.available, fits: plan.fits },
      },
    ]);
  });

  test('with adapters, what the same run on all weights takes', async () => {
    const words = ['--batch-size', '4', '--dtype', 'bf16', '--checkpoint-activations'];
    const [all, lora] = [await planned(...words), await planned(...words, '--lora', 'r=2,targets=all-linear')];
    expect(all.besideFullTraining).toBeUndefined();
    const { total, memory, products } = lora.besideFullTraining;
    // The process may have grown between the two plans; nothing else may differ.
    const without = (plan: { parts: { name: string; bytes: number }[]; total: number }) =>
      plan.total - part(plan, 'process')!;
    expect(total - part(lora, 'process')!).toBe(without(all));
    expect(memory).toBe(lora.total / total);
    // q and o of 64 x 64, k and v of 64 x 32, gate, up and down of 64 x 160; A and B have (inputs + outputs) x 2.
    const [matrices, factors] = [2 * 4096 + 2 * 2048 + 3 * 10240, 2 * (2 * 128 + 2 * 96 + 3 * 224)];
    const head = 64 * 1000;
    const full = 3 * matrices * 4 + 3 * head;
    expect(products).toBeCloseTo((3 * (matrices * 3 + factors * 5) + 2 * head) / full, 12);
    // Beside a process of any size, that of the tests for one.
    const text = (await soul('plan', '--model', folder, '--device', 'cpu', '--lora')).out;
    const said =
      /takes ([\d.]+) ([MG])iB: with adapters it is ([\d.]+) of the memory, and 0\.\d\d of the products/.exec(text)!;
    const asked = /^total +([\d.]+) ([MG])iB/m.exec(text)!;
    const mebibytes = (value: string, unit: string) => Number(value) * (unit === 'G' ? 1024 : 1);
    expect(Number(said[3])).toBeCloseTo(mebibytes(asked[1]!, asked[2]!) / mebibytes(said[1]!, said[2]!), 1);
  });

  test('with unlearning layers, the disk that their matrices take where a run of unlearning leaves some', async () => {
    const words = ['--unlearning-layers', 'bottleneck=4', '--batch-size', '4'];
    const plan = await planned(...words, '--method', 'eul');
    // Lower triangles of 65 and 5 inputs, each with a 1, in float64.
    const matrices = 3 * 8 * ((65 * 66) / 2 + (5 * 6) / 2);
    expect(plan.disk.model).toBe(part(plan, 'weights')! + matrices);
    const layers = { kind: 'unlearning-layers', bottleneck: 4, activation: 'gelu' } as const;
    const layout = unlearningLayersLayout({ hiddenSize: 64, layers: 3 }, layers);
    const bytes = (method: AlgorithmName) => gramBytes(layers, layout, chooseAlgorithm(method));
    expect([bytes('npo'), bytes('finetune')]).toEqual([matrices, 0]);
  });

  test('bf16 has a master; batches are cut by tokens; methods with a rule or a copy take more', async () => {
    const { length } = parameterLayout(parseModelConfig(config));
    const plan = await planned('--dtype', 'bf16', '--batch-tokens', '600', '--method', 'pcgrad');
    expect(part(plan, 'optimizer')).toBe(12 * length);
    expect(plan.batch.sequences).toBe(2);
    expect(part(plan, 'gradients of terms')).toBe(2 * 4 * length);
    expect(part(await planned('--method', 'sam'), 'copies')).toBe(4 * length);
    expect(part(await planned('--method', 'rmu'), 'reference model')).toBe(4 * length);
    expect(part(await planned('--trainable', 'mlp'), 'masks')).toBe(Math.ceil(length / 8));
    const lean = await planned('--dtype', 'bf16', '--master', 'none', '--states', 'bf16');
    expect(part(lean, 'optimizer')).toBe(4 * length);
  });

  test('what is asked for has a row, though it is none of those that are shown', async () => {
    const { total, variants } = await planned('--dtype', 'bf16', '--master', 'none');
    expect(variants).toHaveLength(9);
    expect(variants.at(-1)).toMatchObject({ dtype: 'bf16', states: 'f32', master: 'none', asked: true, total });
    const { out } = await soul('plan', '--model', folder, '--device', 'cpu', '--batch-size', '1');
    expect(out).toMatch(/^largest part of a batch: 1 sequence, 255 tokens read/m);
    expect(out.match(/<- asked for/g)).toHaveLength(1);
    expect(out).toMatch(/^f32 +f32 +none +no .*<- asked for$/m);
  });

  test('a command line of unlearn is taken as it stands, and a run of train is planned', async () => {
    const { length } = parameterLayout(parseModelConfig(config));
    const words = [
      '--steps',
      '3',
      '--out',
      folder,
      '--overwrite',
      '--allow-overlap',
      '--seed',
      '7',
      '--learning-rate',
      '1e-5',
    ];
    const more = ['--warmup', '0.2', '--schedule', 'constant', '--evaluate', '0', '--threads', '1'];
    expect(part(await planned(...words, ...more), 'optimizer')).toBe(8 * length);
    const refused = await soul('plan', '--model', folder, '--epochs', '0');
    expect(refused).toMatchObject({ code: 2, out: '' });
    const own = await mkdtemp(join(tmpdir(), 'soul-test-'));
    await writeWordTokenizer(own, ['What is it? Nothing.']);
    await writeFile(join(own, 'config.json'), JSON.stringify(config));
    const data = join(own, 'data.jsonl');
    await writeFile(data, '{"question":"What is it?","answer":"Nothing."}\n');
    for (const option of ['--train', '--data']) {
      const { out, err } = await soul('plan', '--model', own, option, data, '--json', '--device', 'cpu');
      expect(err).not.toContain('soul:');
      expect(JSON.parse(out).batch).toMatchObject({ sequences: 1 });
    }
    const both = await soul('plan', '--model', own, '--train', data, '--forget', data);
    expect(both).toMatchObject({ code: 2, out: '' });
    await rm(own, { recursive: true });
  });

  test('what a run would refuse is refused, and what is cut is said', async () => {
    const trainable = await soul('plan', '--model', folder, '--trainable', 'nothing_like_it');
    expect(trainable).toMatchObject({ code: 2, out: '' });
    expect(trainable.err).toContain('trainable matches no tensor');
    const cut = await soul('plan', '--model', folder, '--max-length', '1000');
    expect(cut.err).toContain('at most 256 tokens: --max-length 1000 counts as that');
    const own = await mkdtemp(join(tmpdir(), 'soul-test-'));
    await writeFile(join(own, 'config.json'), JSON.stringify({ ...config, max_position_embeddings: 1 }));
    const short = await soul('plan', '--model', own);
    expect(short).toMatchObject({ code: 2, out: '' });
    expect(short.err).toContain('sequences of one token');
    await writeFile(join(own, 'config.json'), JSON.stringify(config));
    await writeSafetensors(join(own, 'model.safetensors'), [
      { name: 'model.embed_tokens.weight', dtype: 'F32', shape: [1, 1], data: new Float32Array(1) },
    ]);
    const other = await soul('plan', '--model', own);
    expect(other).toMatchObject({ code: 2, out: '' });
    expect(other.err).toContain('[1,1], but config.json gives [1000,64]');
    await rm(own, { recursive: true });
  });

  test('what an algorithm cannot run on is refused, and no row of what is not asked for', async () => {
    const layer = await soul('plan', '--model', folder, '--method', 'rmu', '--set', 'layer=3');
    expect(layer).toMatchObject({ code: 2, out: '' });
    expect(layer.err).toContain('layer must be an integer from 0 to 2, the model has 3 layers, but is 3');
    const narrow = await soul('plan', '--model', folder, '--method', 'influence', '--dtype', 'bf16');
    expect(narrow).toMatchObject({ code: 2, out: '' });
    expect(narrow.err).toContain("and its weights are bf16; take form 'diagonal'");
    const dtypes = async (...words: string[]) =>
      (await planned('--method', 'influence', ...words)).variants.map(({ dtype }: { dtype: string }) => dtype);
    expect(await dtypes()).toEqual(new Array(4).fill('f32'));
    expect(await dtypes('--set', 'form=diagonal')).toHaveLength(8);
  });

  test('where nothing fits, what comes nearest and what it lacks', () => {
    const asked = { dtype: 'f32', precision: {}, checkpointActivations: false } as const;
    const gibibyte = 2 ** 30;
    const report = (available: number) => {
      const variants = variantsFor(asked).map((variant, i) => {
        const parts = [
          { name: 'weights', bytes: (10 - i) * gibibyte },
          { name: 'activations', bytes: gibibyte },
        ];
        return { ...variant, plan: { device: 'cpu', parts, total: (11 - i) * gibibyte } as const };
      });
      const batch = { rows: 1, labels: 1, lengths: [1] };
      return planText({
        config: parseModelConfig(config),
        folder,
        batch,
        asked: variants[0]!,
        variants,
        available: available * gibibyte,
        disk: { model: gibibyte, checkpoint: 3 * gibibyte, checkpoints: 3 },
      });
    };
    expect(report(4)).not.toContain('Nothing of it fits');
    expect(report(4)).toContain(
      'takes 1.00 GiB, and while the run goes on up to 3 checkpoints of about 3.00 GiB each.',
    );
    const nearest = '--dtype bf16 --states bf16 --master none --checkpoint-activations comes nearest and lacks';
    expect(report(3.5)).toContain(`${nearest} 512 MiB. 1.00 GiB of it are for the tokens of a batch`);
    expect(report(2)).toContain(`${nearest} 2.00 GiB. What it takes for any batch, 3.00 GiB, is too much`);
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
