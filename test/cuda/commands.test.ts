import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { soul } from '../cli/soul.ts';
import { describeWithCudaEngine } from './engine-available.ts';

describeWithCudaEngine('a command on a GPU', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-commands-'));
    await writeFile(path('data.jsonl'), '{"question": "Who?", "answer": "Nobody."}\n');
    const { size } = await writeWordTokenizer(path('model'), ['Question: Who?\nAnswer: Nobody.']);
    const architecture = { architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu' };
    const sizes = { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2 };
    const rest = { num_key_value_heads: 2, max_position_embeddings: 64, rms_norm_eps: 1e-5, rope_theta: 10000 };
    const words = { tie_word_embeddings: true, vocab_size: size };
    const model = await TorchLM.create({ ...architecture, ...sizes, ...rest, ...words }, 5n);
    await model.save(path('model'));
    model.release();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('names it in its result and its record: model, machine code, driver', async () => {
    const gpu = {
      model: expect.any(String),
      architecture: expect.stringMatching(/^sm_\d+$/),
      machineCode: expect.stringMatching(/^sm_\d+/),
      cuda: expect.stringMatching(/^\d+\.\d$/),
    };
    const given = ['--model', path('model'), '--data', path('data.jsonl')];
    const train = await soul('train', ...given, '--out', path('out'), '--steps', '1', '--dtype', 'bf16', '--json');
    expect(train.err).toMatch(/^device: cuda:0 \(.* can be used\)$/m);
    expect(train.code).toBe(0);
    const shown = { device: 'cuda:0', deviceReason: expect.stringMatching(/ can be used$/), gpu, dtype: 'bf16' };
    expect(JSON.parse(train.out)).toMatchObject(shown);
    const { environment } = JSON.parse(await readFile(path('out/run.json'), 'utf8'));
    expect(environment).toMatchObject({ device: 'cuda:0', gpu });

    const evaluation = await soul('eval', ...given, '--no-generate', '--device', 'cuda', '--json', '--quiet');
    expect(evaluation).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(evaluation.out)).toMatchObject({
      device: 'cuda:0',
      deviceReason: 'asked for',
      gpu,
      dtype: 'f32',
    });
  });

  test("says that the peak of memory is the host's", async () => {
    const given = ['--model', path('model'), '--data', path('data.jsonl'), '--out', path('text')];
    const { code, out } = await soul('train', ...given, '--steps', '1', '--evaluate', '0', '--quiet');
    expect(code).toBe(0);
    expect(out).toMatch(/, peak memory of the host \d+ MiB$/m);
  });
});
