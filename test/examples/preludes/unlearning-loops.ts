/**
 * `./model`, a small Llama that knows the answers of `forget.jsonl` and `retain.jsonl`, in the working directory.
 *
 * @module
 */

import { encodeExamples, PromptTemplate, readExamples } from '../../../lib/data/index.ts';
import { AdamW } from '../../../lib/index.ts';
import { HuggingFaceTokenizer } from '../../../lib/model/index.ts';
import { writeAuthors } from '../../../lib/study/authors.ts';
import { writeWordTokenizer } from '../../../lib/study/word-tokenizer.ts';
import { TorchLM } from '../../../lib/torch/index.ts';
import { method, train } from '../../../lib/unlearn/index.ts';

const files = await writeAuthors('.', { seed: 1n, authors: 8, questionsPerAuthor: 8, forgetAuthors: 3 });
await writeWordTokenizer('model', [PromptTemplate.plain.text, ...files.texts]);
const tokenizer = await HuggingFaceTokenizer.load('model');
const known = [...(await readExamples(files.forget)).items, ...(await readExamples(files.retain)).items];
const model = await TorchLM.create(
  {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_act: 'silu',
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 256,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    vocab_size: tokenizer.size,
    bos_token_id: tokenizer.beginOfText,
    eos_token_id: tokenizer.endOfText,
  },
  3n,
);
const optimizer = new AdamW(model.parameters, { learningRate: 5e-3 });
const target = encodeExamples(tokenizer, known).encoded;
await train({ model, optimizer, method: method('finetune'), target, epochs: 30 });
await model.save('model', { tokenizer });
optimizer.release();
model.release();
