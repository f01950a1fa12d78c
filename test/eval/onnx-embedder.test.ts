import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { readOnnxFolder } from '../../lib/eval/embedding/onnx-folder.ts';
import type { TransformersLibrary } from '../../lib/eval/embedding/transformers-library.ts';
import { OnnxEmbedder } from '../../lib/eval/index.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'soul-onnx-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const whole: Readonly<Record<string, unknown>> = {
  'config.json': { model_type: 'bert', max_position_embeddings: 512 },
  'tokenizer.json': {},
  'tokenizer_config.json': { model_max_length: 1e30 },
  'onnx/model.onnx': 'weights',
};

let made = 0;
async function folderOf(files: Readonly<Record<string, unknown>>, without: string[] = []): Promise<string> {
  const folder = join(root, `mini-${made++}`);
  await mkdir(folder);
  for (const [name, content] of Object.entries(files)) {
    if (without.includes(name)) continue;
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

describe('readOnnxFolder', () => {
  it('finds the model, its name and its longest text', async () => {
    const folder = await folderOf({
      ...whole,
      'onnx/model_quantized.onnx': 'others',
      'sentence_bert_config.json': { max_seq_length: 128 },
      'modules.json': ['Transformer', 'Pooling'].map((type) => ({ type: `sentence_transformers.models.${type}` })),
      '1_Pooling/config.json': { pooling_mode_mean_tokens: true, pooling_mode_cls_token: false },
    });
    expect(await readOnnxFolder(folder)).toEqual({
      ...{ path: folder, subfolder: 'onnx', model: 'model', maximumLength: 128 },
      // printf weights | sha256sum
      name: `${folder.slice(root.length + 1)} (onnx/model.onnx, SHA-256 9a129038d9a00aed)`,
    });
    const { 'onnx/model.onnx': _, ...others } = whole;
    const flat = await readOnnxFolder(await folderOf({ ...others, 'mini_q8.onnx': 'weights' }));
    expect(flat).toMatchObject({ subfolder: '', model: 'mini_q8', maximumLength: 512 });
  });

  it.each<[string, () => Promise<string>, string, RegExp]>([
    ['no folder', async () => join(root, 'nowhere'), 'SOUL_NOT_FOUND', /nowhere does not exist/],
    [
      'a model without tokenizer and ONNX',
      () => folderOf({ 'config.json': {}, 'model.safetensors': '' }),
      'SOUL_NOT_FOUND',
      /has no tokenizer.json, no tokenizer_config.json, no ONNX file .*optimum-cli export onnx/,
    ],
    [
      'no configuration',
      () => folderOf(whole, ['config.json']),
      'SOUL_NOT_FOUND',
      /has no config.json: an embedder is the folder/,
    ],
    [
      'several ONNX files',
      () => folderOf({ ...whole, 'a.onnx': 'a', 'b.onnx': 'b' }, ['onnx/model.onnx']),
      'SOUL_UNSUPPORTED',
      /several ONNX files \(a.onnx, b.onnx\)/,
    ],
    [
      'a pointer',
      () => folderOf({ ...whole, 'onnx/model.onnx': 'version https://git-lfs.github.com/spec/v1' }),
      'SOUL_BAD_FILE',
      /model.onnx is the pointer of Git LFS/,
    ],
    [
      'another pooling',
      () => folderOf({ ...whole, '1_Pooling/config.json': { pooling_mode_cls_token: true } }),
      'SOUL_UNSUPPORTED',
      /asks for pooling_mode_cls_token; expected the mean/,
    ],
    [
      'another pooling by its name',
      () => folderOf({ ...whole, '1_Pooling/config.json': { pooling_mode: 'max' } }),
      'SOUL_UNSUPPORTED',
      /asks for max; expected the mean/,
    ],
    [
      'a layer behind the pooling',
      () => folderOf({ ...whole, 'modules.json': [{ type: 'sentence_transformers.models.Dense' }] }),
      'SOUL_UNSUPPORTED',
      /asks for "sentence_transformers.models.Dense"/,
    ],
  ])('refuses %s before the package is looked for', async (_, folder, code, message) => {
    await expect(OnnxEmbedder.load(await folder())).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

it('without the package says how to install it', async () => {
  await expect(OnnxEmbedder.load(await folderOf(whole))).rejects.toMatchObject({
    code: 'SOUL_UNSUPPORTED',
    message:
      'sentence embeddings need the package @huggingface/transformers, which is not installed. Install it beside soul-unlearn: npm install @huggingface/transformers@4',
    details: { command: 'npm install @huggingface/transformers@4' },
  });
});

class Tensor {
  readonly data: BigInt64Array;
  readonly dims: readonly number[];
  constructor(_: string, data: BigInt64Array, dims: readonly number[]) {
    this.data = data;
    this.dims = dims;
  }
}

/** A token a letter between 101 and 102; the hidden state of a token is [its number, 1]. */
function library(outputs = 'last_hidden_state') {
  const asked: unknown[] = [];
  const seen: number[][] = [];
  let disposed = 0;
  const tokenizer = (text: string) => {
    const tokens = [101, ...[...text].map((letter) => letter.charCodeAt(0) - 96), 102];
    // A letter z is masked.
    return { input_ids: tokens, attention_mask: tokens.map((token) => Number(token !== 26)) };
  };
  const model = async ({ input_ids, attention_mask }: Record<string, Tensor>) => {
    expect(attention_mask!.dims).toEqual(input_ids!.dims);
    const tokens = Array.from(input_ids!.data, Number);
    seen.push(tokens);
    const data = Float32Array.from(tokens.flatMap((token) => [token, 1]));
    return { [outputs]: { data, dims: [1, tokens.length, 2] } };
  };
  const fake = {
    Tensor,
    AutoTokenizer: {
      from_pretrained: async (...words: unknown[]) => {
        asked.push(words);
        return tokenizer;
      },
    },
    AutoModel: {
      from_pretrained: async (...words: unknown[]) => {
        asked.push(words);
        return Object.assign(model, { dispose: async () => disposed++ });
      },
    },
  };
  return { asked, seen, disposed: () => disposed, library: fake as unknown as TransformersLibrary };
}

const folder = { path: '/mini', subfolder: 'onnx', model: 'model', maximumLength: 6, name: 'mini' };

describe('OnnxEmbedder', () => {
  it('gives the mean over the tokens that count, of norm 1, from a local folder', async () => {
    const { asked, library: fake } = library();
    const embedder = await OnnxEmbedder.by(fake, folder);
    const [ab, az] = await embedder.embed(['ab', 'az']);
    const unit = (x: number) => [x / Math.hypot(x, 1), 1 / Math.hypot(x, 1)].map((each) => expect.closeTo(each, 7));
    expect([...ab!]).toEqual(unit((101 + 1 + 2 + 102) / 4));
    expect([...az!]).toEqual(unit((101 + 1 + 102) / 3));
    expect(asked).toEqual([
      ['/mini', { local_files_only: true }],
      ['/mini', expect.objectContaining({ local_files_only: true, subfolder: 'onnx', model_file_name: 'model' })],
    ]);
  });

  it('cuts a long text before its closing mark', async () => {
    const { seen, library: fake } = library('token_embeddings');
    const embedder = await OnnxEmbedder.by(fake, folder);
    await embedder.embed(['abcd', 'abcdefgh', '']);
    expect(seen).toEqual([
      [101, 1, 2, 3, 4, 102],
      [101, 1, 2, 3, 4, 102],
      [101, 102],
    ]);
  });

  it('hears a signal between texts, and is gone after its release', async () => {
    const { seen, disposed, library: fake } = library();
    const embedder = await OnnxEmbedder.by(fake, folder);
    const signal = AbortSignal.abort();
    await expect(embedder.embed(['a'], { signal })).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
    await embedder.release();
    await embedder.release();
    await expect(embedder.embed(['a'])).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    expect([seen, disposed()]).toEqual([[], 1]);
  });

  it('names what cannot be loaded, and a model that gives something else', async () => {
    const { library: pooled } = library('sentence_embedding');
    const embedder = await OnnxEmbedder.by(pooled, folder);
    await expect(embedder.embed(['a'])).rejects.toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringMatching(/mini gives sentence_embedding; expected last_hidden_state/),
    });
    const failing = { ...pooled, AutoModel: { from_pretrained: () => Promise.reject(new Error('protobuf')) } };
    await expect(OnnxEmbedder.by(failing, folder)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: '/mini cannot be loaded as a sentence embedding model: protobuf',
    });
  });
});
